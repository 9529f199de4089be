"""Everything of paramiko's insides that we touch; where a name is missing, its own ways are used.

What is gained: answers are parsed in the connection's own thread, in large pieces, and a login, a
channel and its first input take as few round trips as the protocol allows.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import paramiko
from paramiko import common
from paramiko.auth_handler import AuthHandler
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer

if TYPE_CHECKING:
    from paramiko.agent import AgentSSH

log = logging.getLogger("pytest_sysaudit.ssh")

_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 14
_MOST_HEARD = 20
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
#: What we use of a transport, of its channels and of its login.
_NAMES = (
    (paramiko.Transport, "_channel_handler_table _next_channel _send_message _send_user_message"),
    (paramiko.Transport, "_parse_channel_open_success _parse_channel_open_failure _parse_newkeys"),
    (paramiko.Channel, "_set_transport _set_window _handle_request _handle_close"),
    (AuthHandler, "_get_key_type_and_bits _finalize_pubkey_algorithm _get_session_blob"),
    (AuthHandler, "_parse_service_accept wait_for_response"),
    (Packetizer, "_check_keepalive read_all write_all readline need_rekey"),
)
_OF_AN_INSTANCE = "_channels _handler_table channel_events channels_seen clear_to_send lock"
_OF_AN_INSTANCE += " clear_to_send_lock"


def missing(transport: paramiko.Transport) -> list[str]:
    """Return what this paramiko does not have of what we use."""
    lacks = [
        f"{owner.__name__}.{name}"
        for owner, names in _NAMES
        for name in names.split()
        if not hasattr(owner, name)
    ]
    return lacks + [name for name in _OF_AN_INSTANCE.split() if not hasattr(transport, name)]


class Packets(Packetizer):
    """Reads as much as there is in one call, and needs no timer thread for the handshake.

    Attributes:
        heard: the lines before the SSH banner, and it: they say why a server turns us away.
        quick_ack: whether every piece is acknowledged at once. Until it has started a command,
            sshd holds back its next small packet until then.
    """

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.heard: list[str] = []
        self.quick_ack = isinstance(sock, socket.socket) and _QUICKACK is not None
        self._sock = sock
        self._buffer = bytearray()
        self._corked: bytearray | None = None
        self._end: float | None = None

    def start_handshake(self, timeout: float) -> None:
        """Begin the time that the handshake may take."""
        self._end = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        """Whether that time is over."""
        return self._end is not None and time.monotonic() > self._end

    def complete_handshake(self) -> None:
        """End that time."""
        self._end = None

    def readline(self, timeout: float) -> str:
        """Return the next line, without its end."""
        end = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_LINE:
                raise EOFError
            if time.monotonic() > end:
                raise TimeoutError
            self._fill(False)
        raw, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        line = raw.removesuffix(b"\r").decode("utf-8", "replace")
        if len(self.heard) < _MOST_HEARD:
            self.heard.append(line)
        return line

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Return *n* bytes, as soon as they are there."""
        buffer = self._buffer
        while len(buffer) < n:
            self._fill(check_rekey and not buffer)
        data = bytes(buffer[:n])
        del buffer[:n]
        return data

    def _fill(self, check_rekey: bool) -> None:
        if self.handshake_timed_out():
            raise EOFError
        try:
            data = self._sock.recv(_CHUNK)
        except (TimeoutError, BlockingIOError):
            if self.closed:
                raise EOFError from None
            if check_rekey and self.need_rekey():
                raise NeedRekeyException from None
            self._check_keepalive()  # type: ignore[attr-defined]
            return
        except OSError:
            if self.closed:
                raise EOFError from None
            raise
        if not data:
            raise EOFError
        self._buffer += data
        if self.quick_ack and _QUICKACK is not None:  # has to be set anew after each piece
            self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def write_all(self, out: Any) -> None:
        """Send *out*, unless it is to go together with more."""
        if self._corked is None:
            super().write_all(out)
        else:
            self._corked += out

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what the block writes in one piece."""
        self._corked = bytearray()
        try:
            yield
        finally:
            out, self._corked = bytes(self._corked), None
            super().write_all(out)


class Wakeful(paramiko.Transport):
    """Wakes up once a second when idle, not ten times, and keeps what the server offers.

    Attributes:
        offer: the server's algorithms, by paramiko's names; empty before the key exchange.
    """

    _active_check_timeout = 1.0

    def __init__(self, sock: Any) -> None:
        self.offer: dict[str, list[str]] = {}
        super().__init__(sock, packetizer_class=Packets)

    def _really_parse_kex_init(self, message: Any, *args: Any, **named: Any) -> dict[str, Any]:
        parsed: dict[str, Any] = super()._really_parse_kex_init(  # type: ignore[misc]
            message, *args, **named
        )
        self.offer = {k: list(v) for k, v in parsed.items() if isinstance(v, list)}
        return parsed


class End(Protocol):
    """Our end of a channel: what `Ends` tells of it, in the connection's thread."""

    def opened(self, remote: int, window: int, packet: int) -> None:
        """The server has opened it."""

    def not_opened(self, why: str) -> None:
        """The server has not."""

    def take(self, data: bytes, *, err: bool) -> None:
        """Something has come."""

    def widened(self, size: int) -> None:
        """So much more may be sent."""

    def exited(self, code: int) -> None:
        """The command has ended."""

    def gone(self) -> None:
        """Nothing more will come."""


