"""How full the local file systems are, in bytes and in inodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sysaudit.facts.health import Disk
from pytest_sysaudit.facts.health_shell import DISKS, disks

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.transport.base import Command

ASKS: tuple[Command, ...] = (DISKS,)
ASKS_HERE: tuple[Command, ...] = ()


def read(facts: Facts) -> tuple[Disk, ...]:
    """Return the file systems that can fill up, each once, sorted by mount point.

    Raises:
        Incomplete: one of them could not be asked.
    """
    if hasattr(facts.transport, "measure"):
        found: tuple[Disk, ...] = facts.health.disks
        return found
    plain = disks(facts.run(DISKS))
    return tuple(Disk(**disk) for disk in plain)
