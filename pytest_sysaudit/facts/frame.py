"""Several commands in one round trip: each has its own output, exit code and end mark.

The target draws the mark at random and says it in its first line, so what a file holds cannot
look like the end of its section, and the script itself is the same in every run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Command, CommandResult, Transport

PREAMBLE = r"""read -r m </proc/sys/kernel/random/uuid || exit 97
s() {
printf '\n%s begin %s\n' "$m" "$1"; printf '\n%s begin %s\n' "$m" "$1" >&2
( c=$2; set --; unset -f s; eval "$c" ) </dev/null
e=$?
printf '\n%s end %s %s\n' "$m" "$1" "$e"; printf '\n%s end %s %s\n' "$m" "$1" "$e" >&2
}
printf 'sysaudit-frame %s\n' "$m"
"""
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_HEAD = re.compile(rb"\Asysaudit-frame ([0-9a-f-]{36})\n")


def frame_script(commands: Mapping[str, Command]) -> str:
    """Return the shell script that runs *commands* one after the other.

    Raises:
        ValueError: a name has other characters than letters, digits, ``_``, ``.`` and ``-``.
    """
    lines = []
    for name, command in commands.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a section name: {name!r}")
        text = command if isinstance(command, str) else shlex.join(command)
        lines.append(f"s {name} {shlex.quote(text)}\n")
    return f"{PREAMBLE}{''.join(lines)}printf '\\n%s done %s\\n' \"$m\" {len(lines)}\n"


def run_frame(
    transport: Transport, commands: Mapping[str, Command], *, user: str | None = None
) -> dict[str, CommandResult]:
    """Run *commands*, argv lists or shell text, in one round trip.

    Each runs in a subshell of its own with an empty standard input; a failure of one, even a
    syntax error, does not touch the others.

    Returns:
        the result of each by its name. ``started`` and ``duration`` are those of the whole.

    Raises:
        Incomplete: the output ends before the last end mark.
    """
    return split_frame(transport.run(frame_script(commands), user=user), commands)


def split_frame(result: CommandResult, commands: Mapping[str, Command]) -> dict[str, CommandResult]:
    """Cut the output of `frame_script` into the results of *commands*; errors as in `run_frame`."""
    head = _HEAD.match(result.stdout)
    if head is None:
        why = first_line(result.err) or "no output"
        raise CannotAssess(f"the reading script did not start: exit code {result.exit_code}: {why}")
    mark = head[1]
    if not result.stdout.endswith(b"\n%s done %d\n" % (mark, len(commands))):
        raise Incomplete(
            f"the output was cut off: {len(result.stdout)} bytes without the end mark, "
            f"exit code {result.exit_code}"
        )
    found = {}
    for name, command in commands.items():
        body, code = _section(result.stdout, mark, name)
        err = _section(result.stderr, mark, name, needed=False)[0]
        found[name] = CommandResult(
            command=command,
            exit_code=code,
            stdout=body,
            stderr=err,
            started=result.started,
            duration=result.duration,
        )
    return found


def _section(data: bytes, mark: bytes, name: str, *, needed: bool = True) -> tuple[bytes, int]:
    begin = b"\n%s begin %s\n" % (mark, name.encode())
    end = b"\n%s end %s " % (mark, name.encode())
    start = data.find(begin)
    stop = data.find(end, start + len(begin) - 1)
    if start < 0 or stop < 0:
        if not needed:
            return b"", 0
        raise Incomplete(f"section {name!r} is missing in the output")
    code = data[stop + len(end) :].split(b"\n", 1)[0]
    return data[start + len(begin) : stop], int(code)
