"""Paths that only root, or one more user, can change: the thing itself and all folders above it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, NotApplicable

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.paths import FileDetails, Paths

_OTHERS_WRITE = 0o022
#: Links that distributions make, and folders that are full of such ones: all lead to one another.
_MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/sbin", "/var/run")
_SYSTEM = tuple(
    f"{top}/{name}/" for top in ("", "/usr") for name in ("bin", "sbin", "lib", "lib64")
)


def with_parents(path: str) -> list[str]:
    """Return *path* and the folders above it: ``["/a/b", "/a", "/"]``."""
    parts = path.rstrip("/").split("/")
    return [("/".join(parts[:end]) or "/") for end in range(len(parts), 0, -1)]


def unsafe(facts: Facts, paths: Iterable[str], owners: Collection[int] = (0,)) -> dict[str, str]:
    """Return those of *paths*, and of the folders above, that others than *owners* can change.

    Write access for a group counts, whichever it is: an access control list shows there too. What
    is not there is left out; links are followed, and the folders above what they lead to count too.

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
    links = _links(table, every)
    if links:
        facts.real_paths.ask(links)
    targets = (p for path in links for p in with_parents(_target(facts, path)))
    every = list(dict.fromkeys([*every, *targets]))
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


def _links(table: Paths, paths: Iterable[str]) -> list[str]:
    """Return those of *paths* that are links, and that no distribution made."""
    own = (path for path in paths if path not in _MERGED and not path.startswith(_SYSTEM))
    return [path for path in own if "L" in table[path].tests and table[path].holds("e")]


def _target(facts: Facts, path: str) -> str:
    """Return where a link leads; where it is gone meanwhile, itself."""
    try:
        found: str = facts.real_paths[path]
    except NotApplicable:
        return path
    return found


def _describe(details: FileDetails) -> str:
    return f"{details.permissions:04o} {details.user}:{details.group}"
