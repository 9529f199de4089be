"""Commands as another user, through one /bin/sh that sudo started.

sudo is asked once; what follows needs no password. Nothing but the password is ever sent before the
shell has said that it runs, so no script can be read as a password, and no password as a script.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import shlex
from collections.abc import Callable, Iterator

from pytest_sysaudit.errors import ConnectionLost, Denied, Incomplete, TimedOut
from pytest_sysaudit.text import decode, first_line, printable
from pytest_sysaudit.transport.base import Command, show
from pytest_sysaudit.transport.ssh.deadline import Deadline
from pytest_sysaudit.transport.ssh.framing import (
    PRELUDE,
    STOP,
    Ended,
    Exchange,
    Overdue,
    Reply,
    Stream,
    TooLarge,
    encoded,
    framed,
)
from pytest_sysaudit.transport.sudo import asks_password

log = logging.getLogger("pytest_sysaudit.ssh")

Start = Callable[[str], Stream]
"""Starts a shell script on the host, as the login user."""

_TTY = re.compile(r"must have a tty")
#: When our end of the connection is gone, however it went, what is running ends too.
_LAST_WILL = 'trap \'[ -z "$sysaudit_job" ] || sysaudit_stop "$sysaudit_job"\' EXIT\n'
_CHUNK = 4096
_STOP_TIME = 4.0


class SudoRefused(Denied):
    """sudo gave no shell, and will not give one later either."""


class Password:
    """The sudo password of one host: typed until sudo refuses it, and never after that.

    Args:
        get: resolves it, when it is asked for; None: the inventory names none.
    """

    def __init__(self, get: Callable[[], str] | None) -> None:
        self._get = get
        self.refused = ""

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


def open_sudo_shell(  # noqa: PLR0913 - each is one fact about how to become a user
    start: Start, user: str, password: Password, *, name: str, timeout: float, limit: int
) -> SudoShell:
    """Start a shell as *user*: without a password if sudo lets us, else with it, typed once.

    Args:
        start: runs a script on the host.
        user: whom to become.
        password: of the login user.
        name: how messages call the host.
        timeout: seconds that sudo may take to answer, each time it is asked.
        limit: bytes of output of one command.

    Raises:
        SudoRefused: in sudo's own words.
        TimedOut: sudo did not answer.
    """
    attempt = _Attempt(start, user, name, timeout)
    stream = attempt.quietly()
    if stream is None:
        stream = attempt.with_password(password)
    return SudoShell(stream, user, name=name, limit=limit)


@contextlib.contextmanager
def _abandoned_on_error(stream: Stream) -> Iterator[None]:
    """End sudo if the block fails.

    It is killed, not left at its prompt: the end of input there counts as one more wrong password
    (pam_faillock).
    """
    try:
        yield
    except BaseException:
        if not stream.ended:
            stream.kill()
        stream.close()
        raise


class _Attempt:
    """sudo, asked for a shell."""

    def __init__(self, start: Start, user: str, name: str, timeout: float) -> None:
        self._start = start
        self._user = user
        self._name = name
        self._timeout = timeout
        self._mark = f"sysaudit-{secrets.token_hex(8)}"
        self._words = ""

    def _sudo(self, *options: str) -> Stream:
        tell = "printf '%s\\n' \"$1\""
        # NOEXEC of sudoers lets a shell start, and nothing in it.
        ready = f"/bin/sh -c : && {tell} && {tell} >&2 && exec /bin/sh"
        argv = ["sudo", *options, "-H", "-u", self._user, "--", "/bin/sh", "-c", ready, "sh"]
        return self._start(f"LC_ALL=C exec {shlex.join([*argv, self._mark])}")

    def quietly(self) -> Stream | None:
        """Return the shell if sudo gives it without a password; None if it asks for one."""
        stream = self._sudo("-n")
        with _abandoned_on_error(stream):
            ready = self._ready(stream, Deadline(self._timeout))
        if ready:
            log.debug("%s: sudo -u %s needs no password", self._name, self._user)
            return stream
        stream.close()
        if asks_password(self._words):
            return None
        raise self._denied(self._words)

    def with_password(self, password: Password) -> Stream:
        """Return the shell that sudo gives for the password, which is typed at most once."""
        if not password.known:
            raise self._denied(self._words, "set become.password to env:NAME, file:PATH or prompt")
        if password.refused:
            raise SudoRefused(password.refused)
        line = password.line()
        prompt = f"sysaudit-password-{secrets.token_hex(8)}:"
        stream = self._sudo("-S", "-p", prompt)
        with _abandoned_on_error(stream):
            typed = self._answer(stream, prompt, line, password)
        log.debug("%s: sudo -u %s took the password", self._name, self._user)
        if not typed:
            log.debug("%s: sudo did not ask for it", self._name)
        return stream

    def _answer(self, stream: Stream, prompt: str, line: bytes, password: Password) -> bool:
        """Wait for the shell, and answer the first prompt on the way; return whether it came."""
        deadline, asked = Deadline(self._timeout), prompt.encode()
        typed = False
        while True:
            try:
                ready = self._ready(stream, deadline, asked)
            except TimedOut:
                if typed:
                    password.refused = self._refused_text("it did not answer the password")
                raise
            if ready:
                return typed
            before, prompted, after = stream.err.partition(asked)
            if prompted and not typed:
                typed = True
                stream.err[:] = after
                stream.write(line)
                continue
            words = self._words if not prompted else first_line(decode(bytes(before)))
            if typed:
                password.refused = self._refused_text(words)
                raise SudoRefused(password.refused)
            raise self._denied(words)

    def _ready(self, stream: Stream, deadline: Deadline, prompt: bytes = b"") -> bool:
        """Return True when the shell runs; False when sudo ended, or shows *prompt*."""
        mark = self._mark.encode() + b"\n"
        while True:
            ended = stream.ended
            if mark in stream.out and mark in stream.err:
                for data in (stream.out, stream.err):
                    del data[: data.find(mark) + len(mark)]
                return True
            if prompt and prompt in stream.err:
                return False
            if ended:
                if stream.exit_code is None:
                    raise EOFError  # sudo said nothing: the connection broke
                self._words = _words(stream)
                return False
            if deadline.passed:
                raise TimedOut(
                    f"{self._name}: sudo -u {self._user} did not answer within "
                    f"{self._timeout:g} s (open_timeout): {_words(stream)}"
                )
            stream.wait(deadline.left)

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


def _words(stream: Stream) -> str:
    """Return what sudo said, on one line."""
    said = printable(decode(bytes(stream.err)) or decode(bytes(stream.out)))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return first_line("; ".join(lines)) or f"no message (exit code {stream.exit_code})"


class SudoShell:
    """A shell of another user that is waiting for commands; it runs one at a time.

    Each command runs in the background of that shell, which so can still be told to stop it.

    Attributes:
        user: whose shell it is.
        alive: whether it still takes commands.
    """

    def __init__(self, stream: Stream, user: str, *, name: str, limit: int) -> None:
        self.user = user
        self.alive = True
        self._stream = stream
        self._name = name
        self._limit = limit
        self._nonce = secrets.token_hex(16)
        self._count = 0
        stream.write(f"{PRELUDE}{STOP}{_LAST_WILL}".encode())

    def run(self, command: Command, stdin: bytes, timeout: float) -> Reply:
        """Run *command*; see `Transport.run`.

        Raises:
            TimedOut, Incomplete: the command was killed.
            ConnectionLost: the shell ended.
        """
        self._count += 1
        tag = f"{self._nonce}{self._count:x}"
        script = f"wait\n{{\n{framed(tag, command, _feed(stdin))}}} &\nsysaudit_job=$!\n"
        exchange = Exchange(self._stream, tag, self._limit)
        self._stream.write(script.encode("utf-8", "surrogateescape"))
        try:
            reply = exchange.finish(Deadline(timeout))
        except Ended as error:
            self.close()
            raise ConnectionLost(
                f"{self._name}: the shell of {self.user} ended before `{show(command)}` gave an "
                f"exit code"
            ) from error
        except Overdue as error:
            fate = self._stop(exchange)
            raise TimedOut(
                f"{self._name}: `{show(command)}` (as {self.user}) did not end within "
                f"{timeout:g} s (command_timeout); {fate}"
            ) from error
        except TooLarge as error:
            fate = self._stop(exchange)
            raise Incomplete(
                f"{self._name}: `{show(command)}` (as {self.user}) wrote more than {self._limit} "
                f"bytes (max_output); {fate}"
            ) from error
        except BaseException:  # Ctrl-C, or a time limit of the runner
            self.close()
            raise
        self._forget_job()
        return reply

    def _forget_job(self) -> None:
        """Tell the shell that there is nothing to end any more: the number may be used again."""
        self._stream.write(b"wait; sysaudit_job=\n")
        self._stream.wait(0)

    def _stop(self, exchange: Exchange) -> str:
        """Kill the running command; say what became of it."""
        self._stream.write(b'sysaudit_stop "$sysaudit_job" spare\n')
        try:
            exchange.finish(Deadline(_STOP_TIME), drain=True)
        except (Ended, Overdue):
            self.close()
            return "it could not be killed and may still run"
        self._forget_job()
        return "it was killed"

    def close(self) -> None:
        """End the shell: its standard input ends."""
        self.alive = False
        self._stream.close()


def _feed(stdin: bytes) -> str:
    """Return the shell text that writes *stdin* into the command that follows; "" for nothing."""
    if not stdin:
        return ""
    parts = [stdin[at : at + _CHUNK] for at in range(0, len(stdin), _CHUNK)]
    writes = "; ".join(f"printf %b '{encoded(part)}'" for part in parts)
    return f"{{ {writes}; }} | "
