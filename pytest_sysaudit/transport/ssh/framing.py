"""Scripts that tell exactly where a command's output begins and ends, and with what exit code.

The script writes a secret mark to both streams before the command and after it. So noise of login
files, leftovers of background processes and a shell that never started cannot pass for output.
"""

from __future__ import annotations

import shlex
import string
from dataclasses import dataclass
from typing import Protocol

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.transport.base import ENVIRONMENT, Command
from pytest_sysaudit.transport.ssh.deadline import Deadline

#: Means the same to every shell between single quotes, and to printf %b.
_PLAIN = frozenset((string.ascii_letters + string.digits + " _-+=./:,@").encode())
_NOTE = 16  # an exit code and a newline may still be missing after a mark
_LONGEST = 120_000  # Linux takes no single argument above 128 KiB

_ENVIRONMENT = "".join(
    f"{name}={shlex.quote(value)}; export {name}\n" for name, value in ENVIRONMENT.items()
)

#: Standard error of the shell itself ("Killed") is not the command's: it goes nowhere.
PRELUDE = f"exec 3>&2 2>/dev/null\n{_ENVIRONMENT}"

#: ``sysaudit_stop PID [spare]`` ends PID's descendants, its process group and its session (first
#: politely), and PID itself unless told to spare it. It needs /proc, and no ps.
STOP = r"""
sysaudit_stop() {
  root=$1 spare=$2 found=" $1 " more=1
  while [ -n "$more" ]; do
    more=
    for folder in /proc/[0-9]*; do
      pid=${folder#/proc/}
      case $found in *" $pid "*) continue ;; esac
      { read -r line <"$folder/stat"; } 2>/dev/null || continue
      set -- ${line##*) }
      if [ "$3" = "$root" ] || [ "$4" = "$root" ]; then found="$found$pid " more=1; continue; fi
      case $found in *" $2 "*) found="$found$pid " more=1 ;; esac
    done
  done
  [ -z "$spare" ] || found=" ${found#" $root "}"
  kill -TERM $found
  for turn in 1 2 3 4; do
    alive=
    for pid in $found; do kill -0 "$pid" && alive=1; done
    [ -n "$alive" ] || return 0
    sleep 0.1 || sleep 1
  done
  kill -KILL $found
} 2>/dev/null
"""


class Stream(Protocol):
    """A process elsewhere: bytes in, two streams of bytes out.

    Attributes:
        out: what has come on standard output; whoever reads it deletes it.
        err: the same for standard error.
    """

    out: bytearray
    err: bytearray

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""

    @property
    def exit_code(self) -> int | None:
        """The exit code, once it is known."""

    def write(self, data: bytes) -> None:
        """Queue *data* for standard input; `wait` sends it."""

    def wait(self, seconds: float) -> None:
        """Send and receive until something has come, but at most *seconds*."""

    def close(self) -> None:
        """Leave the process alone."""

    def kill(self) -> None:
        """End the process that was started first, as the login user."""


class Ended(Exception):  # noqa: N818 - it is handled, never shown
    """The stream ended before the answer was complete."""


class Overdue(Exception):  # noqa: N818 - it is handled, never shown
    """The deadline passed before the answer was complete."""


class TooLarge(Exception):  # noqa: N818 - it is handled, never shown
    """More output came than is allowed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one command gave back."""

    exit_code: int
    out: bytes
    err: bytes


def program(command: Command) -> str:
    """Return the shell text that becomes *command*.

    Raises:
        ValueError: it holds a NUL, which no argument can.
    """
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    if not argv or any("\0" in word for word in argv):
        raise ValueError(f"not a command: {command!r}")
    return f"exec {shlex.join(argv)}"


def framed(tag: str, command: Command, feed: str = "") -> str:
    """Return the script that runs *command* between the marks of *tag*.

    *feed* is a shell command ending in ``| `` that writes the command's standard input; without
    it, the command has that of the shell.
    """
    return (
        f"printf '%s\\n' '{tag}<'; printf '%s %d\\n' '{tag}<' $$ >&3\n"
        f"{feed}( exec 2>&3 3>&-; {program(command)} )\n"
        f"sysaudit_code=$?; printf '%s %d\\n' '{tag}>' $sysaudit_code; "
        f"printf '%s\\n' '{tag}>' >&3\n"
    )


