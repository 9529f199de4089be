"""A command on an ssh channel as a `Pipe`: heard in the connection's thread, written from any."""

from __future__ import annotations

import contextlib
import threading
import time

import paramiko

from pytest_sysaudit.transport.shell.pipe import Hearer
from pytest_sysaudit.transport.ssh.inside import Ends

#: What the server may send ahead of us: there is no limit but max_output, which is looked at above.
WINDOW = 1 << 30
_GUESSED_WINDOW = 32_000
_PACKET = 32_000
#: After the command's end, until what it left behind closes the channel.
_LAST_WORDS = 0.1


class ChannelPipe:
    """A `Pipe` over a channel that is being opened.

    Args:
        ends: opens it.
        line: the command line.
        hearer: hears the command.
        guess: send the command and its input at once, to channel 0: OpenSSH's first one.
        gentle: let the server close the channel: Dropbear mixes them up if we are first.

    Attributes:
        confirmed: whether the server has opened the channel; ``guess_failed``: as another one.
    """

    def __init__(
        self, ends: Ends, line: str, hearer: Hearer, *, guess: bool = False, gentle: bool = False
    ) -> None:
        self.refused = ""
        self.guess_failed = self.confirmed = False
        self._ends = ends
        self._line = line
        self._hearer = hearer
        self._gentle = gentle
        self._lock = threading.Lock()
        self._outbox = bytearray()
        self._remote: int | None = 0 if guess else None
        self._guessed = guess
        self._window = _GUESSED_WINDOW if guess else 0
        self._sent = 0
        self._sending = self._closed = self._over = False
        self._code: int | None = None
        self._credit = 0
        self._channel = ends.new(self, WINDOW)
        ends.ask(self._channel)
        if guess:
            ends.execute(0, line)

    def write(self, data: bytes) -> None:
        """Queue *data*, and send what the server's window takes."""
        with self._lock:
            if self._over or self._closed:
                raise OSError("the channel is closed")
            self._outbox += data
        self._flush()

    def _flush(self) -> None:
        while True:
            with self._lock:
                size = min(len(self._outbox), self._window, _PACKET)
                if self._sending or self._remote is None or size <= 0 or self._over:
                    return
                if not self._ends.may_send:
                    return  # `widened` comes again when it may
                self._sending = True
                data = bytes(self._outbox[:size])
                del self._outbox[:size]
                self._window -= size
                self._sent += size
            try:
                self._ends.data(self._remote, data)
            except (EOFError, OSError, paramiko.SSHException):
                return  # `gone` says the rest
            finally:
                with self._lock:
                    self._sending = False

    def opened(self, remote: int, window: int, packet: int) -> None:
        """Start the command, unless that was done."""
        del packet  # nobody takes less than 32 KiB (RFC 4253)
        self.confirmed = True
        if self._guessed:
            if remote != 0:
                self.guess_failed = True
                self.gone()
                return
            with self._lock:
                self._window = window - self._sent  # below 0: OpenSSH widens it with the command
        else:
            self._ends.execute(remote, self._line)
            with self._lock:
                self._remote, self._window = remote, window
        self._flush()
        if self._closed:
            self._close()

    def not_opened(self, why: str) -> None:
        """Tell the hearer that there is no room."""
        self.refused = why
        self.gone()

    def take(self, data: bytes, *, err: bool) -> None:
        """Hand *data* on, and let the server send as much again."""
        self._credit += len(data)
        if self._credit > WINDOW >> 3 and self._remote is not None and self._ends.may_send:
            self._ends.widen(self._remote, self._credit)
            self._credit = 0
        if err:
            self._hearer.on_err(data)
        else:
            self._hearer.on_out(data)

    def widened(self, size: int) -> None:
        """Send what waits for it."""
        with self._lock:
            self._window += size
        self._flush()

    def exited(self, code: int) -> None:
        """Wait a moment for the end of the channel, which background processes may hold open."""
        self._code = code
        timer = threading.Timer(_LAST_WORDS, self.gone)
        timer.daemon = True
        timer.start()

    def gone(self) -> None:
        """Tell the hearer, once."""
        with self._lock:
            if self._over:
                return
            self._over = True
        if not (self.confirmed or self._guessed or self.refused):
            self.refused = "the connection ended before the channel was open"
        self._hearer.on_end(self._code)
        self._close()

    def close(self) -> None:
        """Close the channel after what is queued."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._close()

    def _close(self) -> None:
        if not self._ends.may_send:
            threading.Thread(target=self._close, daemon=True).start()
            return
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            if self._gentle and not self._over:
                self._channel.shutdown_write()
            else:
                self._channel.close()


class StockPipe:
    """A `Pipe` with nothing but what paramiko documents: two threads read, another one writes.

    Args:
        transport: an open connection.
        line: the command line.
        hearer: hears the command.
        timeout: seconds for opening the channel.
    """

    def __init__(
        self, transport: paramiko.Transport, line: str, hearer: Hearer, timeout: float
    ) -> None:
        self.refused = ""
        self._hearer = hearer
        self._lock = threading.Lock()
        self._more = threading.Condition()
        self._outbox = bytearray()
        self._closed = self._over = False
        work = (transport, line, timeout)
        threading.Thread(target=self._open, args=work, daemon=True).start()

    def _open(self, transport: paramiko.Transport, line: str, timeout: float) -> None:
        code: int | None = None
        try:
            channel = transport.open_session(timeout=timeout)
            channel.exec_command(line)
        except paramiko.ChannelException as error:
            self.refused = str(error.text)
        except (paramiko.SSHException, OSError, EOFError):
            pass
        else:
            for work in (self._write, self._hear_out, self._hear_err):
                threading.Thread(target=work, args=(channel,), daemon=True).start()
            known = channel.recv_exit_status()
            code = known if known >= 0 else None
            end = time.monotonic() + _LAST_WORDS
            while not channel.closed and time.monotonic() < end:
                time.sleep(_LAST_WORDS / 10)
        with self._more:
            self._over = True
            self._more.notify_all()
        with self._lock:
            self._hearer.on_end(code)

    def _hear_out(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError, EOFError):
            while data := channel.recv(1 << 16):
                with self._lock:
                    self._hearer.on_out(data)

    def _hear_err(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError, EOFError):
            while data := channel.recv_stderr(1 << 16):
                with self._lock:
                    self._hearer.on_err(data)

    def _write(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            while True:
                with self._more:
                    while not (self._outbox or self._closed or self._over):
                        self._more.wait()
                    data = bytes(self._outbox)
                    self._outbox.clear()
                if not data:
                    break
                channel.sendall(data)
            channel.shutdown_write()
            channel.close()

    def write(self, data: bytes) -> None:
        """Queue *data*."""
        with self._more:
            if self._over or self._closed:
                raise OSError("the channel is closed")
            self._outbox += data
            self._more.notify_all()

    def close(self) -> None:
        """Close the channel after what is queued."""
        with self._more:
            self._closed = True
            self._more.notify_all()
