"""Which ports a host listens on, not who does: to find that out, ss looks at every process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sysaudit.facts import sockets
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_SCRIPT = Script(sockets.SCRIPT.replace("ss -Hlntup", "ss -Hlntu"))
ASKS: tuple[Command, ...] = (_SCRIPT,)


def read(facts: Facts) -> sockets.Sockets:
    """List them as the table ``sockets`` does, without `Listener.processes`."""
    return sockets.parse(script(facts.run(_SCRIPT), "list of sockets"))
