"""HTTP exchanges as observations: what was asked and answered, and the same again in a replay.

It imports requests, so it is itself imported only when an endpoint is opened.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from requests.structures import CaseInsensitiveDict
from requests.utils import default_headers

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.evidence.observation import Observation
from pytest_sysaudit.evidence.redact import MASK
from pytest_sysaudit.http import failures
from pytest_sysaudit.http.exchange import Attempt, Exchange, Timings, is_secret_header
from pytest_sysaudit.http.session import TlsInfo, pack, unpack
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import decode

if TYPE_CHECKING:
    import requests

    from pytest_sysaudit.evidence.observation import Journal, Stored
    from pytest_sysaudit.http.adapter import HttpResponse
    from pytest_sysaudit.http.settings import Settings

#: What our own body reader can decode.
ACCEPTED = "gzip, deflate"
#: What a replay asks for to know who answered when the endpoint was opened.
PEER: Mapping[str, Plain] = {"fact": "peer"}
#: Headers that follow from the rest of the request, or are told in another way.
_DERIVED = frozenset({"content-length", "cookie", "authorization", "transfer-encoding"})
_BOUNDARY = re.compile(r"(?i)(multipart/[\w.-]+;\s*boundary=)\"?([\w'()+,./:=?-]+)\"?")
#: Parts of an exchange that are kept elsewhere: as parts, or made again from the body.
_ELSEWHERE = frozenset({"tls", "body_start", "attempts", "timings", "redirects"})


def usual_headers(settings: Settings) -> Mapping[str, str]:
    """Return the headers of a request to which a check added none."""
    usual: Any = default_headers()
    usual.update({"Accept-Encoding": ACCEPTED, "User-Agent": "pytest-sysaudit"})
    usual.update(settings.headers)
    found: Mapping[str, str] = usual
    return found


def asked_of(request: requests.PreparedRequest, settings: Settings) -> dict[str, Plain]:
    """Return what tells *request* from others of its endpoint, the same in a run and its replay.

    Credentials of the inventory are not in it: a replay does not have them.
    """
    body, kind = _body(request)
    return {
        "method": request.method or "",
        "url": request.url or "",
        "headers": _own_headers(request, settings, kind),
        "cookies": sorted(_cookie_names(_text(request.headers.get("Cookie", "")))),
        "body_sha256": "" if body is None else hashlib.sha256(body).hexdigest(),
    }


def _own_headers(
    request: requests.PreparedRequest, settings: Settings, kind: str
) -> dict[str, Plain]:
    """Return the headers that are not those of every request, None for those that are missing."""
    usual = CaseInsensitiveDict(usual_headers(settings))
    found: dict[str, Plain] = {name.lower(): None for name in usual if name not in request.headers}
    for name, value in request.headers.items():
        lower, text = name.lower(), _text(value)
        if lower in _DERIVED or usual.get(name) == text:
            continue
        found[lower] = MASK if is_secret_header(name) else text
    if kind:
        found["content-type"] = kind
    named = settings.auth is not None or "authorization" in map(str.lower, settings.headers)
    if "Authorization" in request.headers and not named:
        found["authorization"] = _text(request.headers["Authorization"]).partition(" ")[0]
    return found


def _body(request: requests.PreparedRequest) -> tuple[bytes | None, str]:
    """Return the body, and its type where that is to be told anew: boundaries are random.

    What is sent from an open file, or as it is made, is not looked into.
    """
    body = request.body
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes):
        return (None if body is None else b"a stream"), ""
    found = _BOUNDARY.match(_text(request.headers.get("Content-Type", "")))
    if not found:
        return body, ""
    return body.replace(found[2].encode(), b"boundary"), f"{found[1]}boundary"


def _cookie_names(header: str) -> list[str]:
    return [pair.partition("=")[0].strip() for pair in header.split(";") if pair.strip()]


def _text(value: str | bytes) -> str:
    return decode(value) if isinstance(value, bytes) else value


class ExchangeRecorder:
    """Keeps every exchange of one endpoint, and the facts of its TLS."""

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self.journal, self.settings = journal, settings

    def asked(self, request: requests.PreparedRequest) -> dict[str, Plain]:
        """Return `asked_of`; before the request is sent, for that may take headers away."""
        return asked_of(request, self.settings)

    def opened(self, peer: str) -> None:
        """Keep who answered when the endpoint was opened."""
        self._note(PEER, time.time(), answer={"peer": peer})

    def answered(
        self,
        asked: Mapping[str, Plain],
        request: requests.PreparedRequest,
        response: HttpResponse,
    ) -> None:
        """Keep an exchange that had an answer."""
        told, parts = _plain(response.exchange)
        raw = [tuple(line) for line in response.raw.headers.iteritems()]
        self._note(
            asked,
            response.exchange.started,
            duration=response.exchange.timings.total / 1000,
            answer=told,
            parts={**parts, **_sent(request), "body": response.content or b""},
            redacted=raw != list(response.exchange.headers),
        )

    def failed(
        self,
        asked: Mapping[str, Plain],
        request: requests.PreparedRequest,
        error: CannotAssess,
    ) -> None:
        """Keep an exchange that had none."""
        exchange = getattr(error, "exchange", None)
        told, parts = _plain(exchange) if isinstance(exchange, Exchange) else (None, {})
        started = exchange.started if isinstance(exchange, Exchange) else time.time()
        self._note(
            asked,
            started,
            duration=time.time() - started,
            answer=told,
            error=failures.to_plain(error),
            parts={**parts, **_sent(request)},
        )

    def _note(self, asked: Mapping[str, Plain], started: float, **seen: Any) -> None:
        target = self.settings.target
        self.journal.note(
            Observation(kind="http", target=target, asked=asked, started=started, **seen)
        )


def _sent(request: requests.PreparedRequest) -> dict[str, bytes]:
    body = request.body
    if isinstance(body, str):
        body = body.encode()
    return {"request": body} if isinstance(body, bytes) and body else {}


def _plain(exchange: Exchange) -> tuple[dict[str, Plain], dict[str, bytes]]:
    """Return *exchange* as JSON data, and the certificates in it apart."""
    plain: dict[str, Plain] = {
        field.name: getattr(exchange, field.name)
        for field in fields(exchange)
        if field.name not in _ELSEWHERE
    }
    plain["request_headers"] = [list(pair) for pair in exchange.request_headers]
    plain["headers"] = [list(pair) for pair in exchange.headers]
    plain["attempts"] = [asdict(attempt) for attempt in exchange.attempts]
    plain["timings"] = asdict(exchange.timings)
    plain["tls"], parts = pack(exchange.tls) if exchange.tls else (None, {})
    return plain, parts


def exchange_of(stored: Stored, body_start: str) -> Exchange | None:
    """Return the exchange in *stored*; None: the request did not come so far."""
    if stored.answer is None:
        return None
    plain = dict(stored.answer)
    tls: TlsInfo | None = unpack(plain["tls"], stored.parts) if plain["tls"] else None
    return Exchange(
        **{
            **plain,
            "request_headers": tuple(map(tuple, plain["request_headers"])),
            "headers": tuple(map(tuple, plain["headers"])),
            "attempts": tuple(Attempt(**attempt) for attempt in plain["attempts"]),
            "timings": Timings(**plain["timings"]),
            "tls": tls,
            "body_start": body_start,
        }
    )
