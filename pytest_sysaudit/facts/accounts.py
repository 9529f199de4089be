"""Local users and groups, line by line: duplicates and NIS lines stay visible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.small_files import read_text

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

T = TypeVar("T")

PASSWD, GROUP = "/etc/passwd", "/etc/group"
ROWS = {"small_files": (PASSWD, GROUP)}
#: Shells that end a login at once.
NO_LOGIN = frozenset({"nologin", "false", "sync", "shutdown", "halt", "true"})
#: Where they are; a shell of such a name elsewhere may be any program.
_SYSTEM = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/run/current-system/sw/bin"})


@dataclass(frozen=True, slots=True)
class User:
    """One line of /etc/passwd; ``password`` is ``x``, ``*``, ``!``, "" or ``(hidden)``."""

    name: str
    password: str
    uid: int
    gid: int
    gecos: str
    home: str
    shell: str

    @property
    def is_shadowed(self) -> bool:
        """Whether the password, if there is one, stands in /etc/shadow."""
        return self.password == "x" or self.password.startswith(("*", "!"))  # noqa: S105 - a mark

    @property
    def can_log_in(self) -> bool:
        """Whether the shell is one to work in; an empty field means /bin/sh."""
        folder, _, name = self.shell.rpartition("/")
        return name not in NO_LOGIN or folder not in _SYSTEM


@dataclass(frozen=True, slots=True)
class Group:
    """One line of /etc/group."""

    name: str
    gid: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The local accounts.

    Attributes:
        users: the lines of /etc/passwd in their order, duplicates too.
        groups: the lines of /etc/group in their order, duplicates too.
        nis: the lines of both that begin with + or -, which pull accounts in from NIS; the part
            before the first colon, as ``/etc/passwd: +@admins``.
    """

    users: tuple[User, ...]
    groups: tuple[Group, ...]
    nis: tuple[str, ...] = ()

    def group_name(self, gid: int) -> str:
        """Return the name of the group *gid*, or the number as text."""
        return next((group.name for group in self.groups if group.gid == gid), str(gid))

    def user_name(self, uid: int) -> str:
        """Return the name of the user *uid*, or the number as text."""
        return next((user.name for user in self.users if user.uid == uid), str(uid))


def parse(passwd: str, group: str) -> Accounts:
    """Parse the texts of /etc/passwd and /etc/group.

    Raises:
        CannotAssess: a line has too few fields or an id that is no number, or root is missing.
    """
    users, nis_users = _table("/etc/passwd", passwd, parse_user)
    groups, nis_groups = _table("/etc/group", group, parse_group)
    if not users or not groups:
        raise CannotAssess(f"/etc/{'group' if users else 'passwd'}: no account in it")
    return Accounts(tuple(users), tuple(groups), (*nis_users, *nis_groups))


def parse_user(line: str) -> User:
    """Parse one line of /etc/passwd; ValueError if it is not one."""
    name, password, uid, gid, gecos, home, shell = line.split(":")
    return User(name, password, _number(uid), _number(gid), gecos, home, shell.strip())


def parse_group(line: str) -> Group:
    """Parse one line of /etc/group; ValueError if it is not one."""
    name, _, gid, members = line.split(":")
    return Group(name, _number(gid), tuple(m.strip() for m in members.split(",") if m.strip()))


def _table(path: str, text: str, parse_line: Callable[[str], T]) -> tuple[list[T], list[str]]:
    nis: list[str] = []

    def one(line: str) -> T | None:
        if line.startswith("#"):
            return None
        if line[0] in "+-":
            nis.append(f"{path}: {line.split(':', 1)[0]}")
            return None
        return parse_line(line)

    return parse_lines(path, text, one), nis


def _number(text: str) -> int:
    """Return an id; int() would take signs, blanks and underscores, which no libc does."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("an id is not a number")
    return int(text)


def read(facts: Facts) -> Accounts:
    """Read the local files; directory services are not asked."""
    try:
        facts.small_files.ask((PASSWD, GROUP))
        return parse(read_text(facts, PASSWD), read_text(facts, GROUP))
    except NotApplicable as error:  # every Linux host has them
        raise CannotAssess(str(error)) from error
