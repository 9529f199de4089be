"""paramiko's transport with what it lacks: exit signals, prompt closing, the server's offer."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Mapping
from typing import Any

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST
from paramiko.message import Message
from paramiko.packet import Packetizer

#: paramiko's own chatter; it says ERROR and shows tracebacks for what we report in one line.
WIRE_LOG = "pytest_sysaudit.ssh.wire"
_MOST_HEARD = 20


class _Listener(Packetizer):
    """Keeps the lines that come before the SSH banner: they say why a server turns us away."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.heard: list[str] = []

    def readline(self, timeout: float) -> str:
        line = super().readline(timeout)
        if len(self.heard) < _MOST_HEARD:
            self.heard.append(line)
        return line


class Tunnel:
    """A channel of a jump host, to be used as a socket; closing it never fails."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def close(self) -> None:
        """Close the channel, if the jump host is still there."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()


def _on_request(channel: paramiko.Channel, message: Message) -> None:
    """Handle a channel request; an exit signal becomes the exit status 128 + its number."""
    wire = channel.transport
    at = message.packet.tell()
    kind = message.get_text()
    if kind == "exit-signal":
        message.get_boolean()
        number = getattr(signal, f"SIG{message.get_text()}", None)
        if number is not None:
            channel.exit_status = 128 + int(number)
        channel.status_event.set()
    message.packet.seek(at)
    channel._handle_request(message)  # type: ignore[attr-defined]  # noqa: SLF001 - no other door
    if kind in ("exit-status", "exit-signal") and isinstance(wire, Wire):
        wire.ring(channel.chanid)


class Wire(paramiko.Transport):
    """One ssh connection, not yet logged in.

    Attributes:
        offer: the server's algorithms, by paramiko's names; empty before the key exchange.
    """

    _active_check_timeout = 1.0  # an idle connection wakes up once a second, not ten times
    _channel_handler_table: Mapping[int, Any] = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]  # noqa: SLF001
        MSG_CHANNEL_REQUEST: _on_request,
    }

    def __init__(self, sock: Any) -> None:
        logger = logging.getLogger(WIRE_LOG)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL + 1)
        self.offer: dict[str, list[str]] = {}
        self._bells: dict[int, threading.Event] = {}
        super().__init__(sock, packetizer_class=_Listener)
        self.set_log_channel(WIRE_LOG)
        options = self.get_security_options()
        gcm = [name for name in options.ciphers if "gcm" in name]
        options.ciphers = [*gcm, *(name for name in options.ciphers if name not in gcm)]

    @property
    def heard(self) -> list[str]:
        """The lines that the server sent before and as its banner."""
        return self.packetizer.heard if isinstance(self.packetizer, _Listener) else []

    def on_exit(self, channel: paramiko.Channel, bell: threading.Event) -> None:
        """Ring *bell* when the command of *channel* has ended."""
        self._bells[channel.chanid] = bell

    def ring(self, chanid: int) -> None:
        """Tell whoever waits for channel *chanid* that its command has ended."""
        bell = self._bells.pop(chanid, None)
        if bell is not None:
            bell.set()

    def _really_parse_kex_init(self, message: Message, *args: Any, **named: Any) -> dict[str, Any]:
        parsed: dict[str, Any] = super()._really_parse_kex_init(  # type: ignore[misc]
            message, *args, **named
        )
        self.offer = {k: list(v) for k, v in parsed.items() if isinstance(v, list)}
        return parsed

    def close(self) -> None:
        """Close the connection at once: a shut down socket wakes the reading thread."""
        self.packetizer.complete_handshake()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.sock.shutdown(socket.SHUT_RDWR)
        super().close()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.sock.close()
