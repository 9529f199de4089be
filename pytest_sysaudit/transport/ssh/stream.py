"""A command on a channel of its own, read and written without ever blocking on one stream."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import paramiko

from pytest_sysaudit.transport.ssh.wire import Wire

_CHUNK = 1 << 16
_WINDOW_PAUSE = 0.02
_LONGEST_WAIT = 1.0
_SETTLE_PAUSE = 0.05


class _Bell(threading.Event):
    """Rings for both streams of a channel; only `hush` makes it silent again."""

    def clear(self) -> None:
        """Do nothing: paramiko clears it when one stream is empty, and the other may not be."""

    def hush(self) -> None:
        """Wait for the next ring."""
        super().clear()


class ChannelStream:
    """A `framing.Stream` on an ssh channel.

    Args:
        wire: the connection.
        channel: a fresh session channel.
        command: the command line for the login shell.

    Attributes:
        killer: ends the process, which the channel alone cannot; None: nobody can.

    Raises:
        paramiko.SSHException: the server refused to run commands.
    """

    def __init__(self, wire: Wire, channel: paramiko.Channel, command: str) -> None:
        self.out, self.err = bytearray(), bytearray()
        self._channel = channel
        self.killer: Callable[[], None] | None = None
        self._bell = _Bell()
        self._outbox = memoryview(b"")
        self._input_ends = False
        self._over = False
        channel.in_buffer.set_event(self._bell)
        channel.in_stderr_buffer.set_event(self._bell)
        wire.on_exit(channel, self._bell)
        channel.exec_command(command)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come; what has come is all in `out` and `err`."""
        return self._over

    @property
    def exit_code(self) -> int | None:
        """The exit code, once it is known; 128 + N after signal N."""
        known = self._channel.exit_status_ready() and self._channel.exit_status >= 0
        return self._channel.exit_status if known else None

    def write(self, data: bytes) -> None:
        """Queue *data* for standard input; `wait` sends it."""
        self._outbox = memoryview(bytes(self._outbox) + data)

    def end_input(self) -> None:
        """Close standard input after what is queued."""
        self._input_ends = True
        self._send()

    def wait(self, seconds: float) -> None:
        """Send and receive until something has come, but at most *seconds* (and one second)."""
        self._send()
        pause = _WINDOW_PAUSE if self._outbox else _LONGEST_WAIT
        self._bell.wait(max(0.0, min(seconds, pause)))
        self._bell.hush()
        over = self._is_over()  # asked before reading: all that came before it is read now
        self._receive()
        self._over = over

    def settle(self, seconds: float) -> None:
        """Wait until the server has closed the channel, but at most *seconds*."""
        deadline = time.monotonic() + seconds
        while not self._channel.closed and (left := deadline - time.monotonic()) > 0:
            self._bell.wait(min(left, _SETTLE_PAUSE))
            self._bell.hush()

    def _is_over(self) -> bool:
        channel = self._channel
        return channel.closed or (bool(channel.eof_received) and channel.exit_status_ready())

    def _send(self) -> None:
        try:
            while self._outbox and self._channel.send_ready():
                sent = self._channel.send(bytes(self._outbox[:_CHUNK]))
                if not sent:
                    self._outbox = memoryview(b"")
                self._outbox = self._outbox[sent:]
            if self._input_ends and not self._outbox:
                self._input_ends = False
                self._channel.shutdown_write()
        except OSError:  # the command ended without reading all of it: that is its right
            self._outbox = memoryview(b"")

    def _receive(self) -> None:
        while self._channel.recv_ready():
            self.out += self._channel.recv(_CHUNK)
        while self._channel.recv_stderr_ready():
            self.err += self._channel.recv_stderr(_CHUNK)

    def close(self) -> None:
        """Close the channel."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()

    def kill(self) -> None:
        """End the process that the login shell became."""
        if self.killer is not None:
            self.killer()
