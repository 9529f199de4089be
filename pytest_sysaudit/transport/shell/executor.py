"""All commands of one host: which shell runs them, for how long, and what becomes of it if not.

Several callers share it. Each of them waits for its own answers, through
`pytest_sysaudit.lanes.wait_for`, and looks after its own deadlines; no lock is held meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from pytest_sysaudit.errors import CannotAssess, ConnectionLost, Incomplete, TimedOut
from pytest_sysaudit.lanes import Once, wait, wait_for
from pytest_sysaudit.text import decode, first_line, printable, shorten
from pytest_sysaudit.transport.base import Command, CommandResult, show
from pytest_sysaudit.transport.shell.pipe import Hearer, Pipe
from pytest_sysaudit.transport.shell.request import (
    Again,
    Fate,
    Reply,
    Request,
    ShellEnded,
    request,
)
from pytest_sysaudit.transport.shell.shell import Shell
from pytest_sysaudit.transport.shell.shells import Shells, leaves_something
from pytest_sysaudit.transport.shell.way import Settings, Way

__all__ = ["Executor", "NoShell", "Settings", "Way"]

log = logging.getLogger("pytest_sysaudit.ssh")

STOP_TIME = 4.0
_ROUNDS = 5


class NoShell(CannotAssess):
    """The account does not run /bin/sh for us."""


class Executor:
    """Runs the commands of one host.

    Args:
        way: the open connection.
        settings: see there.
        again: connects once more, after the first one broke; it may block. None: it does not.

    Attributes:
        may_renew: whether a connection that breaks gets a new one.
        shells: those that are open.
    """

    def __init__(
        self, way: Way, settings: Settings, again: Callable[[], Way] | None = None
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self._way = way
        self._again = again
        self.may_renew = again is not None
        self._renewal: Once[str] = Once()
        self._death: CannotAssess | None = None
        self._why = "the connection broke"
        self._lock = threading.Lock()
        self.shells = Shells(settings, self._start, self._kill)

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        user: str | None = None,
    ) -> CommandResult:
        """Run one command; see `Transport.run`."""
        seconds = timeout if timeout is not None else self.settings.command_timeout
        wanted = [request(command, stdin=stdin, timeout=seconds)]
        answer = self._execute(wanted, user)[0]
        if isinstance(answer, CannotAssess):
            raise answer
        return answer

    def run_many(
        self,
        commands: Sequence[Command],
        *,
        timeout: float | None = None,
        user: str | None = None,
    ) -> list[CommandResult | CannotAssess]:
        """Run *commands* in one write; return for each its result, or the error that it got.

        Args:
            commands: they run one after the other.
            timeout: seconds for each.
            user: as in `run`.
        """
        seconds = timeout if timeout is not None else self.settings.command_timeout
        return self.finish(self.send(commands, seconds, user), user)

    def send(
        self, commands: Sequence[Command], seconds: float, user: str | None
    ) -> list[Request | CannotAssess]:
        """Write *commands* and return at once (if there is a shell); `finish` waits for them."""
        sent: list[Request | CannotAssess] = []
        for command in commands:
            try:
                sent.append(request(command, timeout=seconds))
            except CannotAssess as error:
                sent.append(error)
        wanted = [item for item in sent if isinstance(item, Request)]
        try:
            self._submit(wanted, self._other(user))
        except CannotAssess as error:
            return [item if isinstance(item, CannotAssess) else error for item in sent]
        return sent

    def finish(
        self, sent: Sequence[Request | CannotAssess], user: str | None
    ) -> list[CommandResult | CannotAssess]:
        """Wait for what `send` returned."""
        wanted = [item for item in sent if isinstance(item, Request)]
        answers = iter(self._collect(wanted, self._other(user)))
        return [item if isinstance(item, CannotAssess) else next(answers) for item in sent]

    def _execute(
        self, wanted: Sequence[Request], user: str | None
    ) -> list[CommandResult | CannotAssess]:
        try:
            self._submit(wanted, self._other(user))
            return self._collect(wanted, self._other(user))
        except BaseException:  # Ctrl-C may come when they run and nobody waits for them yet
            self._end(wanted)
            raise

    def _end(self, items: Sequence[Request]) -> None:
        """End what nobody wants any more."""
        for item in items:
            if item.shell is not None:
                item.shell.end(item, Fate.UNWANTED)

    def _other(self, user: str | None) -> str | None:
        """Return whose shell it is; None: the login user's own."""
        wanted = user or self.settings.become
        return None if wanted == self.settings.me else wanted

    def _submit(self, wanted: Sequence[Request], user: str | None) -> None:
        """Give *wanted* to shells of *user*.

        Raises:
            CannotAssess: there is none, and why.
        """
        self._usable()
        batch: list[Request] = []
        for item in wanted:
            batch.append(item)
            if leaves_something(item.command):
                self.shells.submit(batch, user, last=True)
                batch = []
        if batch:
            self.shells.submit(batch, user)

    def _collect(
        self, wanted: Sequence[Request], user: str | None
    ) -> list[CommandResult | CannotAssess]:
        answers: list[CommandResult | CannotAssess] = []
        try:
            for number, item in enumerate(wanted):
                answers.append(self._answer(item, wanted[number:], user))
        except BaseException:  # Ctrl-C, a time limit of the runner, a lane that is told to stop
            self._end(wanted[len(answers) :])
            raise
        return answers

    def _answer(
        self, item: Request, rest: Sequence[Request], user: str | None
    ) -> CommandResult | CannotAssess:
        rounds = 0
        while rounds < _ROUNDS:
            try:
                reply = self._reply(item, user)
            except Again:
                shell = item.shell
                rounds += shell is not None and not (shell.refused or shell.tainted)
                again = [other for other in rest if _unbegun(other)]
                for other in again:
                    other.renew()
                try:
                    self._submit(again, user)
                except CannotAssess as error:
                    for other in again:
                        other.future.set_exception(error)
            except CannotAssess as error:
                return error
            else:
                return self._result(item, reply, user)
        return ConnectionLost(
            f"{self.name}: `{_short(item.command)}` was not run: the host's shells end again and "
            "again",
            final=False,
        )

    def _result(self, item: Request, reply: Reply, user: str | None) -> CommandResult:
        who = f"as {user}: " if user else ""
        log.debug("%s: %s%s: exit code %d", self.name, who, show(item.command), reply.exit_code)
        return CommandResult(
            command=item.command,
            exit_code=reply.exit_code,
            stdout=reply.out,
            stderr=reply.err,
            started=reply.began,
            duration=reply.duration,
        )

    def _reply(self, item: Request, user: str | None) -> Reply:
        """Wait for the whole answer.

        Raises:
            Again: nothing was run.
            CannotAssess: what became of it.
        """
        while True:
            shell = item.shell
            try:
                reply = wait_for(item.future, self._patience(item, shell))
            except TimeoutError:
                self._too_late(item, shell, user)
            except ShellEnded as error:
                raise self._lost(item, user) from error
            except Again:
                self._check_start(shell)
                raise
            else:
                return self._judged(item, reply, user)

    def _patience(self, item: Request, shell: Shell | None) -> float:
        """Return for how many seconds *item* can be waited for before anything is to be done."""
        now = time.monotonic()
        if shell is None:
            end = now
        elif not shell.ready.done():
            end = shell.opened + self.settings.open_timeout
        elif item.ending is not None:
            end = item.ending + STOP_TIME
        else:
            end = (now if item.begun is None else item.begun) + item.timeout
        return max(0.0, end - now)

    def _too_late(self, item: Request, shell: Shell | None, user: str | None) -> None:
        """Do what is to be done when the time of *item* is over."""
        if shell is None or item.future.done() or self._patience(item, shell) > 0:
            return
        if not shell.ready.done():
            shell.abandon()
            raise self._slow_shell(shell)
        if item.ending is None:
            shell.end(item, Fate.OVERDUE)
            return
        if not shell.answered:
            self.die(ConnectionLost(f"{self.name}: the server does not answer any more"), False)
        shell.abandon()
        raise self._ended(item, user, "it could not be killed and may still run")

    def _judged(self, item: Request, reply: Reply, user: str | None) -> Reply:
        """Return the reply, unless the command was ended."""
        if item.fate is Fate.LARGE or (item.fate is Fate.OVERDUE and item.stopped):
            raise self._ended(item, user, "it was killed")
        return reply

    def _ended(self, item: Request, user: str | None, end: str) -> CannotAssess:
        what = f"{self.name}: `{_short(item.command)}`{f' (as {user})' if user else ''}"
        if item.fate is Fate.LARGE:
            return Incomplete(
                f"{what} wrote more than {self.settings.limit} bytes (max_output); {end}"
            )
        return TimedOut(f"{what} did not end within {item.timeout:g} s (command_timeout); {end}")

    def _lost(self, item: Request, user: str | None) -> CannotAssess:
        """Return the error for a command whose shell ended while it ran."""
        if self._broken():
            if self._death is not None:
                return self._death
            final = not self.may_renew or self._renewal.known("way")
            what = f"the connection broke while running `{_short(item.command)}`"
            lost = ConnectionLost(f"{self.name}: {what}", final=final)
            if final:
                self._set_death(lost)
            return lost
        whose = f"the shell of {user}" if user else "the shell"
        return ConnectionLost(
            f"{self.name}: {whose} ended before `{_short(item.command)}` gave an exit code",
            final=False,
        )

    def _broken(self) -> bool:
        return self._death is not None or not self._way.alive

    def _check_start(self, shell: Shell | None) -> None:
        """Raise if the host starts no shells for us."""
        if shell is None or not shell.ended.done() or shell.refused or shell.started:
            return
        code = shell.ended.result()
        if code is None or self._broken():
            return
        words = first_line(printable(decode(shell.said()))) or "nothing"
        raise NoShell(
            f"{self.name}: the account runs no /bin/sh for us: it said {shorten(words, 200)!r}, "
            f"exit code {code}; its login shell may be nologin, or a forced command"
        )

    def _slow_shell(self, shell: Shell) -> TimedOut:
        words = first_line(printable(decode(shell.said())))
        said = f"; it said {shorten(words, 200)!r}" if words else ""
        return TimedOut(
            f"{self.name}: no shell was started within {self.settings.open_timeout:g} s "
            "(open_timeout): the account's login files or a forced command take long, or the "
            f"host does{said}"
        )

    def _usable(self) -> Way:
        """Return the connection; make a new one if it broke for the first time."""
        self.check()
        if self._way.alive:
            return self._way
        try:
            return self._renewal.get("way", self._renew)
        finally:
            if not self._way.alive:
                self._set_death(
                    ConnectionLost(f"{self.name}: the connection broke, and broke again")
                )
                self.check()

    def _renew(self) -> Way:
        if self._again is None or not self.may_renew:
            raise ConnectionLost(f"{self.name}: the connection broke while nothing was asked")
        log.debug("%s: the connection broke; connecting once more", self.name)
        self.shells.forget()
        try:
            way = wait(self._again)
        except CannotAssess as error:
            reason = str(error).removeprefix(f"{self.name}: ")
            self._set_death(
                ConnectionLost(f"{self.name}: {self._why}, and no new one came: {reason}")
            )
            raise ConnectionLost(str(self._death)) from error
        self._way = way
        return way

    def check(self) -> None:
        """Raise if the host is given up: nothing is tried on it again."""
        if self._death is not None:
            kind = TimedOut if isinstance(self._death, TimedOut) else ConnectionLost
            reason = str(self._death).removeprefix(f"{self.name}: ")
            raise kind(f"{self.name}: not tried, for the connection is gone: {reason}")

    def _set_death(self, reason: CannotAssess) -> None:
        with self._lock:
            if self._death is None:
                self._death = reason
                log.debug("%s", reason)

    def die(self, reason: CannotAssess, final: bool = True) -> None:
        """Close the connection for *reason*; if that is *final*, there is no other."""
        if final or not self.may_renew or self._renewal.known("way"):
            self._set_death(reason)
        self._why = str(reason).removeprefix(f"{self.name}: ")
        self._way.close()

    def close(self) -> None:
        """Close everything; whoever waits for an answer gets a ConnectionLost."""
        self.shells.close()
        self.die(ConnectionLost(f"{self.name}: the connection was closed"))

    def _start(self, line: str, hearer: Hearer) -> Pipe:
        return self._way.start(line, hearer)

    def _kill(self, pid: int) -> bool:
        """End a process of the login user that nobody listens to any more."""
        kill = request(["kill", "-KILL", str(pid)], timeout=STOP_TIME)
        return self.shells.submit_if_open(kill, None)


def _unbegun(item: Request) -> bool:
    return item.future.done() and isinstance(item.future.exception(), Again)


def _short(command: Command) -> str:
    return shorten(show(command), 200)
