"""What each process runs from, and how many files it holds open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Denied
from pytest_sysaudit.facts.reading import ROOT_ONLY, complete, script
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Two processes for all of them: files that are open are counted by the shell itself. Kernel
#: threads have no executable, and what ends meanwhile is no error; beyond code 2, a tool is not
#: there. Without process 1, /proc shows our own processes only.
_SCRIPT = Script(f"""cd /proc || exit
[ -e 1/status ] || exit {ROOT_ONLY}
ls -ln [0-9]*/exe || [ $? -le 2 ] || exit
echo @limits
grep -sH -e '^Max open files' -e '^[0-9]' sys/fs/file-nr [0-9]*/limits || [ $? -le 2 ] || exit
echo @fds
for d in [0-9]*; do
[ -d $d/fd ] || continue
[ -r $d/fd ] || {{ echo "$d -"; continue; }}
set -- $d/fd/*
[ -L "$1" ] || [ -e "$1" ] || set --
echo "$d $#"
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_EXECUTABLE = re.compile(r"l\S{9,11} +\d+ +(\d+) .*?(\d+)/exe(?: -> (.*))?")
_LIMIT = re.compile(r"(\d+)/limits:Max open files +(\d+|unlimited) .*")
#: What the kernel appends to the name of a file that was deleted.
DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class ProcessFiles:
    """The files of one process.

    Attributes:
        pid: its number.
        uid: whose it is.
        executable: the path of its program, without what marks a deleted one; "" for the kernel's
            own, for a zombie, and where only root is told.
        deleted: that path is no longer the file that it runs.
        open_files: how many it holds; None where only root is told.
        limit: how many it may hold; None: as many as it likes.
    """

    pid: int
    uid: int
    executable: str = ""
    deleted: bool = False
    open_files: int | None = None
    limit: int | None = None

    def __str__(self) -> str:
        return f"{self.executable or 'process'} (process {self.pid})"


@dataclass(frozen=True, slots=True)
class AllProcessFiles:
    """Every process, sorted by number.

    Attributes:
        processes: those that were there all the time while we looked.
        open_files: files that are open on the whole machine.
        most_files: how many may be.
        denied: whether only root is told about some of the processes.
    """

    processes: tuple[ProcessFiles, ...]
    open_files: int
    most_files: int
    denied: bool = False

    def __iter__(self) -> Iterator[ProcessFiles]:
        return iter(self.processes)

    def require_all(self) -> None:
        """Say that nothing was kept from us; raises Denied otherwise."""
        if self.denied:
            raise Denied("only root is told what other users' processes run, and which files")


def parse(result: CommandResult) -> AllProcessFiles:
    """Parse the output of the reading script.

    Raises:
        Incomplete: it is cut.
        Denied: we are shown our own processes only.
        ValueError: a line is unknown.
    """
    lines = complete("files of processes", script(result, "processes"), "@end")
    middle, after = lines.index("@limits"), len(lines) - lines[::-1].index("@fds")
    opened, _, most = lines[middle + 1].removeprefix("sys/fs/file-nr:").split()
    limits = dict(_limits(lines[middle + 2 : after - 1]))
    counts = dict(map(str.split, lines[after:]))
    denied = "-" in counts.values() or "permission denied" in result.err.lower()
    found = []
    for pid, uid, target in _executables(lines[:middle]):
        count = counts.get(pid)
        if pid in limits and count is not None:  # else it ended meanwhile
            path = target.removesuffix(DELETED)
            number = None if count == "-" else int(count)
            row = (int(pid), uid, path, path != target, number, limits[pid])
            found.append(ProcessFiles(*row))
    if not found:
        raise ValueError("it shows no process")
    found.sort(key=lambda process: process.pid)
    return AllProcessFiles(tuple(found), int(opened), int(most), denied)


def _executables(lines: Iterable[str]) -> Iterator[tuple[str, int, str]]:
    """Yield pid, user and target of each link; the rest of a name with a newline has no head."""
    found: list[tuple[str, int, str]] = []
    for line in lines:
        match = _EXECUTABLE.fullmatch(line)
        if match is not None:
            found.append((match[2], int(match[1]), match[3] or ""))
        elif found:
            pid, uid, target = found[-1]
            found[-1] = (pid, uid, f"{target}\n{line}")
        else:
            raise ValueError("not a line of ls")
    yield from found


def _limits(lines: Iterable[str]) -> Iterator[tuple[str, int | None]]:
    for line in lines:
        match = _LIMIT.fullmatch(line)
        if match is None:
            raise ValueError("not a line of /proc/PID/limits")
        yield match[1], None if match[2] == "unlimited" else int(match[2])


def read(facts: Facts) -> AllProcessFiles:
    """Look at all of /proc."""
    return parse(facts.run(_SCRIPT))
