"""The packages by name, for hundreds of questions about single ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.packages import Package, dpkg_blocks, listing, parse

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
    """The packages of dpkg's data base by name: looked for in its text when they are asked for.

    So the text is all that is kept of it, and what nobody asks about is not taken apart.
    """

    def __init__(self, text: str) -> None:
        text = text.strip("\n")
        self._found: dict[str, Named | None] = {}
        self._text = f"\n\n{text}\n\n"
        if self._text.count("\nPackage: ") != text.count("\n\n") + 1:
            raise CannotAssess("/var/lib/dpkg/status: a package without a name")

    def __getitem__(self, name: str) -> Named:
        if name not in self._found:
            self._found[name] = self._look_for(name)
        if (found := self._found[name]) is None:
            raise KeyError(name)
        return found

    def _look_for(self, name: str) -> Named | None:
        blocks, line, at = [], f"\nPackage: {name}\n", 0
        while name and (at := self._text.find(line, at)) >= 0:
            blocks.append(self._text[self._text.rfind("\n\n", 0, at + 1) + 2 : self._end(at + 1)])
            at += 1
        return tuple(dpkg_blocks(blocks)) if blocks else None

    def _end(self, at: int) -> int:
        return self._text.find("\n\n", at)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(_NAME.findall(self._text)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read(facts: Facts) -> PackageIndex:
    """Sort what the table ``packages`` is made of; errors as there."""
    return _index(listing(facts))


@lru_cache(maxsize=2)
def _index(text: str) -> PackageIndex:
    """Return the index of *text*; of hosts of one image, which have the same, it is one."""
    source, _, rest = text.partition("\n")
    blocks, mark, end = rest.rpartition("\n@end")
    if source == "dpkg" and mark and not end.strip("\n"):
        return PackageIndex(source, _Blocks(blocks))
    found: dict[str, Named] = {}
    packages = parse(text)
    for package in packages:
        found[package.name] = (*found.get(package.name, ()), package)
    return PackageIndex(packages.manager, found)
