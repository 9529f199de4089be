"""What the use of a resource will read, so that it can be read ahead in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.file_contents import SEPARATOR
from pytest_sysaudit.facts.unit_states import unit_name

KeyOf = Callable[[str], str]
"""The key of a keyed table that stands for an argument; CannotAssess: there is none."""


@dataclass(frozen=True, slots=True)
class Need:
    """What is read, whole tables and rows of keyed ones.

    Attributes:
        tables: names of fact tables.
        keyed: names of keyed tables, each with what makes its key of the argument 0, a text.
        members: what a property or method needs besides: ``{"linked_to": Need(...)}``. The
            key of a keyed table is made of the argument of the resource, not of the method.
        only: whether a member that is named there needs nothing but that.
        pairs: a method whose own argument is the second part of the key: ``{"contains":
            ("matches", SEPARATOR)}``.
    """

    tables: tuple[str, ...] = ()
    keyed: Mapping[str, KeyOf] = field(default_factory=dict)
    members: Mapping[str, Need] = field(default_factory=dict)
    only: bool = False
    pairs: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def of(self, member: str | None = None) -> tuple[Need, ...]:
        """Return what ``host.resource(argument).member`` needs; None: the member is not known."""
        extra = self.members.get(member or "")
        if extra is None:
            return (self,)
        return (extra,) if self.only else (self, extra)

    def keys(self, argument: str) -> Mapping[str, str]:
        """Return the key of each keyed table; those that have none for *argument* are left out."""
        found = {}
        for table, key_of in self.keyed.items():
            try:
                found[table] = key_of(argument)
            except CannotAssess:
                continue
        return found


def _rows(table: str, key_of: KeyOf = str) -> Need:
    return Need(keyed={table: key_of})


NEEDS: Mapping[str, Need] = {
    "exists": _rows("commands"),
    "file": Need(
        keyed={"paths": str},
        only=True,
        members={
            "linked_to": _rows("real_paths"),
            "md5sum": _rows("md5"),
            "sha256sum": _rows("sha256"),
            "content": _rows("contents"),
            "content_string": _rows("contents"),
            "listdir": _rows("listings"),
            "contains": Need(),
        },
        pairs={"contains": ("matches", SEPARATOR)},
    ),
    "find_command": _rows("commands"),
    "group": Need(
        tables=("accounts",), only=True, members={"get_all_groups": Need(("all_groups",))}
    ),
    "interface": Need(tables=("interfaces",)),
    "mount_point": Need(tables=("mounts",)),
    "package": Need(tables=("packages",)),
    "process": Need(tables=("ps",)),
    "service": Need(
        keyed={"unit_states": unit_name},
        only=True,
        members={"systemd_properties": _rows("unit_properties", unit_name), "is_valid": Need()},
    ),
    "socket": Need(
        tables=("listeners",), only=True, members={"clients": Need(tables=("connections",))}
    ),
    "sysctl": _rows("sysctl_keys"),
    "system_info": Need(tables=("uname", "os_release")),
    "user": Need(
        tables=("accounts",),
        only=True,
        members={
            "groups": _rows("user_groups"),
            "gids": _rows("user_groups"),
            "password": _rows("shadow_entries"),
            "password_max_days": _rows("shadow_entries"),
            "password_min_days": _rows("shadow_entries"),
            "expiration_date": _rows("shadow_entries"),
            "name": Need(),
            "get_all_users": Need(tables=("all_users",)),
        },
    ),
}
"""By the name after ``host.``. Every resource needs the table ``uname`` once a host besides."""
