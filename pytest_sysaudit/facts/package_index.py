"""The packages by name, for hundreds of questions about single ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.packages import Package, dpkg_line, listing, parse
from pytest_sysaudit.facts.reading import complete

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

USES = ("packages",)
Named = tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """All packages of one name, in the manager's order; ``manager`` as in `Packages`."""

    manager: str
    by_name: Mapping[str, Named]


class _Lines(Mapping[str, Named]):
    """The lines of dpkg-query by name; one that nobody asks about is not taken apart."""

    def __init__(self, lines: list[str]) -> None:
        self._lines: dict[str, list[str]] = {}
        for number, line in enumerate(lines, start=1):
            fields = line.split("\t", 2)
            if len(fields) < 3:  # noqa: PLR2004 - state, name and the rest
                raise CannotAssess(f"dpkg-query: unknown format at line {number}")
            self._lines.setdefault(fields[1], []).append(line)

    def __getitem__(self, name: str) -> Named:
        return tuple(parse_lines("dpkg-query", "\n".join(self._lines[name]), dpkg_line))

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


def read(facts: Facts) -> PackageIndex:
    """Sort what the table ``packages`` is made of; errors as there."""
    text = listing(facts)
    manager, *lines = complete("packages", text, "@end")
    if manager == "dpkg" and lines:
        return PackageIndex(manager, _Lines(lines))
    found: dict[str, Named] = {}
    for package in parse(text):
        found[package.name] = (*found.get(package.name, ()), package)
    return PackageIndex(manager, found)
