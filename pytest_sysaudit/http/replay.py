"""An endpoint as it was recorded: the same client, whose answers come from the recording.

It imports requests, so it is itself imported only when an endpoint is opened.
"""

from __future__ import annotations

import contextlib
import http.client
import http.cookiejar
import io
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import requests
from requests.utils import select_proxy
from urllib3._collections import HTTPHeaderDict
from urllib3.response import HTTPResponse

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.evidence.observation import NotRecorded
from pytest_sysaudit.evidence.trail import collected, used
from pytest_sysaudit.http import failures
from pytest_sysaudit.http.adapter import AuditAdapter, HttpResponse
from pytest_sysaudit.http.client import HttpClient, Shared
from pytest_sysaudit.http.exchange import Exchange, Headers
from pytest_sysaudit.http.recording import PEER, asked_of, exchange_of
from pytest_sysaudit.http.settings import Settings, settings_without_secrets
from pytest_sysaudit.http.tls_recording import FactPlayer
from pytest_sysaudit.inventory.target import Target

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.observation import Player


_cookiejar: Any = http.cookiejar  # the stubs do not know its reader of dates


def replay_client(target: Target, player: Player) -> HttpClient:
    """Return the client of *target* as it was recorded; no file, secret or socket is opened.

    Raises:
        CannotAssess: the inventory gives no base_url.
    """
    settings = settings_without_secrets(target)
    return HttpClient(settings, _Recorded(settings, player))


class _Recorded(Shared):
    """What all clients of one endpoint share, from a recording."""

    def __init__(self, settings: Settings, player: Player) -> None:
        adapter = ReplayAdapter(settings, player)
        super().__init__(settings, adapter=adapter, keeper=FactPlayer(player, settings.target))
        with collected():
            known = player.find("http", settings.target, PEER)
            if settings.policy.base.scheme == "https" and not settings.proxy:
                # the run began by a handshake: who asks again gets what came next
                with contextlib.suppress(CannotAssess):
                    _ = self.tls.handshake
        self.peer = str(known.answer["peer"]) if known else ""

    def probe(self) -> None:
        """Do nothing: it was probed when it was recorded."""


class ReplayAdapter(AuditAdapter):
    """Stands where requests leave us, within the same policy."""

    def __init__(self, settings: Settings, player: Player) -> None:
        super().__init__(settings.policy, settings.limits, settings.redact)
        self._settings, self._player = settings, player

    def send(  # noqa: PLR0913, PLR0917 - the signature is requests'
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: Any = None,  # noqa: ARG002
        verify: bool | str = True,  # noqa: ARG002
        cert: Any = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Return what came when the same was sent.

        Raises:
            RefusedByPolicy: the inventory does not allow it.
            CannotAssess: it was not sent when this was recorded, or there was no whole answer.
        """
        url = request.url or ""
        self.require(request)
        self.policy.require_proxy(select_proxy(url, proxies))
        known = self._player.find("http", self._settings.target, asked_of(request, self._settings))
        if known is None:
            raise NotRecorded(self._settings.target, f"{request.method} {url}")
        if known.cut:
            used(known.id, redacted=True)  # a check that looked at it stands as it was recorded
        body = known.parts.get("body", b"")
        exchange = exchange_of(known, self._beginning(body))
        if known.error is not None:
            error: Any = failures.from_plain(known.error)
            if exchange is not None:
                error.exchange = exchange
            raise error
        if exchange is None or "body" in known.cut:
            raise Incomplete(
                f"{self._settings.target}: {request.method} {url}: the recording holds only a part "
                "of the answer; see its limits"
            )
        return self._response(request, exchange, body)

    def _response(
        self, request: requests.PreparedRequest, exchange: Exchange, body: bytes
    ) -> HttpResponse:
        raw: Any = HTTPResponse(
            body=io.BytesIO(b""),
            headers=HTTPHeaderDict(exchange.headers),
            status=exchange.status or 0,
            reason=exchange.reason,
            preload_content=False,
            original_response=_Original(exchange.headers, exchange.started),  # type: ignore[arg-type]
        )
        response = HttpResponse()
        response.__dict__.update(self.build_response(request, raw).__dict__)
        response._content = body  # noqa: SLF001 - the only way to hand a body over
        response._content_consumed = True  # type: ignore[attr-defined] # noqa: SLF001
        response.tls, response.exchange = exchange.tls, exchange
        return response


class _Original:
    """What requests takes cookies from: the headers as http.client read them.

    A cookie that was good then is good now: what has run out since has lost its date.
    """

    def __init__(self, headers: Headers, then: float) -> None:
        self.msg = http.client.HTTPMessage()
        for name, value in headers:
            good = name.lower() == "set-cookie"
            self.msg[name] = "; ".join(_lasting(value.split(";"), then)) if good else value

    def isclosed(self) -> bool:
        """Say that there is nothing more to read; the name is http.client's."""
        return True

    def close(self) -> None:
        """Do nothing."""


def _lasting(attributes: Iterable[str], then: float) -> Iterable[str]:
    for attribute in attributes:
        name, _, value = attribute.strip().partition("=")
        until = _cookiejar.http2time(value) if name.lower() == "expires" else None
        if until is None or not then < until <= time.time():
            yield attribute.strip()
