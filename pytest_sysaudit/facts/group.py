"""Local groups, line by line, as /etc/group has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.accounts import Group

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

USES = ("accounts",)


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups in the order of the file, duplicates too."""

    groups: tuple[Group, ...]

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def get(self, name: str) -> Group | None:
        """Return the group *name*, the first of several as libc does; None if there is none."""
        return next((group for group in self.groups if group.name == name), None)


def read(facts: Facts) -> Groups:
    """Return the groups of the table ``accounts``."""
    return Groups(facts.accounts.groups)
