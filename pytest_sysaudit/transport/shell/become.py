"""Shells of another user, which sudo starts.

Nothing but the password is ever sent before the shell has said that it runs, so no script can be
read as a password, and no password as a script.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from pytest_sysaudit.errors import ConnectionLost, Denied, TimedOut
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.lanes import wait_for
from pytest_sysaudit.text import decode, first_line, printable
from pytest_sysaudit.transport.shell.pipe import Hearer, Pipe, Starter
from pytest_sysaudit.transport.shell.script import BOOT
from pytest_sysaudit.transport.sudo import asks_password

log = logging.getLogger("pytest_sysaudit.ssh")

_KILL_TIME = 2.0
_TTY = re.compile(r"must have a tty")
#: What login shells read differently between single quotes.
_AWKWARD = re.compile(r"['\\!\n]")
#: NOEXEC of sudoers lets a shell start, and nothing in it.
_READY = f'/bin/sh -c : && echo "$0" && echo "$0" >&2 && {BOOT}'


class SudoRefused(Denied):
    """sudo gave no shell, and will not give one later either."""


class SecretStore(Protocol):
    """Resolves the inventory's ``env:``, ``file:`` and ``prompt``."""

    def get(self, ref: str, *, purpose: str, base: Path) -> str:
        """Return the secret that *ref* means."""


def sudo_password(target: Target, me: str, secrets: SecretStore) -> Callable[[], str] | None:
    """Return what resolves the sudo password, if the inventory names one."""
    become = getattr(target.entry, "become", None)
    reference = become.password if become else None
    if reference is None:
        return None
    purpose = f"sudo password of {me} on {target.name}"
    return lambda: secrets.get(reference, purpose=purpose, base=target.base)


