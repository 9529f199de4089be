"""What an ssh server offers to everybody, before any login: read from the network."""

from __future__ import annotations

import socket
import time
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable, TimedOut
from pytest_sysaudit.lanes import wait
from pytest_sysaudit.text import decode, printable, shorten

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.sockets import Listener, Sockets

#: Seconds for the connection and for the whole answer.
DEADLINE = 8.0
#: A server that is busy hangs up at once (MaxStartups); it is asked again as often.
_TRIES, _PAUSE = 4, 0.3
#: What a server may say before its banner, and how long a packet may be (RFC 4253).
_LINES, _LINE, _PACKET = 100, 8192, 262144
_KEXINIT, _COOKIE, _LISTS = 20, 17, 8
_SERVERS = frozenset({"sshd", "dropbear", "tinysshd", "sshd-session"})
_SSH_PORT = 22
_OURS = b"SSH-2.0-sysaudit\r\n"


class _HungUp(CannotAssess):
    """The server closed the connection before it said anything."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server says when somebody connects.

    Attributes:
        place: ``address:port``.
        protocol: ``2.0``; ``1.99`` for a server that speaks the first version too.
        software: the rest of its banner: ``OpenSSH_9.2p1 Debian-2``.
        kex, host_keys: algorithms in its order.
        ciphers, macs: those of either direction.
    """

    place: str
    protocol: str
    software: str
    kex: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()


def parse_banner(line: str) -> tuple[str, str]:
    """Return protocol and software of ``SSH-2.0-OpenSSH_9.2p1``.

    Raises:
        ValueError: it is no banner.
    """
    mark, protocol, software = line.split("-", 2)
    if mark != "SSH":
        raise ValueError("not a banner")
    return protocol, printable(software.strip())


def parse_lists(payload: bytes) -> tuple[tuple[str, ...], ...]:
    """Return the eight lists of algorithms of a KEXINIT message, in its order.

    Raises:
        ValueError: it is none, or is cut.
    """
    if len(payload) <= _COOKIE or payload[0] != _KEXINIT:
        raise ValueError("not the message that names the algorithms")
    found, rest = [], payload[_COOKIE:]
    for _ in range(_LISTS):
        size = int.from_bytes(rest[:4], "big")
        text, rest = rest[4 : 4 + size], rest[4 + size :]
        if len(text) < size:
            raise ValueError("the message is cut")
        names = printable(text.decode("ascii", "backslashreplace"))
        found.append(tuple(name for name in names.split(",") if name))
    return tuple(found)


def ask(host: str, port: int, deadline: float = DEADLINE) -> Offer:
    """Connect to *host*:*port*, read banner and algorithms, and hang up.

    Raises:
        TimedOut: no answer within *deadline* seconds.
        CannotAssess: no connection, or what answers is no ssh server.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    end = time.monotonic() + deadline
    for left in reversed(range(_TRIES)):
        try:
            return _once(host, port, place, end)
        except TimeoutError:
            raise TimedOut(f"{place}: no answer within {deadline:g} s") from None
        except _HungUp:
            if not left or time.monotonic() + _PAUSE > end:
                raise
            time.sleep(_PAUSE)
        except OSError as error:
            why = error.strerror or str(error)
            raise CannotAssess(f"{place}: no connection from here: {why}") from error
        except ValueError as error:
            raise CannotAssess(f"{place}: what answers is no ssh server: {error}") from error
    raise AssertionError  # the last try returns or raises


def _once(host: str, port: int, place: str, end: float) -> Offer:
    with socket.create_connection((host, port), timeout=_left(end)) as sock:
        sock.sendall(_OURS)
        stream = _Stream(sock, end)
        protocol, software = _banner(stream, place)
        if not protocol.startswith(("2.", "1.99")):
            return Offer(place, protocol, software)
        lists = parse_lists(stream.packet())
    kex, host_keys, ciphers, back, macs, macs_back, *_ = lists
    signals = ("ext-info-s", "kex-strict-s-v00@openssh.com")  # they are no algorithms
    return Offer(
        place,
        protocol,
        software,
        tuple(name for name in kex if name not in signals),
        host_keys,
        tuple(dict.fromkeys((*ciphers, *back))),
        tuple(dict.fromkeys((*macs, *macs_back))),
    )


def _banner(stream: _Stream, place: str) -> tuple[str, str]:
    said = ""
    for _ in range(_LINES):
        try:
            line = decode(stream.line())
        except EOFError:
            if said and not said.startswith("Exceeded MaxStartups"):
                raise ValueError(f"it says {shorten(printable(said), 80)!r} and hangs up") from None
            raise _HungUp(f"{place}: the server hung up before it said who it is") from None
        if line.startswith("SSH-"):
            return parse_banner(line)
        said = said or line
    raise ValueError(f"it says {shorten(printable(said), 80)!r} and more")


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Stream:
    """Bytes of a socket, with one deadline for all of them."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        self._sock, self._end = sock, end
        self._data = b""

    def line(self) -> bytes:
        """Return the next line without its end; EOFError if there is none."""
        while b"\n" not in self._data:
            if len(self._data) > _LINE:
                raise ValueError("its first line has no end")
            self._more()
        line, _, self._data = self._data.partition(b"\n")
        return line.rstrip(b"\r")

    def packet(self) -> bytes:
        """Return the payload of the next packet."""
        try:
            size = int.from_bytes(self._take(4), "big")
            if not 1 < size <= _PACKET:
                raise ValueError("its packet has no sound length")
            packet = self._take(size)
        except EOFError:
            raise ValueError("it hangs up before it names its algorithms") from None
        return packet[1 : size - packet[0]]

    def _take(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more()
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def _more(self) -> None:
        self._sock.settimeout(_left(self._end))
        try:
            data = self._sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        self._data += data


def server_here(sockets: Sockets) -> tuple[str, int]:
    """Return address and port of the ssh server of this machine.

    Raises:
        NotApplicable: none listens.
        Denied: who listens is not told.
    """
    tcp = [item for item in sockets if item.protocol == "tcp"]
    named = [item for item in tcp if _SERVERS & set(item.processes)]
    found = named or [item for item in tcp if item.port == _SSH_PORT]
    if found:
        return _reached_at(found[0]), found[0].port
    if any(not item.processes for item in tcp):
        raise Denied("nothing listens on port 22, and which program listens elsewhere is not told")
    raise NotApplicable("no ssh server listens on this host")


def _reached_at(listener: Listener) -> str:
    every = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up
    return every.get(listener.address, listener.address)


def read(facts: Facts) -> Offer:
    """Ask the server that we are logged in to; on this machine, the one that listens.

    Raises:
        NotApplicable: this machine has none.
        CannotAssess: the way leads through another host, where a connection of our own may meet
            another server; or there is no connection from here.
    """
    measure = getattr(facts.transport, "measure", None)
    if measure is not None:
        host, port = server_here(facts.sockets)
        place, protocol, software, *lists = measure(
            "ssh_wire", lambda: astuple(wait(ask, host, port))
        )
        return Offer(place, protocol, software, *map(tuple, lists))
    straight: str | None = getattr(facts.transport, "straight", None)
    if not straight:
        raise CannotAssess(
            "the ssh server cannot be asked from here: the way to it leads through another host"
        )
    host, _, number = straight.rpartition(":")
    return wait(ask, host.strip("[]"), int(number))
