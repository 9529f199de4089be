"""What every way to a host can do: run commands, read files, say who it is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.text import decode, first_line

Command = Sequence[str] | str
"""An argv list, which no shell reads, or a line for ``/bin/sh -c``."""


class Script(str):
    """Shell text of this package: a shell that is there may run it without starting another.

    It sets each variable before it looks at it, begins without arguments, asks neither ``$$`` nor
    ``$0``, and leaves no process behind.
    """

    __slots__ = ()


#: The environment of every command: messages in English, and the sbin folders found by non-root.
ENVIRONMENT: Mapping[str, str] = {
    "LC_ALL": "C",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What a command gave back.

    Attributes:
        command: the argv list, or the shell line.
        exit_code: 0 to 255; 128 + N if signal N ended it. Never -1: a lost command is an error.
        stdout: standard output, as the bytes that came.
        stderr: standard error, as the bytes that came.
        started: seconds since the epoch, by this machine's clock.
        duration: seconds.
        evidence: the id under which a recording run kept it, or a replay found it; else "".
    """

    command: Command
    exit_code: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    started: float
    duration: float
    evidence: str = field(default="", repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == 0

    @property
    def out(self) -> str:
        r"""Standard output as text; what is not UTF-8 is written as ``\xNN``."""
        return decode(self.stdout)

    @property
    def err(self) -> str:
        r"""Standard error as text; what is not UTF-8 is written as ``\xNN``."""
        return decode(self.stderr)

    def expect(self, *codes: int) -> CommandResult:
        """Return this result if its exit code is among *codes* (0 if none is given).

        Raises:
            CannotAssess: any other exit code, with the first line of standard error.
        """
        if self.exit_code in (codes or (0,)):
            return self
        why = first_line(self.err) or first_line(self.out) or "no message"
        raise CannotAssess(f"{show(self.command)}: exit code {self.exit_code}: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """``stat`` of one path, links not followed. Times are seconds since the epoch."""

    path: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int


@runtime_checkable
class Transport(Protocol):
    """One open way to one host; made by `pytest_sysaudit.transport.open_transport`.

    All methods raise a `CannotAssess` when the answer is not known: `TimedOut`, `ConnectionLost`,
    `Denied`, `Incomplete`. A transport never returns a guess.
    """

    name: str
    """The target's name in the inventory."""

    identity: Mapping[str, str]
    """What identifies the host: ``address``, ``host_key``, ``machine_id``, ``os`` (those known)."""

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        user: str | None = None,
    ) -> CommandResult:
        """Run *command* and return its result.

        Args:
            command: an argv list or a shell line; runs under /bin/sh with `ENVIRONMENT`.
            stdin: what the command reads; empty means end of file at once.
            timeout: seconds for the whole command; None: the inventory's ``command_timeout``.
            user: run as this user through sudo; None: as the inventory's ``become`` says.

        Raises:
            TimedOut: the deadline passed; the command and its children were killed, as far as
                can be.
            Denied: sudo refused.
            ConnectionLost: the connection broke, or no exit code came.
            Incomplete: the output was larger than the inventory's ``max_output``.
        """

    def read(self, path: str, *, limit: int = 1 << 24) -> bytes:
        """Return the bytes of the file at *path* (over SFTP where the host is remote).

        Raises:
            NotApplicable: there is no such file.
            Denied: we may not read it.
            Incomplete: it is larger than *limit* bytes.
        """

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path* itself (a link is not followed); errors as in `read`."""

    def listdir(self, path: str) -> list[str]:
        """Return the sorted names in the folder *path*, without . and ..; errors as in `read`."""

    def close(self) -> None:
        """Close the connection; may be called twice."""


def show(command: Command) -> str:
    """Return *command* as one would type it."""
    return command if isinstance(command, str) else shlex.join(command)
