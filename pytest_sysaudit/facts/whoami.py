"""As whom commands run on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_COMMAND = Script("exec id -un")
ASKS: tuple[Command, ...] = (_COMMAND,)


def read(facts: Facts) -> str:
    """Return the user's name."""
    return facts.run(_COMMAND).expect(0).out.rstrip("\n")
