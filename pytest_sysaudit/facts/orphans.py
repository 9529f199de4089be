"""Files whose owner or group is only a number: no data base of accounts has a name for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import NotApplicable

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.file_search import FileSearch
    from pytest_sysaudit.facts.file_stats import FileFact
    from pytest_sysaudit.facts.keyed import KeyedTable

USES = ("file_search", "accounts")


def read(facts: Facts) -> tuple[FileFact, ...]:
    """Return the files of nobody; `FileSearch.require_all` says whether they are all.

    The local files name most owners. For the others the host's own data bases are asked, a
    directory too: not every find does that.
    """
    search: FileSearch = facts.file_search
    users = {user.uid for user in facts.accounts.users}
    groups = {group.gid for group in facts.accounts.groups}
    nobody = _unknown(facts.user_entries, {f.uid for f in search.files} - users)
    nogroup = _unknown(facts.group_entries, {f.gid for f in search.files} - groups)
    return tuple(f for f in search.files if f.uid in nobody or f.gid in nogroup)


def _unknown(entries: KeyedTable[object], ids: Collection[int]) -> frozenset[int]:
    if ids:
        entries.ask(map(str, sorted(ids)))
    found = set()
    for number in ids:
        try:
            entries[str(number)]
        except NotApplicable:
            found.add(number)
    return frozenset(found)
