"""Running a command through sudo so that a refusal cannot look like the command's own answer.

The privileged command writes a mark to standard error before it does anything. Where the mark is
missing, sudo did not start it, whatever the exit code says.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from pytest_sysaudit.errors import Denied
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import ENVIRONMENT, Command, CommandResult, show

#: sudo may reset the environment.
_SETTINGS = " ".join(f"{name}={shlex.quote(value)}" for name, value in ENVIRONMENT.items())
_STARTER = f"""printf '%s\\n' "$0" >&2
export {_SETTINGS}
exec "$@\""""

#: sudo says the first two, sudo-rs the last.
_ASKS = re.compile(r"password is required|terminal is required|authentication is required")


def sudo_argv(
    user: str, command: Command, mark: str, options: Sequence[str] = ("-n",)
) -> list[str]:
    """Return the argv that runs *command* as *user* and writes *mark* when it starts."""
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    return ["sudo", *options, "-u", user, "--", "/bin/sh", "-c", _STARTER, mark, *argv]


def split_mark(stderr: bytes, mark: str) -> bytes | None:
    """Return *stderr* without the line that holds *mark*; None if it is not there."""
    before, found, after = stderr.partition(mark.encode() + b"\n")
    return before + after if found else None


def asks_password(words: str) -> bool:
    """Return whether ``sudo -n``, which said *words*, would go on with a password."""
    return _ASKS.search(words) is not None


def refusal(user: str, command: Command, stderr: bytes) -> Denied:
    """Return the error for a sudo that did not start *command*; *stderr* is what it said."""
    words = first_line(stderr.decode("utf-8", "backslashreplace")) or "no message"
    return Denied(f"sudo did not run {first_line(show(command), 120)!r} as {user}: {words}")


class PasswordTalk:
    """Types a password into ``sudo -S``: once, and only when it is asked for.

    What the command itself is to read is sent when sudo has started it, so neither can be taken
    for the other.

    Args:
        password: the password.
        stdin: what the command reads.
        prompt: the text that sudo was told to ask with.
        mark: what the command writes to standard error when it starts.
    """

    def __init__(self, password: str, stdin: bytes, *, prompt: str, mark: str) -> None:
        self.prompt = prompt
        self.mark = mark
        self.over = False
        self._password = password
        self._stdin = stdin
        self._typed = False

    def answer(self, stderr: bytes) -> bytes:
        """Return the password at the first prompt, and the command's input when it has started.

        Raises:
            Denied: sudo asks again, so it refused the password.
        """
        if self.over:
            return b""
        if self.clean(stderr) is not None:
            self.over = True
            return self._stdin
        asked = stderr.count(self.prompt.encode())
        if asked > 1:
            raise Denied("the sudo password is refused")
        if asked and not self._typed:
            self._typed = True
            return self._password.encode() + b"\n"
        return b""

    def clean(self, stderr: bytes) -> bytes | None:
        """Return what the command wrote to *stderr*; None if it has not started."""
        return split_mark(self.words(stderr), self.mark)

    def words(self, stderr: bytes) -> bytes:
        """Return *stderr* without our prompt."""
        return stderr.replace(self.prompt.encode(), b"")


def sudo_line(user: str, line: str) -> str:
    """Return the shell line that runs the shell line *line* as *user*; `sudo_result` reads it."""
    return shlex.join(sudo_argv(user, line, _mark_of(user)))


def sudo_result(user: str, result: CommandResult) -> CommandResult:
    """Return what the inner command of a `sudo_line` gave.

    Raises:
        Denied: sudo did not start it.
    """
    stderr = split_mark(result.stderr, _mark_of(user))
    if stderr is None:
        raise refusal(user, result.command, result.stderr)
    return replace(result, stderr=stderr)


def _mark_of(user: str) -> str:
    """Return a mark that is the same in every run, for the line is recorded and looked up again."""
    return f"sysaudit-sudo-{hashlib.sha256(user.encode()).hexdigest()[:16]}"
