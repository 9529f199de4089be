"""The last door before the wire: policy, deadline, retries, and what is recorded.

It imports requests, so only `client` imports it, and only when an endpoint is opened.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from pytest_sysaudit.errors import CannotAssess, ConnectionLost, TimedOut
from pytest_sysaudit.http.body import read_body
from pytest_sysaudit.http.exchange import BODY_START, Attempt, Exchange, Timings, clean_headers
from pytest_sysaudit.http.failures import translate
from pytest_sysaudit.http.policy import Origin, Policy
from pytest_sysaudit.http.session import TlsInfo, tls_info
from pytest_sysaudit.http.watch import Watch
from pytest_sysaudit.http.whole import WholeResponse
from pytest_sysaudit.lanes import wait
from pytest_sysaudit.text import decode, printable

#: Sending these twice does no more than sending them once.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
#: Seconds before the second attempt is twice this, before the third twice that, and so on.
_PAUSE = 0.1
_FOREIGN = (requests.RequestException, HTTPError, ssl.SSLError, OSError, http.client.HTTPException)


class HttpResponse(requests.Response):
    """A requests.Response with its body read, and the facts of how it came.

    Attributes:
        tls: what the TLS handshake agreed on; None without TLS.
        exchange: the request and the answer as they are recorded.
        redirect_refused: where a redirect led that was not followed; "" if there was none.
    """

    tls: TlsInfo | None
    exchange: Exchange
    redirect_refused: str = ""


class Watches(threading.local):
    """The watch of the attempt that this thread is making."""

    current: Watch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds of the whole answer, how often to try again to connect, and bytes of a body."""

    seconds: float
    retries: int
    max_body: int


class _Watched(HTTPConnection):
    """Tells the watch of its thread about its socket."""

    watches: ClassVar[Watches]
    response_class = WholeResponse
    peer = ""
    tls: TlsInfo | None = None

    def _new_conn(self) -> socket.socket:
        begin = time.monotonic()
        sock: socket.socket = super()._new_conn()
        host, port = sock.getpeername()[:2]
        self.peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        watch = self.watches.current
        if watch is not None:
            watch.phase = "open"
            watch.connect_ms = round((time.monotonic() - begin) * 1000, 1)
            watch.hold(sock)
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        watch = self.watches.current
        if watch is not None and self.sock is not None:
            watch.phase = "reused" if watch.phase == "connect" else watch.phase
            watch.hold(self.sock)
        super().request(*args, **kwargs)

    def getresponse(self) -> Any:
        response = super().getresponse()
        watch = self.watches.current
        if watch is not None:
            watch.peer, watch.tls = self.peer, self.tls
            watch.answered()
        return response


class _WatchedTls(_Watched, HTTPSConnection):
    """The same over TLS; keeps the handshake's facts, which are gone once a body is read."""

    def connect(self) -> None:
        begin = time.monotonic()
        super().connect()
        watch = self.watches.current
        whole = (time.monotonic() - begin) * 1000
        if watch is not None:
            whole -= watch.connect_ms or 0
            watch.hold(self.sock)
        self.tls = tls_info(self.sock, verified=bool(self.is_verified), handshake_ms=whole)
        self.is_verified = True  # urllib3 would warn at every request; the record says it once


