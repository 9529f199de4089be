"""The packages by name, for hundreds of questions about single ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.packages import Package, dpkg_blocks, listing, parse
from pytest_sysaudit.facts.reading import complete

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

USES = ("packages",)
Named = tuple[Package, ...]
_NAME = re.compile("^Package: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """All packages of one name, in the manager's order; ``manager`` as in `Packages`."""

    manager: str
    by_name: Mapping[str, Named]


class _Blocks(Mapping[str, Named]):
    """The blocks of dpkg's data base by name; one that nobody asks about is not taken apart."""

    def __init__(self, text: str) -> None:
        self._blocks: dict[str, list[str]] = {}
        for block in text.split("\n\n"):
            if name := _NAME.search(block):
                self._blocks.setdefault(name[1], []).append(block)
            elif block.strip():
                raise CannotAssess("/var/lib/dpkg/status: a package without a name")

    def __getitem__(self, name: str) -> Named:
        return tuple(dpkg_blocks(self._blocks[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)


def read(facts: Facts) -> PackageIndex:
    """Sort what the table ``packages`` is made of; errors as there."""
    text = listing(facts)
    source, *lines = complete("packages", text, "@end")
    if source == "dpkg" and lines:
        return PackageIndex(source, _Blocks("\n".join(lines)))
    found: dict[str, Named] = {}
    packages = parse(text)
    for package in packages:
        found[package.name] = (*found.get(package.name, ()), package)
    return PackageIndex(packages.manager, found)