def encoded(data: bytes) -> str:
    """Return *data* as ``printf %b`` takes it; every shell may have it between single quotes."""
    return "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in data)


def command_line(script: str) -> str:
    """Return a command line that runs *script* under /bin/sh, whatever shell reads the line.

    Login shells quote differently (fish, csh); this line has nothing in it that they differ in.

    Raises:
        CannotAssess: the script is too long for a command line.
    """
    data = script.encode("utf-8", "surrogateescape")
    coded = encoded(data)
    if len(coded) > _LONGEST:
        raise CannotAssess(
            f"a command of {len(data)} bytes is too long to be sent; give it its data as stdin"
        )
    return f"exec /bin/sh -c 'eval \"$(printf %b \"$1\")\"' sh '{coded}'"


class _Side:
    """One of the two streams of a framed command."""

    def __init__(self, data: bytearray, tag: str) -> None:
        self.data = data
        self.note = b""
        self._begin, self._end = f"{tag}<".encode(), f"{tag}>".encode()
        self.start = self.stop = self.rest = -1
        self._seen = 0

    @property
    def complete(self) -> bool:
        return self.rest >= 0

    def look(self) -> None:
        """Look for the marks in what has come since the last time."""
        if self.start < 0:
            _, self.start = self._mark(self._begin, 0)
            self._seen = max(0, self.start)
        if self.start >= 0 and self.rest < 0:
            self.stop, self.rest = self._mark(self._end, self._seen)
            self._seen = max(self.start, len(self.data) - len(self._end) - _NOTE)

    def _mark(self, mark: bytes, begin: int) -> tuple[int, int]:
        """Return where the line of *mark* begins and ends; -1, -1 if it is not all there."""
        at = self.data.find(mark, begin)
        newline = self.data.find(b"\n", at) if at >= 0 else -1
        if newline < 0:
            return -1, -1
        self.note = bytes(self.data[at + len(mark) : newline]).strip()
        return at, newline + 1

    def take(self) -> bytes:
        """Return what stands between the marks, and forget it and all before it."""
        body = bytes(memoryview(self.data)[self.start : self.stop])
        del self.data[: self.rest]
        return body

    def since_start(self) -> bytes:
        """Return what has come after the begin mark, up to the end mark if it is there."""
        return bytes(self.data[self.start : self.stop if self.complete else None])


class Exchange:
    """One framed command on a stream, from its begin mark to its end mark.

    Attributes:
        pid: the process id of the shell that runs it; None before it began.
    """

    def __init__(self, stream: Stream, tag: str, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._out, self._err = _Side(stream.out, tag), _Side(stream.err, tag)
        self.pid: int | None = None

    @property
    def began(self) -> bool:
        """Whether the shell got as far as the command."""
        return self._out.start >= 0

    def finish(self, deadline: Deadline, *, drain: bool = False) -> Reply:
        """Wait for the end mark on both streams; to *drain* is to wait however much comes.

        Raises:
            Ended, Overdue, TooLarge
        """
        while True:
            ended = self._stream.ended
            self._look()
            if self._out.complete and self._err.complete:
                return Reply(int(self._out.note), self._out.take(), self._err.take())
            if not drain and len(self._stream.out) + len(self._stream.err) > self._limit:
                raise TooLarge
            if ended:
                raise Ended
            if deadline.passed:
                raise Overdue
            self._stream.wait(deadline.left)

    def _look(self) -> None:
        for side in (self._out, self._err):
            side.look()
        if self.pid is None and self._err.start >= 0 and not self._err.complete:
            self.pid = int(self._err.note)

    def hear(self, deadline: Deadline) -> None:
        """Wait until `pid` is known; without it, what has just begun could not be ended."""
        while self.pid is None and not self._stream.ended and not deadline.passed:
            self._stream.wait(deadline.left)
            self._look()

    def unfinished(self, exit_code: int) -> Reply:
        """Return what there is of a command whose shell was ended from outside."""
        return Reply(exit_code, self._out.since_start(), self._err.since_start())