class Password:
    """The sudo password of one host: typed until sudo refuses it, and never after that.

    Args:
        get: resolves it, when it is asked for; None: the inventory names none.

    Attributes:
        refused: why it is not typed any more; "" while it may be.
    """

    def __init__(self, get: Callable[[], str] | None) -> None:
        self._get = get
        self.refused = ""
        self._lock = threading.Lock()
        self._turn: Future[None] | None = None

    @property
    def known(self) -> bool:
        """Whether the inventory names one."""
        return self._get is not None

    def line(self) -> bytes:
        """Return what to type.

        Raises:
            Denied: it cannot be typed.
        """
        text = self._get() if self._get else ""
        if "\n" in text or "\0" in text:
            raise Denied("the sudo password holds a newline or NUL, which cannot be typed")
        return text.encode() + b"\n"

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Let one at a time ask sudo: two could type the same wrong password."""
        mine: Future[None] = Future()
        while True:
            with self._lock:
                other = self._turn
                if other is None:
                    self._turn = mine
                    break
            wait_for(other)
        try:
            yield
        finally:
            with self._lock:
                self._turn = None
            mine.set_result(None)


class SudoOpener:
    """Starts a shell as *user*: without a password if sudo lets us, else with it, typed once.

    An `Opener`.

    Args:
        start: starts a command line as the login user.
        user: whom to become.
        password: of the login user.
        name: how messages call the host.
        timeout: seconds that sudo may take to answer, each time it is asked.
        kill: ends a process of the login user; tells whether it tries.
    """

    def __init__(  # noqa: PLR0913 - each is one fact about how to become a user
        self,
        start: Starter,
        user: str,
        password: Password,
        *,
        name: str,
        timeout: float,
        kill: Callable[[int], bool],
    ) -> None:
        self._start = start
        self._user = user
        self._password = password
        self._name = name
        self._timeout = timeout
        self._kill = kill

    def __call__(self, hearer: Hearer) -> Pipe:
        """Return the way to the shell, once it runs.

        Raises:
            SudoRefused: in sudo's own words.
            TimedOut: sudo did not answer.
            ConnectionLost: the connection broke.
            OSError: it was not even started; see `Pipe.refused`.
        """
        if _AWKWARD.search(self._user) or self._user.startswith("-"):
            raise SudoRefused(f"{self._name}: {self._user!r} is no name of a user")
        with self._password.turn():
            talk = self._sudo("-n")
            with self._abandoned_on_error(talk):
                ready = self._ready(talk)
            if not ready:
                talk.pipe.close()
                words = talk.words()
                if not asks_password(words):
                    raise self._denied(words)
                talk = self._with_password(words)
        talk.hand_over(hearer)
        return talk.pipe

    def _sudo(self, *options: str) -> _Talk:
        mark = f"sysaudit-{secrets.token_hex(8)}"
        argv = ["env", "LC_ALL=C", "sudo", *options, "-H", "-u", self._user, "--"]
        argv += ["/bin/sh", "-c", _READY, mark]
        words = ["/bin/sh", "-c", 'echo "$0 $$" >&2; exec "$@"', mark, *argv]
        talk = _Talk(mark)
        talk.pipe = self._start(f"exec {shlex.join(words)}", talk)
        return talk

    def _with_password(self, words: str) -> _Talk:
        """Return the shell that sudo gives for the password, which is typed at most once."""
        password = self._password
        if not password.known:
            raise self._denied(words, "set become.password to env:NAME, file:PATH or prompt")
        if password.refused:
            raise SudoRefused(password.refused)
        line = password.line()
        talk = self._sudo("-S", "-p", prompt := f"sysaudit-password-{secrets.token_hex(8)}:")
        with self._abandoned_on_error(talk):
            if self._ready(talk, prompt.encode()):
                log.debug("%s: sudo -u %s did not ask for the password", self._name, self._user)
            elif prompt.encode() in talk.err:
                self._answer(talk, prompt.encode(), line)
            else:
                raise self._denied(talk.words())
        return talk

    def _answer(self, talk: _Talk, prompt: bytes, line: bytes) -> None:
        """Type the password, once."""
        talk.pipe.write(line)
        try:
            ready = self._ready(talk, prompt, typed=1)
        except TimedOut:
            self._password.refused = self._refused_text("it did not answer the password")
            raise
        if not ready:
            self._password.refused = self._refused_text(talk.words(prompt))
            raise SudoRefused(self._password.refused)
        log.debug("%s: sudo -u %s took the password", self._name, self._user)

    def _ready(self, talk: _Talk, prompt: bytes = b"", typed: int = 0) -> bool:
        """Return True when the shell runs; False when sudo ended, or asks more than *typed*."""
        end = time.monotonic() + self._timeout
        while True:
            changed = talk.changed()
            if talk.running():
                return True
            if prompt and talk.err.count(prompt) > typed:
                return False
            if talk.over:
                if talk.pipe.refused:
                    raise OSError(talk.pipe.refused)
                if talk.exit_code is None:
                    raise ConnectionLost(
                        f"{self._name}: the connection broke while asking sudo", final=False
                    )
                return False
            try:
                wait_for(changed, max(0.0, end - time.monotonic()))
            except TimeoutError as error:
                raise TimedOut(
                    f"{self._name}: sudo -u {self._user} did not answer within "
                    f"{self._timeout:g} s (open_timeout): {talk.words()}"
                ) from error

    @contextlib.contextmanager
    def _abandoned_on_error(self, talk: _Talk) -> Iterator[None]:
        """End sudo if the block fails.

        It is killed, not left at its prompt: the end of input there counts as one more wrong
        password (pam_faillock).
        """
        try:
            yield
        except BaseException:
            if not talk.over and talk.pid and self._kill(talk.pid):
                self._see_it_end(talk)
            talk.pipe.close()
            raise

    def _see_it_end(self, talk: _Talk) -> None:
        end = time.monotonic() + _KILL_TIME
        while not talk.over and time.monotonic() < end:
            changed = talk.changed()
            with contextlib.suppress(TimeoutError):
                wait_for(changed, 0.0 if talk.over else max(0.0, end - time.monotonic()))

    def _denied(self, words: str, way_out: str = "") -> SudoRefused:
        if _TTY.search(words):
            way_out = "the sudoers option requiretty must be off for the audit's user"
        tail = f"; {way_out}" if way_out else ""
        return SudoRefused(f"{self._name}: sudo -u {self._user} refused: {words}{tail}")

    def _refused_text(self, words: str) -> str:
        return (
            f"{self._name}: sudo -u {self._user} refused: {words.rstrip('.')}; the password was "
            "typed once and is not typed again in this run, lest the account be locked (check "
            "become.password, and what sudoers allows)"
        )


class _Talk:
    """What sudo says until it has started the shell; a `Hearer`.

    Attributes:
        over: whether it has ended.
        err: standard error after the first mark, which tells `pid`.
    """

    pipe: Pipe

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode()
        self._lock = threading.Lock()
        self._next: Hearer | None = None
        self._changed: Future[None] = Future()
        self.out, self.err = bytearray(), bytearray()
        self.pid = 0
        self.over = False
        self.exit_code: int | None = None

    def changed(self) -> Future[None]:
        """Return what is done as soon as anything comes after this moment."""
        with self._lock:
            self._changed = Future()
            return self._changed

    def running(self) -> bool:
        """Whether the shell has said that it runs."""
        line = self._mark + b"\n"
        return line in self.out and line in self.err

    def words(self, prompt: bytes = b"") -> str:
        """Return what sudo said, on one line."""
        said = bytes(self.err).replace(prompt, b"\n") if prompt else bytes(self.err)
        text = printable(decode(said).strip() or decode(bytes(self.out)))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return first_line("; ".join(lines)) or f"no message (exit code {self.exit_code})"

    def hand_over(self, hearer: Hearer) -> None:
        """Let *hearer* have all that came after the shell's word, and all that will come."""
        line = self._mark + b"\n"
        with self._lock:
            self._next = hearer
            for data, tell in ((self.out, hearer.on_out), (self.err, hearer.on_err)):
                rest = bytes(data[data.find(line) + len(line) :])
                if rest:
                    tell(rest)
            if self.over:
                hearer.on_end(self.exit_code)

    def on_out(self, data: bytes) -> None:
        """Take standard output."""
        with self._lock:
            hearer = self._next
            if hearer is None:
                self.out += data
        if hearer is not None:
            hearer.on_out(data)
        else:
            self._ring()

    def on_err(self, data: bytes) -> None:
        """Take standard error."""
        with self._lock:
            hearer = self._next
            if hearer is None:
                self.err += data
                self._find_pid()
        if hearer is not None:
            hearer.on_err(data)
        else:
            self._ring()

    def _find_pid(self) -> None:
        if self.pid:
            return
        _, found, after = bytes(self.err).partition(self._mark + b" ")
        text, newline, rest = after.partition(b"\n")
        if found and newline:
            self.pid = int(text)
            self.err[:] = rest

    def on_end(self, exit_code: int | None) -> None:
        """Learn that it has ended."""
        with self._lock:
            self.over, self.exit_code, hearer = True, exit_code, self._next
        if hearer is not None:
            hearer.on_end(exit_code)
        else:
            self._ring()

    def _ring(self) -> None:
        with self._lock:
            changed = self._changed
        if not changed.done():
            changed.set_result(None)
