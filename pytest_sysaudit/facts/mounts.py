"""What is mounted where, and with which options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.small_files import read_text

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

PATH = "/proc/self/mounts"
ROWS = {"small_files": (PATH,)}
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mounts; ``option_list`` has the options in its order."""

    device: str
    path: str
    type: str
    options: frozenset[str]
    option_list: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Mounts:
    """All mounts in the order of the kernel: a later one on the same path hides the earlier."""

    mounts: tuple[Mount, ...]

    def __iter__(self) -> Iterator[Mount]:
        return iter(self.mounts)

    def at(self, path: str) -> Mount | None:
        """Return the mount that one sees at *path* itself; None if nothing is mounted there."""
        return next((mount for mount in reversed(self.mounts) if mount.path == path), None)

    def over(self, path: str) -> Mount:
        """Return the mount that *path*, which is absolute and no link, lies on."""
        while path and (mount := self.at(path)) is None:
            path = path.rpartition("/")[0]
        found = mount if path else self.at("/")
        if found is None:  # what `parse` returns has one
            raise CannotAssess("/proc/self/mounts: nothing is mounted at /")
        return found


def parse(text: str) -> Mounts:
    r"""Parse the text of /proc/self/mounts; ``\040`` and its like are undone.

    Raises:
        CannotAssess: a line has too few fields, or nothing is mounted at /.
    """
    mounts = Mounts(tuple(parse_lines("/proc/self/mounts", text, _line)))
    if mounts.at("/") is None:
        raise CannotAssess("/proc/self/mounts: nothing is mounted at /")
    return mounts


def _line(line: str) -> Mount:
    device, path, kind, options = map(unescape, line.split(" ")[:4])
    names = tuple(options.split(","))
    return Mount(device, path, kind, frozenset(names), names)


def unescape(text: str) -> str:
    r"""Undo the kernel's escapes of paths: ``\040`` is a blank."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def read(facts: Facts) -> Mounts:
    """Read the mounts that our own process sees."""
    try:
        return parse(read_text(facts, PATH))
    except NotApplicable as error:
        raise CannotAssess(f"{error}; is /proc mounted?") from error
