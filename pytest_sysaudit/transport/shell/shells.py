"""The open shells of one connection: who gets which, and room for one more."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.errors import Denied
from pytest_sysaudit.lanes import wait_for
from pytest_sysaudit.transport.base import Command
from pytest_sysaudit.transport.shell.become import SudoOpener, SudoRefused
from pytest_sysaudit.transport.shell.pipe import Hearer, Opener, Pipe, Starter
from pytest_sysaudit.transport.shell.request import Request
from pytest_sysaudit.transport.shell.script import START
from pytest_sysaudit.transport.shell.shell import Shell

if TYPE_CHECKING:
    from pytest_sysaudit.transport.shell.way import Settings

#: A command that has run for so long, and a round trip, does not hold up others.
SLOW = 0.05
#: A session that has ended still counts against MaxSessions for a moment.
SLOT_TIME = 2.0
_PAUSE = 0.05
_BEHIND = re.compile(r"(?<![&<>])&(?![&>])")


def leaves_something(command: Command) -> bool:
    """Whether *command* may leave a process behind, which may still write to its shell's output."""
    words = (command,) if isinstance(command, str) else command
    return any(_BEHIND.search(word) for word in words if "&" in word)


class Shells:
    """Shells by user; None is the login user.

    Args:
        settings: of the executor.
        start: starts a command line on the present connection.
        kill: ends a process of the login user; tells whether it tries.

    Attributes:
        give_up: closes a channel that is no shell, and tells whether there was one.
    """

    def __init__(self, settings: Settings, start: Starter, kill: Callable[[int], bool]) -> None:
        self._settings = settings
        self._start = start
        self._kill = kill
        self._lock = threading.Lock()
        self._shells: dict[str | None, list[Shell]] = {}
        self._denied: dict[str, str] = {}
        self._most = settings.most
        self._refusal = ""
        self._refused_at = self._refused_since = self._ended_at = -SLOT_TIME
        self.give_up: Callable[[], bool] = lambda: False

    def submit(self, requests: Sequence[Request], user: str | None, *, last: bool = False) -> None:
        """Give *requests* to one shell of *user*; the *last* ones that it gets, if so.

        Raises:
            CannotAssess: there is no shell of this user.
        """
        while True:
            shell, fresh = self._pick(user)
            if shell is None:
                self._wait_for_room(user)
                continue
            try:
                shell.submit(requests)
            except OSError:
                continue
            if last:
                shell.retire()
            if fresh:
                self._open(shell, user)
            return

    def submit_if_open(self, request: Request, user: str | None) -> bool:
        """Give *request* to an idle shell of *user*; return whether there is one."""
        for shell in self._shells.get(user, ()):
            if shell.alive and not shell.load:
                try:
                    shell.submit([request])
                except OSError:
                    continue
                return True
        return False

    def _pick(self, user: str | None) -> tuple[Shell | None, bool]:
        """Return the shell that comes first, and whether it is new; None: there is no room."""
        with self._lock:
            for shells in self._shells.values():
                shells[:] = [shell for shell in shells if not shell.ended.done()]
            mine = [shell for shell in self._shells.get(user, ()) if shell.alive]
            quick = [shell for shell in mine if shell.busy_for() < SLOW + shell.lag]
            if quick:
                return min(quick, key=lambda shell: shell.load), False
            used = sum(map(len, self._shells.values()))
            if used < self._most and time.monotonic() > self._refused_at + _PAUSE:
                shell = Shell(limit=self._settings.limit)
                shell.ended.add_done_callback(lambda _: self._look_why(shell))
                self._shells.setdefault(user, []).append(shell)
                return shell, True
            if mine:
                return min(mine, key=lambda shell: shell.load), False
            return None, False

    def _open(self, shell: Shell, user: str | None) -> None:
        if user in self._denied:
            shell.abandon()
            raise Denied(self._denied[user or ""])
        try:
            shell.open(self._opener(user))
        except OSError as error:  # whoever waits for an answer asks again
            self._refuse(str(error))
            shell.abandon()
        except SudoRefused as error:
            self._denied[user or ""] = str(error)
            shell.abandon()
            raise
        except BaseException:
            shell.abandon()
            raise

    def _opener(self, user: str | None) -> Opener:
        if user is None:
            return self._plain
        settings = self._settings
        return SudoOpener(
            self._start,
            user,
            settings.password,
            name=settings.name,
            timeout=settings.open_timeout,
            kill=self._kill,
        )

    def _plain(self, hearer: Hearer) -> Pipe:
        return self._start(START, hearer)

    def _look_why(self, shell: Shell) -> None:
        if shell.refused:
            self._refuse(shell.refused)
        else:
            self._ended_at = time.monotonic()

    def _refuse(self, text: str) -> None:
        """Note that the server opened no further session: those we have are all it allows."""
        now = time.monotonic()
        with self._lock:
            if now > self._refused_at + SLOT_TIME:
                self._refused_since = now
            self._refusal, self._refused_at = text, now
            shells = [shell for all_ in self._shells.values() for shell in all_]
            running = sum(shell.started and not shell.ended.done() for shell in shells)
            settled = all(shell.alive or shell.ended.done() for shell in shells)
            if running and settled and now > self._ended_at + SLOT_TIME:
                self._most = min(self._most, running)

    def _wait_for_room(self, user: str | None) -> None:
        """Close a shell that nobody uses, or wait until one is free.

        Raises:
            Denied: the server opens no session for us.
        """
        with self._lock:
            others = [s for u, shells in self._shells.items() if u != user for s in shells]
        leaving = [shell for shell in others if not shell.alive]
        idle = [shell for shell in others if shell.alive and not shell.load]
        if idle and not leaving:
            idle[0].close()
            leaving = idle[:1]
        elif not leaving and not any(shell.load for shell in others) and not self.give_up():
            self._check_time()
        sleep: Future[Any] = leaving[0].ended if leaving else Future()
        with contextlib.suppress(TimeoutError):
            wait_for(sleep, _PAUSE)

    def _check_time(self) -> None:
        if time.monotonic() > self._refused_since + SLOT_TIME:
            raise Denied(
                f"{self._settings.name}: the server opens no further session: {self._refusal} "
                "(MaxSessions may be 0 or 1, or the account may not run commands)"
            )

    def make_room(self) -> bool:
        """Close a shell that nobody uses; return whether there was one."""
        with self._lock:
            idle = [s for all_ in self._shells.values() for s in all_ if s.alive and not s.load]
        if idle:
            idle[0].close()
        return bool(idle)

    def forget(self) -> None:
        """Give up all shells: the connection is gone."""
        with self._lock:
            gone = [shell for shells in self._shells.values() for shell in shells]
            self._shells.clear()
            self._refused_at = self._refused_since = self._ended_at = -SLOT_TIME
        for shell in gone:
            shell.abandon()

    def close(self) -> None:
        """Close all shells; what they run is ended."""
        for shells in list(self._shells.values()):
            for shell in list(shells):
                shell.close()
