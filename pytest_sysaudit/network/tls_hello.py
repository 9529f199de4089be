"""The TLS version that a server chose, read from its ServerHello on the wire."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.network.streams import Stream
from pytest_sysaudit.record import Plain

_HANDSHAKE, _ALERT, _APPLICATION = 22, 21, 23
_SERVER_HELLO = 2
_SUPPORTED_VERSIONS = 43
VERSIONS = {
    0x0300: "SSLv3",
    0x0301: "TLSv1.0",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
}


@dataclass(frozen=True, slots=True, order=True)
class Handshake:
    """One TLS connection.

    Attributes:
        number: the version that the server chose as on the wire (0x0303 is TLS 1.2); 0 if the
            ServerHello was not seen.
        suite: the cipher suite's IANA number; 0 if not seen.
        client, client_port, server, server_port: as in `flows.Flow`.
    """

    number: int
    suite: int
    client: str
    client_port: int
    server: str
    server_port: int

    @property
    def version(self) -> str:
        """``SSLv3``, ``TLSv1.0`` to ``TLSv1.3``, or the number.

        Raises:
            CannotAssess: the handshake was not seen.
        """
        if not self.number:
            raise CannotAssess(f"{self}: the connection began before the capture")
        return VERSIONS.get(self.number, f"0x{self.number:04x}")

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        plain: dict[str, Plain] = {name: getattr(self, name) for name in self.__slots__}
        del plain["number"]
        return {**plain, "version": VERSIONS.get(self.number, "not seen")}

    def __str__(self) -> str:
        return f"tls from {self.client}:{self.client_port} to {self.server}:{self.server_port}"


def handshakes(streams: Iterable[Stream]) -> Iterator[Handshake]:
    """Yield one `Handshake` for each stream in which a server spoke TLS, also after STARTTLS."""
    for stream in streams:
        found = next(_hellos(stream), None)
        if found is not None:
            yield Handshake(
                *found, stream.client, stream.client_port, stream.server, stream.server_port
            )


def _hellos(stream: Stream) -> Iterator[tuple[int, int]]:
    """Yield version and suite of each ServerHello, then (0, 0) if there are TLS records at all."""
    speaks_tls = False
    for turn in stream.turns:
        kinds = [kind for kind, _ in _records(turn.data)]
        if not turn.client:
            said = b"".join(body for kind, body in _records(turn.data) if kind == _HANDSHAKE)
            hello = _server_hello(said)
            if hello:
                yield hello
        speaks_tls = speaks_tls or (not turn.client and _APPLICATION in kinds)
    if speaks_tls:
        yield 0, 0


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of the TLS records that *data* begins with."""
    at = 0
    while at + 5 <= len(data):
        kind, major, minor, size = struct.unpack_from(">BBBH", data, at)
        if not _ALERT - 1 <= kind <= _APPLICATION or major != 3 or minor > 4 or size > 18432:  # noqa: PLR2004
            return
        yield kind, data[at + 5 : at + 5 + size]
        at += 5 + size


def _server_hello(data: bytes) -> tuple[int, int] | None:
    """Return version and suite of the ServerHello that handshake bytes begin with, if any."""
    if not data or data[0] != _SERVER_HELLO:
        return None
    try:
        end = 4 + int.from_bytes(data[1:4])
        (version,) = struct.unpack_from(">H", data, 4)
        at = 38 + 1 + data[38]  # after version, random and session id
        (suite,) = struct.unpack_from(">H", data, at)
        return _chosen(data[at + 5 : end]) or version, suite
    except (struct.error, IndexError):
        return None


def _chosen(extensions: bytes) -> int:
    """Return the version that extension 43 names, which only TLS 1.3 sends; 0 if there is none."""
    at = 0
    while at + 4 <= len(extensions):
        kind, size = struct.unpack_from(">HH", extensions, at)
        if kind == _SUPPORTED_VERSIONS and size == 2:  # noqa: PLR2004
            return int.from_bytes(extensions[at + 4 : at + 6])
        at += 4 + size
    return 0
