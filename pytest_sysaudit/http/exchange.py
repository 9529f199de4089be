"""One request and its answer as they are recorded: plain, bounded, without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from pytest_sysaudit.evidence.redact import MASK
from pytest_sysaudit.http.session import TlsInfo
from pytest_sysaudit.record import Plain

Headers = tuple[tuple[str, str], ...]
"""Name and value of each header line, in the order they came; repeated ones stay apart."""

#: Bytes of a body that are kept.
BODY_START = 2048

_SECRET_NAME = re.compile(
    r"token|secret|passw|api-?key|credential|^(proxy-)?authorization$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a request; ``error`` is "" for the one that was answered."""

    number: int
    started: float
    duration_ms: float
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """One redirect: the status, the URL that gave it, and where it led."""

    status: int
    url: str
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Milliseconds; ``connect`` and ``handshake`` are None where they did not take place."""

    connect: float | None
    handshake: float | None
    first_byte: float | None
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, without secrets.

    Attributes:
        method: as sent.
        url: as sent; secrets in its query are redacted.
        request_headers: as sent; values of credentials and cookies are redacted.
        status: None if there was no answer.
        reason: the words after the status.
        headers: of the answer; values of cookies are redacted, their attributes are not.
        redirects: what was followed to get here, first one first.
        redirect_refused: where a redirect led that was not followed; "" if there was none.
        tls: None without TLS.
        peer: ``address:port`` of the server, or of the proxy if one is named.
        proxy: the proxy's URL, "" without one.
        timings: of the attempt that was answered.
        body_sha256: of the whole decoded body; "" without an answer.
        body_size: bytes of the decoded body.
        body_start: the first bytes of it as text.
        attempts: all attempts, failed ones too.
        error: why there is no answer; "" if there is one.
        started: seconds since the epoch.
    """

    method: str
    url: str
    request_headers: Headers
    status: int | None = None
    reason: str = ""
    headers: Headers = ()
    redirects: tuple[Redirect, ...] = ()
    redirect_refused: str = ""
    tls: TlsInfo | None = None
    peer: str = ""
    proxy: str = ""
    timings: Timings
    body_sha256: str = ""
    body_size: int = 0
    body_start: str = ""
    attempts: tuple[Attempt, ...] = ()
    error: str = ""
    started: float

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        plain: dict[str, Plain] = {name: getattr(self, name) for name in self.__slots__}
        plain["request_headers"] = [list(pair) for pair in self.request_headers]
        plain["headers"] = [list(pair) for pair in self.headers]
        plain["redirects"] = [asdict(item) for item in self.redirects]
        plain["attempts"] = [asdict(item) for item in self.attempts]
        plain["timings"] = asdict(self.timings)
        plain["tls"] = self.tls.to_plain() if self.tls else None
        return plain


def clean_headers(
    pairs: Iterable[tuple[str, str]], redact: Callable[[str], str], secret: Iterable[str] = ()
) -> Headers:
    """Return header lines without secrets.

    Args:
        pairs: name and value of each line.
        redact: takes known secrets out of a text.
        secret: further names, lower case, whose whole values are secret.
    """
    names = frozenset(secret)
    return tuple((name, redact(_value(name, value, names))) for name, value in pairs)


def is_secret_header(name: str) -> bool:
    """Whether the value of a header with this name is a secret as a whole."""
    return bool(_SECRET_NAME.search(name))


def _value(name: str, value: str, secret: frozenset[str]) -> str:
    lower = name.lower()
    if lower == "cookie":
        return "; ".join(_mask_pair(part) for part in value.split(";"))
    if lower == "set-cookie":
        first, mark, attributes = value.partition(";")
        return _mask_pair(first) + mark + attributes
    if lower in ("authorization", "proxy-authorization"):
        scheme, space, _ = value.strip().partition(" ")
        return f"{scheme} {MASK}" if space else MASK
    if lower in secret or is_secret_header(name):
        return MASK
    return value


def _mask_pair(pair: str) -> str:
    name, mark, _ = pair.strip().partition("=")
    return f"{name}={MASK}" if mark else MASK
