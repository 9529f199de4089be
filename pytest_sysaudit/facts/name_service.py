"""Accounts that may come from a directory: LDAP, SSSD, NIS; asked for by name."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.facts.accounts import Group, User, parse_group, parse_user
from pytest_sysaudit.facts.per_key import PerKey
from pytest_sysaudit.facts.reading import ABSENT, ROOT_ONLY, complete, script
from pytest_sysaudit.transport.base import CommandResult

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: getent's code for "the data base has no such entry".
_NOT_FOUND = 2
#: Small hosts have no getent, and then mostly no directory either; id knows what libc knows.
_USER = f"""if command -v getent >/dev/null; then getent passwd %ARGUMENT%
else id -u %ARGUMENT% 2>&1; exit {ABSENT}; fi"""
_FIND = """while IFS= read -r l; do
case $l in %KEY%:*) echo "$l"; exit;; esac
done </etc/%BASE% || exit 1"""
_GROUP = f"""if command -v getent >/dev/null; then getent group %ARGUMENT%
else {_FIND.replace("%BASE%", "group")}
exit {ABSENT}; fi"""
#: Others are told nothing, in silence, or what libnss-systemd makes up for root.
_SHADOW = f"""[ -r /etc/shadow ] || [ "$(id -u)" = 0 ] || exit {ROOT_ONLY}
if command -v getent >/dev/null; then getent shadow %ARGUMENT%
else {_FIND.replace("%BASE%", "shadow")}
exit {ABSENT}; fi"""
_ALL = """{ if command -v getent >/dev/null; then getent %BASE%; else cat /etc/%BASE%; fi &&
echo @end; } | sed 's/:.*//'"""
#: How many colons are in a line of musl's getent for a group without members.
_NO_MEMBERS = 2
_NO_USER = re.compile("no such user|unknown user")
_PASSWORD = re.compile(r"^([^:]*):[^:*!][^:][^:]*:")


def _filled(script: str, key: str) -> str:
    """Return *script* for *key*; the getent of musl takes ``--`` for a key that nobody has."""
    quoted = shlex.quote(key)
    argument = f"-- {quoted}" if key.startswith("-") else quoted
    return re.sub("%(KEY|ARGUMENT)%", lambda word: quoted if word[1] == "KEY" else argument, script)


def _line(key: str, result: CommandResult, what: str) -> str:
    """Return the line of getent; NotApplicable: the data base says that there is none."""
    if result.exit_code in (_NOT_FOUND, ABSENT):
        raise NotApplicable(f"there is no {what} {key!r}")
    return script(result, f"getent {what} {key}").rstrip("\n").split("\n")[0]


class UserEntries(PerKey[User]):
    """``facts.user_entries["ann"]``, or by number as text; NotApplicable if there is none."""

    NAME = "user_entries"

    @classmethod
    def line(cls, key: str) -> str:
        """Return the shell lines that ask the user data base."""
        return _filled(_USER, key)

    @classmethod
    def row(cls, key: str, result: CommandResult) -> User:
        """Return the entry; what stands there as a password is hidden, as in ``accounts``."""
        if result.exit_code == ABSENT and not _NO_USER.search(result.out):
            raise CannotAssess(f"user {key}: id knows it, but there is no getent to tell more")
        return parse_user(_PASSWORD.sub(r"\1:(hidden):", _line(key, result, "user")))


class GroupEntries(PerKey[Group]):
    """``facts.group_entries["adm"]``, or by number as text; NotApplicable if there is none."""

    NAME = "group_entries"

    @classmethod
    def line(cls, key: str) -> str:
        """Return the shell lines that ask the group data base."""
        return _filled(_GROUP, key)

    @classmethod
    def row(cls, key: str, result: CommandResult) -> Group:
        """Return the entry."""
        line = _line(key, result, "group")
        return parse_group(f"{line}:" if line.count(":") == _NO_MEMBERS else line)


class UserGroups(PerKey[tuple[tuple[int, str], ...]]):
    """``facts.user_groups["ann"]``: number and name of her groups, the login group first."""

    NAME = "user_groups"

    @classmethod
    def line(cls, key: str) -> str:
        """Return the commands that list them: id alone asks every source."""
        name = shlex.quote(key)
        return f"id -G -- {name} && id -Gn -- {name}"

    @classmethod
    def row(cls, key: str, result: CommandResult) -> tuple[tuple[int, str], ...]:
        """Return the pairs."""
        if result.exit_code == 1 and _NO_USER.search(result.err):
            raise NotApplicable(f"there is no user {key!r}")
        numbers, names = result.expect(0).out.splitlines()
        gids = [int(number) for number in numbers.split()]
        words = names.split(" ")
        if len(words) != len(gids):  # a name holds a blank, as groups of Windows domains do
            raise CannotAssess(f"id {key}: the names of the groups cannot be told apart: {names}")
        return tuple(zip(gids, words, strict=True))


class ShadowEntries(PerKey[tuple[str, ...]]):
    """``facts.shadow_entries["ann"]``: all fields of her line in /etc/shadow, the hash too."""

    NAME = "shadow_entries"

    @classmethod
    def line(cls, key: str) -> str:
        """Return the shell lines that ask for it."""
        return _filled(_SHADOW, key)

    @classmethod
    def row(cls, key: str, result: CommandResult) -> tuple[str, ...]:
        """Return the fields, the name first."""
        if result.exit_code == ROOT_ONLY:
            raise Denied("/etc/shadow: permission denied; reading it needs root")
        return tuple(_line(key, result, "shadow entry").split(":"))


def _names(facts: Facts, data_base: str) -> tuple[str, ...]:
    asked = facts.run(_ALL.replace("%BASE%", data_base))
    names = complete(data_base, script(asked, f"list of {data_base}"), "@end")
    if not names:
        raise CannotAssess(f"getent {data_base}: it lists nobody")
    return tuple(filter(None, names))


def all_users(facts: Facts) -> tuple[str, ...]:
    """Return the names of local and remote users, as far as the directory lists them."""
    return _names(facts, "passwd")


def all_groups(facts: Facts) -> tuple[str, ...]:
    """Return the names of local and remote groups, as far as the directory lists them."""
    return _names(facts, "group")
