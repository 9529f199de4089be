"""From a login to an open connection: TCP, jump hosts, key exchange, host key, authentication."""

from __future__ import annotations

import contextlib
import errno
import logging
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paramiko

from pytest_sysaudit.errors import HostKeyError, Unreachable
from pytest_sysaudit.text import printable, shorten
from pytest_sysaudit.transport.shell.become import SecretStore
from pytest_sysaudit.transport.shell.pipe import Hearer, Pipe
from pytest_sysaudit.transport.ssh import hostkeys
from pytest_sysaudit.transport.ssh.auth import Authentication
from pytest_sysaudit.transport.ssh.deadline import Deadline, within
from pytest_sysaudit.transport.ssh.hostkeys import HostKey
from pytest_sysaudit.transport.ssh.login import Login
from pytest_sysaudit.transport.ssh.wire import Tunnel, Wire

log = logging.getLogger("pytest_sysaudit.ssh")

_KEEPALIVE = 15
_USER_TIMEOUT_MS = 30_000
_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
_FORBIDDEN = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED

Dial = Callable[[], Any]
"""Makes a new socket, or channel of a jump host, to the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An open connection, and those to the jump hosts that it goes through.

    Attributes:
        wire: the connection to the host itself.
        address: where its packets go: ``address:port``.
        host_key: the host's own key.
    """

    wire: Wire
    hops: tuple[Wire, ...]
    address: str
    host_key: HostKey

    @property
    def direct(self) -> bool:
        """Whether it goes through no other host."""
        return not self.hops

    @property
    def alive(self) -> bool:
        """Whether it can be used."""
        return self.wire.is_active()

    def start(self, line: str, hearer: Hearer) -> Pipe:
        """Start a command line on the host; a `Starter`."""
        return self.wire.execute(line, hearer)

    def close(self) -> None:
        """Close it, and then the ways to it."""
        for wire in (self.wire, *reversed(self.hops)):
            wire.close()


class _TurnedAway(Unreachable):
    """sshd closed the connection before it said anything: too many are logging in at once."""


def connect(login: Login, secrets: SecretStore, *, guess: bool = True) -> Connection:
    """Connect and log in.

    Args:
        login: where and how.
        secrets: resolves passwords and passphrases.
        guess: whether the first channel may be used before the server has opened it.

    Raises:
        Unreachable: with the reason; `HostKeyError` and `LoginRefused` among them.
        SecretError: a secret that the login needs cannot be had.
    """
    hops: list[Wire] = []
    try:
        for hop in login.jumps:
            hops.append(_log_in(hop, secrets, hops)[0])
        wire, key = _log_in(login, secrets, hops)
        wire.guess = guess
    except BaseException:
        for hop_wire in reversed(hops):
            hop_wire.close()
        raise
    return Connection(wire=wire, hops=tuple(hops), address=login.place, host_key=key)


def _log_in(login: Login, secrets: SecretStore, hops: list[Wire]) -> tuple[Wire, HostKey]:
    deadline = Deadline(login.connect_timeout)

    def dial() -> Any:
        return _through(hops[-1], login, deadline) if hops else _tcp(login, deadline)

    wire = _let_in(login, dial, deadline)
    try:
        wire, key = _checked(login, wire, dial, deadline)
        Authentication(wire, login, secrets).run()
        wire.set_keepalive(_KEEPALIVE)
    except BaseException:
        wire.close()
        raise
    return wire, key


def _tcp(login: Login, deadline: Deadline) -> socket.socket:
    """Connect to the first address of the host that answers."""
    found = _addresses(login, deadline)
    last: OSError = TimeoutError()
    for index, (family, address) in enumerate(found):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(0.05, deadline.left / (len(found) - index)))
            connection.connect(address)
            _tune(connection)
        except OSError as error:
            connection.close()
            last = error
        else:
            log.debug("%s: connected to %s", login.name, login.place)
            return connection
    raise _no_connection(login, last) from last


