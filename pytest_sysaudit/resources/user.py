"""``host.user(name)`` and ``host.group(name)``: local tables first, then the directory, by name."""

from __future__ import annotations

from datetime import datetime, timedelta

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.accounts import Group as GroupFact
from pytest_sysaudit.facts.accounts import User as UserFact
from pytest_sysaudit.facts.base import Facts
from pytest_sysaudit.resources.base import Absent, Module, Named, Source, row

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as testinfra
#: Of the fields of shadow(5).
_PASSWORD, _MIN_DAYS, _MAX_DAYS, _EXPIRES = 1, 3, 4, 7


class User:
    """One account; without a name, that of the user whom commands run as.

    Every property but ``exists`` raises `Absent`, an AssertionError, if there is no such user;
    every one raises `CannotAssess` if the user data base does not answer.
    """

    __slots__ = ("_name", "_source")

    def __init__(self, source: Source, name: str | None = None) -> None:
        self._source = source
        self._name = name

    @property
    def name(self) -> str:
        """The name."""
        if self._name is None:
            self._name = str(self._source.facts().whoami)
        return self._name

    @property
    def exists(self) -> bool:
        """Whether the host knows the name, locally or from a directory."""
        try:
            return bool(self._entry())
        except Absent:
            return False

    @property
    def uid(self) -> int:
        """The number."""
        return self._entry().uid

    @property
    def gid(self) -> int:
        """The number of the login group."""
        return self._entry().gid

    @property
    def group(self) -> str:
        """The name of the login group."""
        facts, gid = self._source.facts(), self._entry().gid
        for group in facts.accounts.groups:
            if group.gid == gid:
                return str(group.name)
        return str(row(facts.group_entries, str(gid)).name)

    @property
    def gids(self) -> list[int]:
        """The numbers of all groups, the login group first."""
        return [gid for gid, _ in row(self._source.facts().user_groups, self.name)]

    @property
    def groups(self) -> list[str]:
        """The names of all groups, the login group first."""
        return [group for _, group in row(self._source.facts().user_groups, self.name)]

    @property
    def home(self) -> str:
        """The home folder."""
        return self._entry().home

    @property
    def shell(self) -> str:
        """The login shell; "" stands for /bin/sh."""
        return self._entry().shell

    @property
    def gecos(self) -> str:
        """The comment, mostly the person's name."""
        return self._entry().gecos

    @property
    def password(self) -> str:
        """The hash of the password, or the marks that stand for none.

        Raises:
            Denied: only root is told; the same for all that stands in /etc/shadow.
        """
        return self._shadow(_PASSWORD)

    @property
    def password_max_days(self) -> int | None:
        """After how many days a password must be changed; None: never."""
        return _days(self._shadow(_MAX_DAYS))

    @property
    def password_min_days(self) -> int | None:
        """After how many days a password may be changed; None: at once."""
        return _days(self._shadow(_MIN_DAYS))

    @property
    def expiration_date(self) -> datetime | None:
        """When the account ends, a day in UTC without a zone; None: never."""
        days = _days(self._shadow(_EXPIRES))
        return _EPOCH + timedelta(days=days) if days is not None and days > 0 else None

    @property
    def get_all_users(self) -> list[str]:
        """The names of local and remote users, as far as the directory lists them."""
        return list(self._source.facts().all_users)

    @property
    def get_local_users(self) -> list[str]:
        """The names in /etc/passwd."""
        return [user.name for user in self._source.facts().accounts.users]

    def _entry(self) -> UserFact:
        facts, name = self._source.facts(), self.name
        for user in facts.accounts.users:
            if user.name == name:
                found: UserFact = user
                return found
        asked: UserFact = row(facts.user_entries, name)
        return asked

    def _shadow(self, field: int) -> str:
        fields: tuple[str, ...] = row(self._source.facts().shadow_entries, self.name)
        if field >= len(fields):
            raise CannotAssess(
                f"/etc/shadow: the line of {self.name} has {len(fields)} fields only"
            )
        return fields[field]

    def __repr__(self) -> str:
        return f"<user {self.name}>"


def _days(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


class Group(Named):
    """One group."""

    __slots__ = ()

    @property
    def exists(self) -> bool:
        """Whether the host knows the name, locally or from a directory."""
        try:
            return bool(_group(self._source.facts(), self.name))
        except NotApplicable:
            return False

    @property
    def gid(self) -> int:
        """The number.

        Raises:
            Absent: there is no such group.
        """
        try:
            return _group(self._source.facts(), self.name).gid
        except NotApplicable as error:
            raise Absent(str(error)) from error

    @property
    def members(self) -> list[str]:
        """The names in the group's own line; those whose login group it is are not among them."""
        try:
            return list(_group(self._source.facts(), self.name).members)
        except NotApplicable:
            return []

    @property
    def get_all_groups(self) -> list[str]:
        """The names of local and remote groups, as far as the directory lists them."""
        return list(self._source.facts().all_groups)

    @property
    def get_local_groups(self) -> list[str]:
        """The names in /etc/group."""
        return [group.name for group in self._source.facts().accounts.groups]


def _group(facts: Facts, name: str) -> GroupFact:
    for group in facts.accounts.groups:
        if group.name == name:
            found: GroupFact = group
            return found
    asked: GroupFact = facts.group_entries[name]
    return asked


class Users(Module):
    """``host.user``."""

    __slots__ = ()

    def __call__(self, name: str | None = None) -> User:
        """Return the user *name*, or the one whom commands run as; nothing is asked yet."""
        return User(self._source, name)


class Groups(Module):
    """``host.group``."""

    __slots__ = ()

    def __call__(self, name: str) -> Group:
        """Return the group *name*; nothing is asked yet."""
        return Group(self._source, name)
