"""``host.socket(spec)``: who listens, from one list of sockets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.connections import Connections
from pytest_sysaudit.facts.sockets import Listener
from pytest_sysaudit.resources.base import Module, Source
from pytest_sysaudit.text import is_address

_ANY4, _ANY6 = "0.0.0.0", "::"  # noqa: S104 - asked about, not bound
#: A listener on every IPv4 and IPv6 address at once.
_BOTH = "*"


class Socket:
    """A listening socket: ``tcp://127.0.0.1:22``, ``udp://:::53``, ``tcp://22``, ``unix:///path``.

    Attributes:
        protocol: ``tcp``, ``udp`` or ``unix``.
        host: the address, or the path of a Unix socket; None: every address.
        port: None for a Unix socket.
    """

    __slots__ = ("_source", "host", "port", "protocol")

    def __init__(self, source: Source, spec: str) -> None:
        self._source = source
        self.protocol, self.host, self.port = parse_spec(spec)

    @property
    def is_listening(self) -> bool:
        """Whether something serves there.

        A socket on 0.0.0.0 serves every IPv4 address, one on ``::`` every IPv6 address, and those
        of IPv4 too if it is open for both. Without an address, all of IPv4 and IPv6 must be served,
        where the host has both.

        Raises:
            CannotAssess: the host did not list its sockets, or did not tell whether a socket on
                ``::`` is open for IPv4 (without the tool ss).
        """
        if self.protocol == "unix":
            unix = self._connections().unix
            return any(item.listens and item.path == self.host for item in unix)
        found = [item for item in self._listeners() if item.port == self.port]
        if self.host is not None:
            return self._serves(found, self.host)
        if not found or not self._serves(found, _ANY4):
            return False
        return self._serves(found, _ANY6) or not self._connections().has_inet6

    @property
    def clients(self) -> list[tuple[str, int] | None]:
        """Address and port of each client; None for each of a Unix socket."""
        if self.protocol == "unix":
            unix = self._connections().unix
            return [None for item in unix if not item.listens and item.path == self.host]
        return [
            (item.remote, item.remote_port)
            for item in self._connections().connections
            if (item.protocol, item.port) == (self.protocol, self.port) and self._at(item.local)
        ]

    def _at(self, local: str) -> bool:
        if self.host in (_ANY4, _ANY6):
            return (":" in local) == (self.host == _ANY6)
        return self.host is None or _same(self.host, local)

    def _serves(self, listeners: Iterable[Listener], host: str) -> bool:
        addresses = [item.address for item in listeners]
        anywhere = _ANY6 if ":" in host else _ANY4
        if any(a in (_BOTH, anywhere) or _same(host, a) for a in addresses):
            return True
        if anywhere == _ANY4 and _ANY6 in addresses and not self._tells_families():
            raise CannotAssess(
                f"{self!r}: something listens on port {self.port} of ::, and without the tool ss "
                "the host does not tell whether that is open for IPv4 too"
            )
        return False

    def _listeners(self) -> Iterator[Listener]:
        for item in self._source.facts().listeners:
            if item.protocol == self.protocol:
                yield item

    def _tells_families(self) -> bool:
        return bool(self._source.facts().listeners.tells_families)

    def _connections(self) -> Connections:
        found: Connections = self._source.facts().connections
        return found

    def __repr__(self) -> str:
        host = f"{self.host}:" if self.host else ""
        return f"<socket {self.protocol}://{host}{self.port}>"


def _same(wanted: str, listening: str) -> bool:
    """Whether two addresses are the same; a scope, ``127.0.0.53%lo``, counts only if asked for."""
    if "%" not in wanted:
        listening = listening.partition("%")[0]
    try:
        address = ipaddress.ip_address(listening)
    except ValueError:
        return wanted == listening
    mapped = getattr(address, "ipv4_mapped", None)
    return ipaddress.ip_address(wanted) in (address, mapped)


def parse_spec(spec: str) -> tuple[str, str | None, int | None]:
    """Return protocol, address and port of *spec*.

    Raises:
        RuntimeError: it is none, as in testinfra.
    """
    protocol, _, rest = spec.partition("://")
    if protocol not in ("udp", "tcp", "unix"):
        raise RuntimeError(f"Cannot validate protocol {protocol!r}. Should be tcp, udp or unix")
    if protocol == "unix":
        return protocol, rest, None
    host, colon, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if colon and not is_address(host):
        raise RuntimeError(f"Cannot validate ip address {host!r}")
    if not (port.isascii() and port.isdigit()):
        raise RuntimeError(f"Cannot validate port {port!r}")
    return protocol, host if colon else None, int(port)


class Sockets(Module):
    """``host.socket``."""

    __slots__ = ()

    def __call__(self, spec: str) -> Socket:
        """Return the socket that *spec* describes; nothing is asked yet."""
        return Socket(self._source, spec)

    def get_listening_sockets(self) -> list[str]:
        """Return all of them: ``tcp://0.0.0.0:22``, ``tcp://:::22``, ``unix:///run/x``."""
        facts = self._source.facts()
        found = []
        for item in facts.sockets:
            addresses = (_ANY6, _ANY4) if item.address == _BOTH else (item.address,)
            found += [f"{item.protocol}://{address}:{item.port}" for address in addresses]
        return found + [f"unix://{item.path}" for item in facts.connections.unix if item.listens]