def _addresses(login: Login, deadline: Deadline) -> list[tuple[int, Any]]:
    def ask(flags: int = 0) -> list[tuple[int, Any]]:
        found = socket.getaddrinfo(login.host, login.port, type=socket.SOCK_STREAM, flags=flags)
        return [(family, address) for family, _, _, _, address in found]

    with contextlib.suppress(OSError, UnicodeError):
        return ask(socket.AI_NUMERICHOST)  # an address: nobody is asked
    try:
        return within(deadline.left, ask)  # a name server that is silent has its own, long timeouts
    except TimeoutError as error:
        raise Unreachable(
            f"{login.name}: the name {login.host!r} was not resolved within "
            f"{deadline.seconds:g} s (connect_timeout); is the name server up?"
        ) from error
    except (OSError, UnicodeError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise Unreachable(
            f"{login.name}: the name {login.host!r} cannot be resolved: {words}; check address"
        ) from error


def _tune(connection: socket.socket) -> None:
    """Send at once, and notice a peer that is gone: without it, waiting has no end."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", _USER_TIMEOUT_MS),
    ):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _no_connection(login: Login, error: OSError) -> Unreachable:
    where = f"{login.name}: {login.place}"
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"{where} did not answer within {login.connect_timeout:g} s (connect_timeout); "
            "is the address right, and does a firewall drop the packets?"
        )
    if error.errno == errno.ECONNREFUSED:
        return Unreachable(f"{where} refused the connection; does sshd listen on that port?")
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return Unreachable(f"{where} cannot be reached: no route ({error.strerror})")
    return Unreachable(f"{where}: {error.strerror or error}")


def _through(hop: Wire, login: Login, deadline: Deadline) -> Tunnel:
    """Open a way to *login*'s host from the jump host *hop*."""
    target = (login.host, login.port)
    jump = f"{login.name}: the jump host"
    try:
        channel = hop.open_channel(
            "direct-tcpip", target, ("127.0.0.1", 0), timeout=max(0.1, deadline.left)
        )
        return Tunnel(channel)
    except paramiko.ChannelException as error:
        why = str(error.text).lower()
        if error.code == _FORBIDDEN:
            why = "it forbids forwarding (AllowTcpForwarding, PermitOpen)"
        raise Unreachable(f"{jump} could not connect to {login.place}: {why}") from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise Unreachable(
            f"{jump} did not open a way to {login.place} within {deadline.seconds:g} s "
            "(connect_timeout)"
        ) from error


def _let_in(
    login: Login, dial: Dial, deadline: Deadline, algorithms: list[str] | None = None
) -> Wire:
    """`_handshake`, tried again while connect_timeout lasts if there are too many logins now.

    With MaxStartups, sshd drops some of the connections at random that are not logged in yet.
    """
    pause = _PAUSE
    turned_away: _TurnedAway | None = None
    while True:
        try:
            return _handshake(login, dial, deadline, algorithms)
        except Unreachable as error:
            if not isinstance(error, _TurnedAway):
                if turned_away is not None and deadline.passed:
                    raise turned_away from error  # there was no time left for another answer
                raise
            turned_away = error
            wait = pause * random.uniform(0.5, 1.5)  # noqa: S311 - to spread those that wait
            if deadline.left <= wait:
                raise
            log.debug("%s; trying again", error)
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _handshake(
    login: Login, dial: Dial, deadline: Deadline, algorithms: list[str] | None = None
) -> Wire:
    """Agree on keys; the host key that comes out of it is not judged yet."""
    connection = dial()
    try:
        wire = Wire(connection)
        options = wire.get_security_options()
        usual = list(options.key_types)
        options.key_types = algorithms or hostkeys.algorithms_first(login, usual)
        wire.banner_timeout = wire.handshake_timeout = max(0.1, deadline.left)
    except BaseException:
        connection.close()
        raise
    try:
        wire.start_client(timeout=max(0.1, deadline.left))
    except (paramiko.SSHException, OSError, EOFError) as error:
        wire.close()
        raise _no_handshake(login, wire, deadline, error) from error
    if not wire.initial_kex_done:
        wire.close()
        raise _no_handshake(login, wire, deadline, None)
    return wire


def _no_handshake(
    login: Login, wire: Wire, deadline: Deadline, error: BaseException | None
) -> Unreachable:
    """Say why there was no key exchange, from what the server sent."""
    where = f"{login.name}: {login.place}"
    heard = printable(shorten(" ".join(wire.heard), 120)).strip()
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer) and wire.offer:
        return Unreachable(
            f"{where} and we have no algorithm in common: {_offer(wire, error)}; with "
            "`connection: openssh`, the ssh program is used, which may know one of them"
        )
    if not wire.remote_version:
        if heard:
            kind = _TurnedAway if "MaxStartups" in heard else Unreachable
            return kind(f"{where} does not let us in over SSH; it said {heard!r}")
        if deadline.passed:
            return Unreachable(
                f"{where} accepted the connection but sent no SSH banner within "
                f"{deadline.seconds:g} s (connect_timeout); is that sshd?"
            )
        return _TurnedAway(
            f"{where} closed the connection before its SSH banner; it may allow no more logins "
            "now (MaxStartups), or not from here"
        )
    if deadline.passed:
        return Unreachable(
            f"{where} did not finish the key exchange within {deadline.seconds:g} s "
            "(connect_timeout)"
        )
    return Unreachable(f"{where} broke off the key exchange: {error or 'no reason given'}")


def _offer(wire: Wire, error: BaseException) -> str:
    """Name the list that has nothing for us, and what the server offers in it."""
    lists = {
        "kex": ("key exchange", "kex_algo_list"),
        "host key": ("host key", "server_key_algo_list"),
        "cipher": ("cipher", "server_encrypt_algo_list"),
        "mac": ("MAC", "server_mac_algo_list"),
        "compression": ("compression", "server_compress_algo_list"),
    }
    for word, (name, key) in lists.items():
        if word in str(error):
            return f"its {name} algorithms are {', '.join(wire.offer.get(key, [])) or 'none'}"
    return str(error)


def _checked(login: Login, wire: Wire, dial: Dial, deadline: Deadline) -> tuple[Wire, HostKey]:
    """Judge the host key; return the connection (maybe a new one) and the key that was accepted."""
    key = _key_of(wire)
    if login.fingerprint is None:
        try:
            hostkeys.verify(login, key)
        except HostKeyError:
            wire.close()
            raise
        return wire, key
    shown = [key]
    if hostkeys.pinned_fits(login, key):
        return wire, key
    kinds = _other_kinds(wire, key)
    wire.close()
    for algorithms in kinds:  # the pin may be that of another of the host's keys
        wire = _let_in(login, dial, deadline, algorithms)
        key = _key_of(wire)
        if hostkeys.pinned_fits(login, key):
            return wire, key
        wire.close()
        shown.append(key)
    raise hostkeys.pinned_error(login, shown)


def _key_of(wire: Wire) -> HostKey:
    key = wire.get_remote_server_key()
    return HostKey(type=key.get_name(), blob=key.asbytes())


def _other_kinds(wire: Wire, key: HostKey) -> list[list[str]]:
    """Return the further kinds of host key that both sides know, each as a list of algorithms."""
    usable = [
        name
        for name in wire.get_security_options().key_types
        if name in wire.offer.get("server_key_algo_list", [])
    ]
    return hostkeys.other_kinds(usable, key.type)
