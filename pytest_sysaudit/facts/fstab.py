"""What /etc/fstab says is to be mounted, and with which options."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.mounts import unescape
from pytest_sysaudit.facts.small_files import read_text

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

PATH = "/etc/fstab"
ROWS = {"small_files": (PATH,)}
#: Options that stand for others: mount(8).
_MEANS = {
    "defaults": ("rw", "suid", "dev", "exec"),
    "user": ("noexec", "nosuid", "nodev"),
    "users": ("noexec", "nosuid", "nodev"),
    "owner": ("nosuid", "nodev"),
    "group": ("nosuid", "nodev"),
}
#: The options of which the later of two counts.
_OPPOSITE = {"rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec"}
_OPPOSITE |= {value: key for key, value in _OPPOSITE.items()}
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of /etc/fstab that mounts something.

    Attributes:
        options: as they stand there, in their order.
    """

    device: str
    path: str
    type: str
    options: tuple[str, ...]

    @property
    def effective(self) -> frozenset[str]:
        """The options, those that others stand for included; of opposites, the later one."""
        found: dict[str, None] = {}
        for option in self.options:
            for name in (option, *_MEANS.get(option, ())):
                found.pop(_OPPOSITE.get(name, ""), None)
                found[name] = None
        return frozenset(found)

    @property
    def at_boot(self) -> bool:
        """Whether a host that is up must have it mounted."""
        lazy = {"noauto", "nofail", "x-systemd.automount", "comment=systemd.automount"}
        return not lazy & set(self.options)


@dataclass(frozen=True, slots=True)
class Fstab:
    """The lines of /etc/fstab that mount something at a path, in their order."""

    entries: tuple[Entry, ...]

    def latest(self) -> Iterable[Entry]:
        """Return the last line of each path: it is the one that one sees."""
        return {entry.path: entry for entry in self.entries}.values()


def parse(text: str) -> Fstab:
    """Parse the text of /etc/fstab; swap and lines without a path to mount at are left out.

    Raises:
        CannotAssess: a line has too few fields.
    """
    return Fstab(tuple(parse_lines(PATH, text, _line)))


def _line(line: str) -> Entry | None:
    words = line.split()
    if words[0].startswith("#"):
        return None
    if len(words) < _FEWEST:
        raise ValueError("too few fields")
    device, path, kind = map(unescape, words[:3])
    if kind == "swap" or not path.startswith("/"):
        return None
    options = words[3] if len(words) > _FEWEST else "defaults"
    return Entry(device, path.rstrip("/") or "/", kind, tuple(options.split(",")))


def read(facts: Facts) -> Fstab:
    """Read it.

    Raises:
        NotApplicable: there is none.
    """
    return parse(read_text(facts, PATH))
