"""Which kernel a host runs, on which kind of machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_COMMAND = Script("exec uname -srm")
ASKS: tuple[Command, ...] = (_COMMAND,)


@dataclass(frozen=True, slots=True)
class Uname:
    """What uname(1) says: ``Linux``, ``6.1.0-18-amd64``, ``x86_64``."""

    system: str
    release: str
    machine: str


def parse(text: str) -> Uname:
    """Parse the line of uname; ValueError if it is not one."""
    system, release, machine = text.split()
    return Uname(system, release, machine)


def read(facts: Facts) -> Uname:
    """Ask uname."""
    return parse(facts.run(_COMMAND).expect(0).out)