class Ends:
    """The channels of a connection that we look after ourselves.

    Args:
        transport: it must not have been started.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._ends: dict[int, tuple[End, paramiko.Channel]] = {}
        base: Mapping[int, Callable[..., None]] = transport._channel_handler_table  # noqa: SLF001
        self._base = base
        transport._channel_handler_table = {  # noqa: SLF001
            **base,
            common.MSG_CHANNEL_DATA: self._on_data,
            common.MSG_CHANNEL_EXTENDED_DATA: self._on_extended_data,
            common.MSG_CHANNEL_WINDOW_ADJUST: self._on_window,
            common.MSG_CHANNEL_REQUEST: self._on_request,
            common.MSG_CHANNEL_CLOSE: self._on_close,
        }
        table = transport._handler_table  # noqa: SLF001
        self._on_open = table[common.MSG_CHANNEL_OPEN_SUCCESS]
        self._on_refusal = table[common.MSG_CHANNEL_OPEN_FAILURE]
        self._on_newkeys = table[common.MSG_NEWKEYS]
        table[common.MSG_CHANNEL_OPEN_SUCCESS] = self._opened
        table[common.MSG_CHANNEL_OPEN_FAILURE] = self._refused
        table[common.MSG_NEWKEYS] = self._newkeys

    def new(self, end: End, window: int) -> paramiko.Channel:
        """Return a session channel that is not asked for yet; *end* hears what becomes of it."""
        transport = self._transport
        packet = transport.default_max_packet_size
        with transport.lock:
            number = transport._next_channel()  # noqa: SLF001
            channel = paramiko.Channel(number)
            transport._channels.put(number, channel)  # noqa: SLF001
            transport.channels_seen[number] = True
            transport.channel_events[number] = threading.Event()
            channel._set_transport(transport)  # type: ignore[attr-defined]  # noqa: SLF001
            channel._set_window(window, packet)  # type: ignore[attr-defined]  # noqa: SLF001
            self._ends[number] = (end, channel)
        return channel

    def ask(self, channel: paramiko.Channel) -> None:
        """Ask the server to open *channel*."""
        number, packet = channel.chanid, channel.in_max_packet_size
        kind = common.cMSG_CHANNEL_OPEN
        self._send(_message(kind, "session", number, channel.in_window_size, packet))

    def execute(self, remote: int, line: str) -> None:
        """Start *line* on the server's channel *remote*; there is no answer but the command's."""
        self._send(_message(common.cMSG_CHANNEL_REQUEST, remote, "exec", False, line))

    def data(self, remote: int, data: bytes) -> None:
        """Send *data* to the server's channel *remote*."""
        self._send(_message(common.cMSG_CHANNEL_DATA, remote, data))

    def widen(self, remote: int, size: int) -> None:
        """Let the server send *size* more bytes on its channel *remote*."""
        self._send(_message(common.cMSG_CHANNEL_WINDOW_ADJUST, remote, size))

    @property
    def may_send(self) -> bool:
        """Whether this thread can send now: the connection's own may not wait for new keys."""
        transport = self._transport
        own = threading.current_thread() is transport
        return not own or bool(transport.clear_to_send.is_set())

    def _send(self, message: Message) -> None:
        self._transport._send_user_message(message)  # noqa: SLF001

    def all_gone(self) -> None:
        """Tell everybody that the connection is gone."""
        for end, _ in list(self._ends.values()):
            end.gone()
        self._ends.clear()

    def _opened(self, message: Message) -> None:
        numbers = _peek(message, 4)
        self._on_open(message)
        if isinstance(packets := self._transport.packetizer, Packets):
            packets.quick_ack = False  # with its first command, sshd sends at once
        if numbers[0] in self._ends:
            self._ends[numbers[0]][0].opened(*numbers[1:])

    def _refused(self, message: Message) -> None:
        number = _peek(message, 1)[0]
        self._on_refusal(message)
        if number in self._ends:
            error = self._transport.get_exception()
            self._ends.pop(number)[0].not_opened(getattr(error, "text", str(error)))

    def _newkeys(self, message: Message) -> None:
        self._on_newkeys(message)
        for end, _ in list(self._ends.values()):
            end.widened(0)

    def _on_data(self, channel: paramiko.Channel, message: Message) -> None:
        mine = self._ends.get(channel.chanid)
        if mine is None:
            self._base[common.MSG_CHANNEL_DATA](channel, message)
        else:
            mine[0].take(message.get_binary(), err=False)

    def _on_extended_data(self, channel: paramiko.Channel, message: Message) -> None:
        mine = self._ends.get(channel.chanid)
        if mine is None:
            self._base[common.MSG_CHANNEL_EXTENDED_DATA](channel, message)
        elif message.get_int() == 1:
            mine[0].take(message.get_binary(), err=True)

    def _on_window(self, channel: paramiko.Channel, message: Message) -> None:
        mine = self._ends.get(channel.chanid)
        if mine is None:
            self._base[common.MSG_CHANNEL_WINDOW_ADJUST](channel, message)
        else:
            mine[0].widened(message.get_int())

    def _on_request(self, channel: paramiko.Channel, message: Message) -> None:
        mine = self._ends.get(channel.chanid)
        at = message.packet.tell()
        kind = message.get_text()
        code: int | None = None
        if kind in ("exit-status", "exit-signal"):
            message.get_boolean()
            if kind == "exit-status":
                code = message.get_int()
            else:  # paramiko passes over this one
                code = 128 + int(getattr(signal, f"SIG{message.get_text()}", 0))
        message.packet.seek(at)
        self._base[common.MSG_CHANNEL_REQUEST](channel, message)
        if mine is not None and code is not None:
            mine[0].exited(code)

    def _on_close(self, channel: paramiko.Channel, message: Message) -> None:
        self._base[common.MSG_CHANNEL_CLOSE](channel, message)
        mine = self._ends.pop(channel.chanid, None)
        if mine is not None:
            mine[0].gone()


