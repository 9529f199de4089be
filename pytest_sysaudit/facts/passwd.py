"""Local users, line by line, as /etc/passwd has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.accounts import User

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

USES = ("accounts",)


@dataclass(frozen=True, slots=True)
class Passwd:
    """The users in the order of the file, duplicates too."""

    users: tuple[User, ...]

    def __iter__(self) -> Iterator[User]:
        return iter(self.users)

    def get(self, name: str) -> User | None:
        """Return the user *name*, the first of several as libc does; None if there is none."""
        return next((user for user in self.users if user.name == name), None)


def read(facts: Facts) -> Passwd:
    """Return the users of the table ``accounts``."""
    return Passwd(facts.accounts.users)
