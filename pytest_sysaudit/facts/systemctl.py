"""What systemctl prints: the properties of units, then a line for each file of a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_sysaudit.facts.reading import ABSENT, complete

#: /run/systemd/system is what sd_booted(3) looks at: the tool alone may be left on any host.
BOOTED = f"[ -d /run/systemd/system ] || exit {ABSENT}"
SHOW = "systemctl show --no-pager"
LIST_FILES = "systemctl list-unit-files --no-pager --no-legend --full"
#: Says where the lines about files begin, and where they end.
FILES, END = "echo @files", "echo @end"


@dataclass(frozen=True, slots=True)
class Printed:
    """What was printed.

    Attributes:
        units: the properties of each unit.
        files: the lines about files.
    """

    units: tuple[Mapping[str, str], ...]
    files: tuple[str, ...]


def printed(text: str) -> Printed:
    """Return the parts of what `SHOW`, `FILES`, `LIST_FILES` and `END` print.

    Raises:
        CannotAssess: it is cut.
        ValueError: it is something else.
    """
    lines = complete("systemctl", text, "@end")
    middle = lines.index("@files")
    blocks = "\n".join(lines[:middle]).split("\n\n")
    units = tuple(_properties(block) for block in blocks if block.strip())
    return Printed(units, tuple(lines[middle + 1 :]))


def _properties(block: str) -> Mapping[str, str]:
    return dict(line.split("=", 1) for line in block.strip().split("\n"))