def _message(kind: bytes, *parts: str | bytes | int | bool) -> Message:
    message = Message()
    message.add_byte(kind)
    for part in parts:
        if isinstance(part, bool):
            message.add_boolean(part)
        elif isinstance(part, int):
            message.add_int(part)
        else:
            message.add_string(part)
    return message


def _peek(message: Message, count: int) -> list[int]:
    at = message.packet.tell()
    numbers = [message.get_int() for _ in range(count)]
    message.packet.seek(at)
    return numbers


class _OneFlight(AuthHandler):
    """A login whose request was sent together with the request for the service."""

    def _parse_service_accept(self, message: Message) -> None:
        """Do nothing: what stock paramiko sends now is on its way."""


def log_in_at_once(transport: Any, user: str, key: paramiko.PKey) -> list[str]:
    """Ask for the login service and log in with *key* in one flight; as ``auth_publickey``."""
    handler: Any = _OneFlight(transport)
    transport.auth_handler = handler
    handler.auth_event = event = threading.Event()
    handler.auth_method, handler.username = "publickey", user
    kind, public = handler._get_key_type_and_bits(key)  # noqa: SLF001
    algorithm = handler._finalize_pubkey_algorithm(kind)  # noqa: SLF001
    blob = handler._get_session_blob(key, "ssh-connection", user, algorithm)  # noqa: SLF001
    signature = key.sign_ssh_data(blob, algorithm)
    request = _message(
        common.cMSG_USERAUTH_REQUEST, user, "ssh-connection", "publickey", True, algorithm,
        public, bytes(signature.asbytes() if isinstance(signature, Message) else signature),
    )  # fmt: skip
    with transport.clear_to_send_lock, transport.packetizer.together():
        transport._send_message(_message(common.cMSG_SERVICE_REQUEST, "ssh-userauth"))  # noqa: SLF001
        transport._send_message(request)  # noqa: SLF001
    return list(handler.wait_for_response(event))


def agent_over(connection: socket.socket) -> AgentSSH:
    """Return the agent at the other end of *connection*.

    Raises:
        OSError, EOFError, paramiko.SSHException: it does not answer.
    """
    from paramiko.agent import AgentSSH

    agent = AgentSSH()
    agent._connect(connection)  # type: ignore[attr-defined]  # noqa: SLF001
    return agent
