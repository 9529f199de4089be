"""All processes: number, parent, user, state, name and arguments, read from /proc."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Two processes for all of them. A process may end while we look, so what grep misses is no error;
#: its own arguments, under ``self``, show whether it prints more than the first one. Beyond code 2,
#: grep was killed, or is not there.
_SCRIPT = Script("""cd /proc || exit
grep -asH -e '^Name:' -e '^State:' -e '^PPid:' -e '^Uid:' [0-9]*/status || [ $? -le 2 ] || exit
echo @arguments
grep -asH '' [0-9]*/cmdline self/cmdline || [ $? -le 2 ] || exit
echo; echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_STATUS = re.compile(r"(\d+)/status:(\w+):\s*(.*)")
_CMDLINE = re.compile(r"^(\d+|self)/cmdline:", re.MULTILINE)
_FIELDS = {"Name", "State", "PPid", "Uid"}
_INIT = 1


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes:
        pid: its number.
        ppid: its parent's.
        uid: the real user.
        euid: the user whose rights it has.
        name: as the kernel keeps it: at most 15 characters.
        state: one letter, as ps shows it: R, S, D, Z, T, I.
        arguments: its command line; () for the kernel's own and for zombies, None where the host's
            grep cannot print it.
    """

    pid: int
    ppid: int
    uid: int
    euid: int
    name: str
    state: str
    arguments: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Processes:
    """Every process, sorted by number; those that read them are among them."""

    processes: tuple[Process, ...]

    def __iter__(self) -> Iterator[Process]:
        return iter(self.processes)

    def named(self, name: str) -> tuple[Process, ...]:
        """Return those of that *name*, which the kernel cuts after 15 characters."""
        return tuple(process for process in self.processes if process.name == name[:15])


def parse(result: CommandResult) -> Processes:
    """Parse the output of the reading script.

    Raises:
        Incomplete: it is cut, or process 1 is not seen: /proc shows our own processes only.
        ValueError: a line is not one of grep.
    """
    text = script(result, "processes")
    status, mark, rest = text.partition("@arguments\n")
    if not mark or not rest.endswith("\n@end\n"):
        raise Incomplete("processes: the output is not whole (its end mark is missing)")
    fields: dict[int, dict[str, str]] = {}
    for line in filter(None, status.split("\n")):
        match = _STATUS.fullmatch(line)
        if match is None:
            raise ValueError("not a line of /proc/PID/status")
        fields.setdefault(int(match[1]), {})[match[2]] = match[3]
    whole = {pid: each for pid, each in fields.items() if each.keys() >= _FIELDS}
    if _INIT not in whole:
        raise Incomplete("processes: only our own are visible (/proc is mounted with hidepid)")
    arguments = _arguments(rest.removesuffix("\n@end\n"))
    return Processes(tuple(_process(pid, whole[pid], arguments) for pid in sorted(whole)))


def _process(
    pid: int, fields: Mapping[str, str], arguments: Mapping[str, tuple[str, ...]] | None
) -> Process:
    uid, euid, *_ = fields["Uid"].split()
    return Process(
        pid=pid,
        ppid=int(fields["PPid"]),
        uid=int(uid),
        euid=int(euid),
        name=fields["Name"],
        state=fields["State"][:1],
        arguments=None if arguments is None else arguments.get(str(pid), ()),
    )


def _arguments(text: str) -> Mapping[str, tuple[str, ...]] | None:
    """Return the command lines by number; None if this grep prints first arguments only.

    A newline in an argument begins a further line of the same process.
    """
    lines: dict[str, str] = {}
    parts = _CMDLINE.split(text)[1:]
    for pid, line in zip(parts[::2], parts[1::2], strict=True):
        before = f"{lines[pid]}\n" if pid in lines else ""
        lines[pid] = before + line.removesuffix("\n")
    if "\0" not in lines.get("self", ""):
        return None
    return {pid: tuple(line.rstrip("\0").split("\0")) for pid, line in lines.items()}


def read(facts: Facts) -> Processes:
    """Look at all of /proc."""
    return parse(facts.run(_SCRIPT))
