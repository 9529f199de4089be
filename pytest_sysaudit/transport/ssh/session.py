"""What happens on one open connection: commands on channels, deadlines, and how it dies."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paramiko

from pytest_sysaudit.errors import CannotAssess, ConnectionLost, Denied, Incomplete, TimedOut
from pytest_sysaudit.text import decode, first_line, printable, shorten
from pytest_sysaudit.transport.base import Command, show
from pytest_sysaudit.transport.ssh.connect import Connection
from pytest_sysaudit.transport.ssh.deadline import Deadline, watchdog
from pytest_sysaudit.transport.ssh.framing import (
    PRELUDE,
    STOP,
    Ended,
    Exchange,
    Overdue,
    Reply,
    TooLarge,
    command_line,
    framed,
)
from pytest_sysaudit.transport.ssh.stream import ChannelStream

log = logging.getLogger("pytest_sysaudit.ssh")

_SLOT_TIME = 2.0  # a session that has ended still counts against MaxSessions for a moment
_STOP_TIME = 3.0
_SETTLE = 0.5
_SLACK = 5.0
_BREAKING = (paramiko.SSHException, EOFError, OSError)


class NoShell(CannotAssess):
    """The account does not run /bin/sh for us."""


class Session:
    """An open connection with a name, deadlines, and a last word.

    Args:
        name: the target's name.
        connection: it is closed with the session.
        open_timeout: seconds for opening a channel.
        limit: bytes of output of one command.
        make_room: gives up a channel that is not in use, if the server allows no further one.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        *,
        open_timeout: float,
        limit: int,
        make_room: Callable[[], None],
    ) -> None:
        self.name = name
        self._connection = connection
        self._wire = connection.wire
        self._open_timeout = open_timeout
        self._limit = limit
        self._make_room = make_room
        self._death: CannotAssess | None = None
        self._running: Exchange | None = None
        self._lock = threading.RLock()

    @contextmanager
    def busy(self, seconds: float, what: str) -> Iterator[None]:
        """Do one thing: alone, at most so long, and with paramiko's errors made ours.

        Args:
            seconds: what the thing itself may take; what surrounds it has its own deadlines.
            what: what is being done, for messages: "running `id`".

        Raises:
            TimedOut, ConnectionLost: and the connection is dead from then on.
        """
        with self._lock:
            self.check()
            most = seconds + self._open_timeout + 2 * _STOP_TIME + _SLACK

            def bite() -> None:
                self.die(TimedOut(f"{self.name}: {what}: no answer within {most:g} s"))

            with watchdog(most, bite):
                try:
                    yield
                    if self._death is not None:  # what was running has been ended, by us
                        raise self._death
                except _BREAKING as error:
                    raise self._broken(what, error) from error
                except ConnectionLost as error:
                    if self._is_dead():
                        raise self._broken(what, error) from error
                    raise

    def check(self) -> None:
        """Raise if the connection is gone: nothing is tried on it again."""
        if self._death is None and not self._wire.is_active():
            self.die(ConnectionLost(f"{self.name}: the connection broke while nothing was asked"))
        if self._death is not None:
            kind = TimedOut if isinstance(self._death, TimedOut) else ConnectionLost
            reason = str(self._death).removeprefix(f"{self.name}: ")
            raise kind(f"{self.name}: not tried, for the connection is gone: {reason}")

    def die(self, reason: CannotAssess) -> None:
        """Close the connection for *reason*; the first reason counts."""
        if self._death is None:
            self._death = reason
            log.debug("%s", reason)
        self._connection.close()

    def end(self, reason: CannotAssess) -> None:
        """Kill the command that is running, and `die`: sshd leaves it alone when we are gone."""
        running, self._running = self._running, None
        if running is not None and self._death is None:
            self._death = reason
            self._stop(running)
        self.die(reason)

    def close(self) -> None:
        """Close the connection; whoever waits for an answer gets a ConnectionLost."""
        self.end(ConnectionLost(f"{self.name}: the connection was closed"))

    def _broken(self, what: str, error: BaseException) -> CannotAssess:
        """Return the error for what *error* broke."""
        if self._death is not None:
            return self._death
        if isinstance(error, TimeoutError):
            return TimedOut(f"{self.name}: {what}: no answer in time (command_timeout)")
        if not self._is_dead():
            return ConnectionLost(f"{self.name}: {what}: {error or 'no answer'}")
        lost = ConnectionLost(f"{self.name}: the connection broke while {what}")
        self.die(lost)
        return lost

    def _is_dead(self) -> bool:
        """Return whether the connection is gone; channels learn of it a moment before it shows."""
        grace = Deadline(0.5)
        while self._wire.is_active() and not grace.passed:
            time.sleep(0.01)
        return not self._wire.is_active()

    def channel(self) -> paramiko.Channel:
        """Open a session channel.

        Raises:
            Denied: the server allows no further one.
            TimedOut: it does not answer; the connection is dead then.
        """
        deadline = Deadline(_SLOT_TIME)
        while True:
            try:
                return self._wire.open_session(timeout=self._open_timeout)
            except paramiko.ChannelException as error:
                if deadline.passed:
                    raise Denied(
                        f"{self.name}: the server opens no further session: {error.text} "
                        "(MaxSessions may be 0 or 1, or the account may not run commands)"
                    ) from error
                self._make_room()
                time.sleep(0.05)
            except paramiko.SSHException as error:
                if not self._wire.is_active():
                    raise
                self.die(
                    TimedOut(
                        f"{self.name}: no channel was opened within {self._open_timeout:g} s "
                        "(open_timeout); the server does not answer any more"
                    )
                )
                raise self._broken("opening a channel", error) from error

    def start(self, script: str) -> ChannelStream:
        """Start a shell script that one can talk to; `ChannelStream.kill` ends it.

        Raises:
            NoShell: no shell ran it.
            TimedOut: none did within open_timeout.
        """
        tag = secrets.token_hex(8)
        line = command_line(f"printf '%s %d\\n' '{tag}' $$ >&2\n{script}")
        stream = ChannelStream(self._wire, self.channel(), line)
        deadline, mark = Deadline(self._open_timeout), tag.encode()
        while True:
            ended = stream.ended
            _, found, after = stream.err.partition(mark)
            text, newline, rest = after.partition(b"\n")
            if found and newline:
                stream.err[:] = rest
                stream.killer = self._kills(int(text))
                return stream
            if ended:
                raise self._no_shell(stream)
            if deadline.passed:
                stream.close()
                raise self._slow_shell(deadline.seconds, stream)
            stream.wait(deadline.left)

    def _kills(self, pid: int) -> Callable[[], None]:
        def kill() -> None:
            self._aside(f"kill -KILL {pid}\n")

        return kill

    def run(self, command: Command, stdin: bytes, timeout: float) -> Reply:
        """Run *command* as the login user; see `Transport.run`."""
        tag = secrets.token_hex(16)
        line = command_line(f"{PRELUDE}{framed(tag, command)}exit $sysaudit_code\n")
        stream = ChannelStream(self._wire, self.channel(), line)
        exchange = Exchange(stream, tag, self._limit)
        self._running = exchange
        try:
            stream.write(stdin)
            stream.end_input()
            reply = exchange.finish(Deadline(timeout))
        except Ended:
            return self._ended(stream, exchange, command)
        except Overdue as error:
            fate = self._stop(exchange)
            if not exchange.began:
                raise self._slow_shell(timeout, stream) from error
            raise TimedOut(
                f"{self.name}: `{_short(command)}` did not end within {timeout:g} s "
                f"(command_timeout); {fate}"
            ) from error
        except TooLarge as error:
            fate = self._stop(exchange)
            raise Incomplete(
                f"{self.name}: `{_short(command)}` wrote more than {self._limit} bytes "
                f"(max_output); {fate}"
            ) from error
        except _BREAKING:
            raise
        except BaseException:  # Ctrl-C, or a time limit of the runner
            exchange.hear(Deadline(_STOP_TIME))
            self._stop(exchange)
            raise
        else:
            if "OpenSSH" not in self._wire.remote_version:
                stream.settle(_SETTLE)  # Dropbear mixes up channels if we close before it does
            return reply
        finally:
            self._running = None
            stream.close()

    def _ended(self, stream: ChannelStream, exchange: Exchange, command: Command) -> Reply:
        """Return what is known of a command whose shell did not write its end mark."""
        code = stream.exit_code
        if code is None:  # no word from the server either
            raise EOFError(f"`{_short(command)}` gave no exit code")
        if not exchange.began:
            raise self._no_shell(stream)
        return exchange.unfinished(code)

    def _no_shell(self, stream: ChannelStream) -> CannotAssess:
        if stream.exit_code is None and not self._wire.is_active():
            raise EOFError
        said = printable(decode(bytes(stream.out + stream.err)))
        words = first_line(said) or "nothing"
        return NoShell(
            f"{self.name}: the account runs no /bin/sh for us: it said {shorten(words, 200)!r}, "
            f"exit code {stream.exit_code}; its login shell may be nologin, or a forced command"
        )

    def _slow_shell(self, seconds: float, stream: ChannelStream) -> TimedOut:
        setting = "open_timeout" if seconds == self._open_timeout else "command_timeout"
        words = first_line(printable(decode(bytes(stream.out + stream.err))))
        said = f"; it said {shorten(words, 200)!r}" if words else ""
        return TimedOut(
            f"{self.name}: no shell was started within {seconds:g} s ({setting}): the account's "
            f"login files or a forced command take long, or the host does{said}"
        )

    def _stop(self, exchange: Exchange) -> str:
        """Kill a command with all its processes; say what became of it."""
        if exchange.pid is None or not self._aside(f"{STOP}sysaudit_stop {exchange.pid}\n"):
            return "it could not be killed and may still run"
        return "it was killed"

    def _aside(self, script: str) -> bool:
        """Run *script* on a further channel; return whether it ended in time."""
        deadline = Deadline(_STOP_TIME)
        try:
            channel = self._spare_channel()
            stream = ChannelStream(self._wire, channel, command_line(script))
            stream.end_input()
            while not stream.ended and not deadline.passed:
                stream.wait(deadline.left)
            stream.close()
        except paramiko.ChannelException:  # MaxSessions
            return False
        except _BREAKING:
            deadline = Deadline(0)
        if deadline.passed:
            self.die(ConnectionLost(f"{self.name}: the server does not answer any more"))
            return False
        return True

    def _spare_channel(self) -> paramiko.Channel:
        """Open a channel beside the one in use; where the server allows none, make room."""
        deadline = Deadline(_SETTLE)
        while True:
            try:
                return self._wire.open_session(timeout=_STOP_TIME)
            except paramiko.ChannelException:
                if deadline.passed:
                    raise
                self._make_room()
                time.sleep(0.05)


def _short(command: Command) -> str:
    return shorten(show(command), 200)
