"""With whose rights commands run on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_COMMAND = Script("exec id -u")
ASKS: tuple[Command, ...] = (_COMMAND,)


def read(facts: Facts) -> int:
    """Return the user's number; 0 is root."""
    return int(facts.run(_COMMAND).expect(0).out)
