"""The border where errors of requests, urllib3, ssl and sockets become ours."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping

from pytest_sysaudit.errors import CannotAssess, ConnectionLost, TimedOut, Unreachable
from pytest_sysaudit.evidence import faults
from pytest_sysaudit.http.trust import WRONG_HOST, Trust, distrust
from pytest_sysaudit.record import Plain

_OF_PROXY = frozenset({"ProxyError", "InvalidProxyURL"})
#: Names of urllib3's and requests' errors, our kind, and the words; the first that fits counts.
_BY_NAME: tuple[tuple[frozenset[str], type[CannotAssess], str], ...] = (
    (_OF_PROXY, Unreachable, "the proxy did not let us through: {}"),
    (
        frozenset({"ConnectTimeoutError", "ConnectTimeout"}),
        Unreachable,
        "no answer to the attempt to connect",
    ),
    (
        frozenset({"ReadTimeoutError", "ReadTimeout"}),
        TimedOut,
        "connected, but no answer came in time; see read_timeout",
    ),
    (frozenset({"NewConnectionError"}), Unreachable, "cannot connect: {}"),
    (
        frozenset({"ProtocolError", "IncompleteRead", "RemoteDisconnected"}),
        ConnectionLost,
        "the answer broke off: {}",
    ),
)


class TlsFailed(CannotAssess):
    """The TLS handshake with an endpoint failed, other than by its certificate."""


class NotListening(CannotAssess):
    """Nothing listens on a port besides the endpoint's own: the host itself refused."""


class Untrusted(CannotAssess):
    """The server's certificate does not verify, so nothing was sent and nothing is known.

    To the checks of TLS this is a finding, which they take from ``http_client.tls``; to all others
    it means that the answer could come from anyone.

    Attributes:
        trust: the outcome of the verification.
        verify_code: OpenSSL's code.
        reason: in a few words: expired, self-signed, wrong host, unknown issuer, ...
    """

    def __init__(self, place: str, trust: Trust) -> None:
        self.place, self.trust = place, trust
        self.verify_code, self.reason = trust.code, trust.reason
        super().__init__(
            f"{place}: the certificate does not verify: {trust}; expected one that a trusted CA "
            f"issued for this name. {_way_out(trust)}"
        )

    def __reduce__(self) -> tuple[type[Untrusted], tuple[str, Trust]]:
        return type(self), (self.place, self.trust)


def to_plain(error: CannotAssess) -> dict[str, Plain]:
    """Return *error* as JSON data: as `faults.to_plain`, with what is known here only."""
    plain = faults.to_plain(error)
    if isinstance(error, Untrusted):
        return {**plain, "http": "Untrusted", "place": error.place, "trust": error.trust.to_plain()}
    own = next((kind.__name__ for kind in (TlsFailed, NotListening) if isinstance(error, kind)), "")
    return {**plain, "http": own} if own else plain


def from_plain(plain: Mapping[str, Plain]) -> Exception:
    """Undo `to_plain`."""
    kind = plain.get("http", "")
    if kind == "Untrusted":
        return Untrusted(plain["place"], Trust(**plain["trust"]))
    if kind in ("TlsFailed", "NotListening"):
        return {"TlsFailed": TlsFailed, "NotListening": NotListening}[kind](plain["message"])
    return faults.from_plain(plain)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and all errors inside it, outermost first."""
    todo: list[BaseException] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        todo.extend(item for item in inner if isinstance(item, BaseException))


def translate(error: BaseException, place: str, *, own: bool = True) -> CannotAssess:
    """Return our error for *error*, which came up at *place* (a URL or host:port).

    Args:
        error: anything that requests, urllib3, http.client, ssl or a socket raised.
        place: what the message begins with.
        own: whether it is the endpoint itself; another port or host does not make it unreachable.
    """
    chain = list(causes(error))
    for item in chain:
        if isinstance(item, CannotAssess):
            return item
        if isinstance(item, ssl.SSLCertVerificationError):
            return Untrusted(place, distrust(item))
    names = {type(item).__name__ for item in chain}
    inner = str(chain[-1]) or type(chain[-1]).__name__
    if not names & _OF_PROXY:
        for item in chain:
            if (found := _by_socket(item, place, own=own)) is not None:
                return found
    for known, kind, words in _BY_NAME:
        if names & known:
            ours = CannotAssess if kind is Unreachable and not own else kind
            return ours(f"{place}: {words.format(inner)}")
    return CannotAssess(f"{place}: {inner}")


def _by_socket(item: BaseException, place: str, *, own: bool) -> CannotAssess | None:
    """Return our error for one of ssl's or the socket's; None for all others."""
    unreachable: type[CannotAssess] = Unreachable if own else CannotAssess
    if isinstance(item, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return ConnectionLost(f"{place}: the TLS connection was cut off")
    if isinstance(item, ssl.SSLError):
        why = (item.reason or str(item)).replace("_", " ").lower()
        return TlsFailed(
            f"{place}: the TLS handshake failed: {why}; the server and this client may share no "
            "protocol version or cipher suite: see http_client.tls"
        )
    if isinstance(item, socket.gaierror):
        return unreachable(f"{place}: the name cannot be resolved: {item.strerror}")
    if isinstance(item, ConnectionRefusedError):
        what = f"{place}: connection refused: nothing listens there"
        return Unreachable(what) if own else NotListening(what)
    if isinstance(item, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return ConnectionLost(f"{place}: the server reset the connection")
    return None


def _way_out(trust: Trust) -> str:
    if trust.code in WRONG_HOST:
        return "Use the name that the certificate is for in base_url, or get one for this name."
    if trust.reason in ("unknown issuer", "self-signed"):
        return "If the CA is your own, name its certificate as ca_file in the inventory."
    if trust.reason == "missing intermediate":
        return "Let the server send the intermediate certificate, or name the CA as ca_file."
    return "Renew or replace the certificate."
