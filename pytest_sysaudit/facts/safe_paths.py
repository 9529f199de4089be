"""Paths that only root, or one more user, can change: the thing itself and all folders above it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.paths import FileDetails, Paths

_OTHERS_WRITE = 0o022


def with_parents(path: str) -> list[str]:
    """Return *path* and the folders above it: ``["/a/b", "/a", "/"]``."""
    parts = path.rstrip("/").split("/")
    return [("/".join(parts[:end]) or "/") for end in range(len(parts), 0, -1)]


def unsafe(facts: Facts, paths: Iterable[str], owners: Collection[int] = (0,)) -> dict[str, str]:
    """Return those of *paths*, and of the folders above, that others than *owners* can change.

    Write access for a group counts, whichever it is: an access control list shows there too. What
    is not there is left out; links are followed.

    Args:
        facts: the host's.
        paths: absolute ones.
        owners: who may own them.

    Returns:
        mode and owners by path: ``{"/srv": "0777 root:root"}``.

    Raises:
        Denied: one of them may not be looked at.
    """
    every = list(dict.fromkeys(p for path in paths for p in with_parents(path)))
    table: Paths = facts.paths
    table.ask(every)
    found = {}
    for path in every:
        fact = table[path]
        if not fact.holds("e"):
            continue
        if fact.details is None:
            raise fact.error or CannotAssess(f"{path}: stat says nothing about it")
        if fact.details.mode & _OTHERS_WRITE or fact.details.uid not in owners:
            found[path] = _describe(fact.details)
    return found


def _describe(details: FileDetails) -> str:
    return f"{details.permissions:04o} {details.user}:{details.group}"