class AuditAdapter(HTTPAdapter):
    """Sends one request at a time, within the policy, the deadline and the limits."""

    def __init__(self, policy: Policy, limits: Limits, redact: Callable[[str], str]) -> None:
        self.policy, self.limits, self.redact = policy, limits, redact
        self._watches = Watches()
        shared = {"watches": self._watches}
        self._kinds: dict[str, Any] = {
            "http": type("WatchedConnection", (_Watched,), shared),
            "https": type("WatchedTlsConnection", (_WatchedTls,), shared),
        }
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool for a request, whose connections tell this adapter's watch."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = self._kinds[pool.scheme or "http"]
        return pool

    def send(  # noqa: PLR0913, PLR0917 - the signature is requests'
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - bodies are always read at once
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Send *request* and return the answer with its body read.

        Raises:
            RefusedByPolicy: the inventory does not allow it; nothing was sent.
            CannotAssess: no whole answer came; the kind says why. The error's ``exchange`` tells
                what was tried.
        """
        url = request.url or ""
        self.require(request)
        self.policy.require_proxy(select_proxy(url, proxies))
        if not self.policy.trusts(url, _text(request.headers.get("Host", ""))):
            cert = None
            self._strip(request)
        options = {"timeout": timeout, "verify": verify, "cert": cert, "proxies": proxies}
        attempts: list[Attempt] = []
        while (response := wait(self._attempt, request, options, attempts)) is None:
            wait(time.sleep, _PAUSE * 2 ** len(attempts))
        return response

    def require(self, request: requests.PreparedRequest) -> None:
        """Refuse *request* if the inventory does not allow it; see `Policy`."""
        url = request.url or ""
        self.policy.require(request.method or "", url)
        self.policy.require_headers(url, request.headers)

    def _attempt(
        self,
        request: requests.PreparedRequest,
        options: Mapping[str, Any],
        attempts: list[Attempt],
    ) -> HttpResponse | None:
        """Make one attempt and note it in *attempts*; None if there is to be another."""
        with Watch(max([self.limits.seconds, *_seconds(options["timeout"])])) as watch:
            try:
                response = self._once(request, watch, options)
            except CannotAssess as error:
                attempts.append(_noted(attempts, watch, self.redact(str(error))))
                if self._again(request.method or "", watch, error, len(attempts)):
                    return None
                told = self._exchange(request, watch, attempts, options, error=error)
                error.exchange = told  # type: ignore[attr-defined]
                raise
            attempts.append(_noted(attempts, watch, ""))
            response.tls = watch.tls
            told = self._exchange(request, watch, attempts, options, response=response)
            response.exchange = told
            return response

    def _once(
        self, request: requests.PreparedRequest, watch: Watch, options: Mapping[str, Any]
    ) -> HttpResponse:
        """Make one attempt; every foreign error ends here."""
        place = self.redact(f"{request.method} {request.url}")
        own = Origin.of(request.url or "") == self.policy.base
        self._watches.current = watch
        try:
            response = self._read(super().send(request, stream=True, **options), place)
        except (*_FOREIGN, CannotAssess) as error:
            if watch.expired:
                raise _too_late(place, watch) from error
            if isinstance(error, CannotAssess):
                raise
            raise translate(error, place, own=own) from error
        finally:
            self._watches.current = None
        if watch.expired:
            raise _too_late(place, watch)
        return response

    def _read(self, response: requests.Response, place: str) -> HttpResponse:
        """Return *response* as one of ours, with its body read."""
        audited = HttpResponse()
        audited.__dict__.update(response.__dict__)
        try:
            body = read_body(response.raw, place, self.limits.max_body)
        except BaseException:
            response.raw.close()
            raise
        finally:
            response.raw.release_conn()
        audited._content = body  # noqa: SLF001 - the only way to hand a body over
        audited._content_consumed = True  # type: ignore[attr-defined] # noqa: SLF001
        return audited

    def _again(self, method: str, watch: Watch, error: CannotAssess, tried: int) -> bool:
        """Tell whether to try once more: only if the server cannot have seen the request.

        A connection that was kept open and that the server has closed meanwhile counts as such.
        """
        if method not in _IDEMPOTENT or watch.expired or tried > self.limits.retries:
            return False
        stale = watch.phase == "reused" and isinstance(error, ConnectionLost)
        return watch.phase == "connect" or stale

    def _strip(self, request: requests.PreparedRequest) -> None:
        for name in list(request.headers):
            if name.lower() in self.policy.secret_headers:
                del request.headers[name]

    def _exchange(  # noqa: PLR0913 - what makes up a record
        self,
        request: requests.PreparedRequest,
        watch: Watch,
        attempts: list[Attempt],
        options: Mapping[str, Any],
        *,
        response: HttpResponse | None = None,
        error: CannotAssess | None = None,
    ) -> Exchange:
        """Return the record of *request*, whichever way it ended."""
        sent = [(name, _text(value)) for name, value in request.headers.items()]
        scheme = (request.url or "").partition(":")[0]
        return Exchange(
            method=request.method or "",
            url=self.redact(request.url or ""),
            request_headers=clean_headers(sent, self.redact, self.policy.secret_headers),
            tls=watch.tls,
            peer=watch.peer,
            proxy=self.redact((options.get("proxies") or {}).get(scheme, "")),
            timings=_timings(watch),
            attempts=tuple(attempts),
            error=self.redact(str(error)) if error else "",
            started=watch.started,
            **(self._answer(response) if response is not None else {}),
        )

    def _answer(self, response: HttpResponse) -> dict[str, Any]:
        """Return what an exchange tells about the answer."""
        body = response.content or b""
        lines = response.raw.headers.iteritems()
        return {
            "status": response.status_code,
            "reason": self.redact(printable(response.reason or "")),
            "headers": clean_headers(((n, printable(v)) for n, v in lines), self.redact),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "body_size": len(body),
            "body_start": self._beginning(body),
        }

    def _beginning(self, body: bytes) -> str:
        """Return the text that *body* begins with, cut where no part of a secret is left."""
        text = printable(decode(body[: 2 * BODY_START]))
        return self.redact(text)[:BODY_START]


def _timings(watch: Watch) -> Timings:
    fresh = watch.tls is not None and watch.connect_ms is not None
    return Timings(
        connect=watch.connect_ms,
        handshake=watch.tls.handshake_ms if watch.tls and fresh else None,
        first_byte=watch.first_byte_ms,
        total=watch.elapsed_ms,
    )


def _noted(before: list[Attempt], watch: Watch, error: str) -> Attempt:
    number = len(before) + 1
    return Attempt(number=number, started=watch.started, duration_ms=watch.elapsed_ms, error=error)


def _too_late(place: str, watch: Watch) -> TimedOut:
    return TimedOut(
        f"{place}: the whole answer was not here after {watch.seconds:g} s; "
        "see total_timeout and command_timeout"
    )


def _seconds(timeout: Any) -> list[float]:
    """Return the seconds in what requests takes as a timeout."""
    items = timeout if isinstance(timeout, tuple) else (timeout,)
    return [float(item) for item in items if isinstance(item, (int, float))]


def _text(value: str | bytes) -> str:
    return decode(value) if isinstance(value, bytes) else value
