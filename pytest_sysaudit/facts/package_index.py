"""The packages by name, for hundreds of questions about single ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.packages import Package

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

USES = ("packages",)


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """All packages of one name, in the manager's order; ``manager`` as in `Packages`."""

    manager: str
    by_name: Mapping[str, tuple[Package, ...]]


def read(facts: Facts) -> PackageIndex:
    """Sort the table ``packages``."""
    found: dict[str, tuple[Package, ...]] = {}
    for package in facts.packages:
        found[package.name] = (*found.get(package.name, ()), package)
    return PackageIndex(facts.packages.manager, found)
