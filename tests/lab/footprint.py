"""What an audit could leave on a host: files, and processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.nspawn import LabError, Machine

#: Written by the host itself: logs of logins among them, its clock, its timers.
_ITS_OWN = ("var/log/", "var/lib/chrony/", "var/lib/systemd/", "var/lib/logrotate/", "run/")
#: In memory: what systemd keeps of units and sessions comes and goes.
_MEMORY = (
    "find /tmp /run /dev/shm /var/tmp -xdev -not -path '/run/systemd/*' -not -path '/run/user*' "
    "-not -path '/run/udev/*' -not -path '/run/log/*'"
)


@dataclass(frozen=True)
class Footprint:
    """A host at one moment.

    Attributes:
        files: path, inode, size and time of the last change of all that lies in its tree.
        memory: the paths in its file systems in memory.
        processes: how its processes were started.
    """

    files: frozenset[tuple[str, int, int, int]]
    memory: frozenset[str]
    processes: frozenset[str]


def footprint(machine: Machine) -> Footprint:
    """Look at the host."""
    done = machine.run(f"{_MEMORY}; echo @; ps -eo args=")
    if done.returncode:
        raise LabError(f"{machine.name}: {done.stderr}")
    memory, _, processes = done.stdout.partition("\n@\n")
    files = frozenset(_files(machine.tree, ""))
    return Footprint(files, frozenset(memory.splitlines()), frozenset(processes.splitlines()))


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, int, int, int]]:
    for entry in os.scandir(folder):
        path = f"{prefix}{entry.name}"
        if f"{path}/".startswith(_ITS_OWN):
            continue
        about = entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield path, about.st_ino, 0, 0
            yield from _files(folder / entry.name, f"{path}/")
        else:
            yield path, about.st_ino, about.st_size, about.st_ctime_ns
