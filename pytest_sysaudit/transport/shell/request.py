"""One command on its way through a shell, and what can become of it."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from pytest_sysaudit.transport.base import Command
from pytest_sysaudit.transport.shell import script

if TYPE_CHECKING:
    from pytest_sysaudit.transport.shell.shell import Shell


class Fate(Enum):
    """Why a request is ended before its time."""

    OVERDUE = "overdue"
    LARGE = "large"
    UNWANTED = "unwanted"


class Again(Exception):  # noqa: N818 - it is handled, never shown
    """The shell is gone and did not begin this request: another may run it."""


class ShellEnded(Exception):  # noqa: N818 - it is handled, never shown
    """The shell ended while it ran this request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one command gave back; ``began`` is seconds since the epoch, by our clock."""

    exit_code: int
    out: bytes = field(repr=False)
    err: bytes = field(repr=False)
    began: float
    duration: float


@dataclass(eq=False, slots=True)
class Request:
    """One command on its way through a shell.

    Attributes:
        timeout: seconds, from when it begins.
        future: its `Reply`, or `Again`, or `ShellEnded`.
        begun: when it began, by the monotonic clock; None: it has not.
        fate: why it was told to end, and ``ending`` when; ``stopped``: and its processes were.
        shell: the one that has it.
    """

    command: Command
    timeout: float
    lines: bytes
    future: Future[Reply] = field(default_factory=Future)
    begun: float | None = None
    fate: Fate | None = None
    ending: float | None = None
    stopped: bool = False
    shell: Shell | None = None
    out: bytes | None = None
    err: bytes | None = None
    exit_code: int = -1

    def renew(self) -> None:
        """Make it as it was, to be given to another shell."""
        self.future = Future()
        self.shell = self.begun = self.out = self.err = None

    def reply(self) -> Reply:
        """Return the whole answer."""
        now = time.monotonic()
        duration = now - (self.begun if self.begun is not None else now)
        return Reply(
            exit_code=self.exit_code,
            out=self.out or b"",
            err=self.err or b"",
            began=time.time() - duration,
            duration=duration,
        )


def request(command: Command, *, stdin: bytes = b"", timeout: float) -> Request:
    """Return the request for *command*; errors as in `script.framed`."""
    return Request(command, timeout, script.framed(command, stdin))
