"""The files of keys that let in, where sshd looks for them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts import ssh_keys
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.facts.ssh_keys import KeysFile

if TYPE_CHECKING:
    from pytest_sysaudit.facts.accounts import User
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.sshd import SshdConfig

USES = ("ssh_keys", "sshd", "accounts")
#: Where sshd looks unless it is told otherwise; dropbear, in the first one.
USUAL = (".ssh/authorized_keys", ".ssh/authorized_keys2")
#: Where dropbear looks for root's on routers.
DROPBEAR = "/etc/dropbear/authorized_keys"
#: How many paths one command names at most.
_BATCH = 500
_TOKEN = re.compile(r"%(.)")


@dataclass(frozen=True, slots=True)
class AuthorizedKeys:
    """What lets in.

    Attributes:
        files: those that are there.
        owners: by path, the uids that the file may belong to besides root.
        commands: programs that sshd asks for keys, and that nobody can list.
        left_out: homes that lie on file systems of other hosts.
    """

    files: tuple[KeysFile, ...]
    owners: Mapping[str, frozenset[int]]
    commands: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def expand(pattern: str, user: User) -> str:
    """Return the path that *pattern* of AuthorizedKeysFile means for *user*."""
    tokens = {"%": "%", "h": user.home, "u": user.name, "U": str(user.uid)}
    path = _TOKEN.sub(lambda found: tokens.get(found[1], found[0]), pattern)
    return posixpath.normpath(posixpath.join(user.home, path))


def patterns(config: SshdConfig) -> tuple[str, ...]:
    """Return the words of AuthorizedKeysFile, by default and in Match blocks, each once."""
    found = config.everywhere("authorizedkeysfile").values()
    words = dict.fromkeys(word.strip('"') for value in found for word in value.split())
    return tuple(word for word in words if word.lower() != "none")


def commands(config: SshdConfig) -> tuple[str, ...]:
    """Return the programs that sshd asks for keys, without their arguments, each once."""
    if "authorizedkeyscommand" not in config:
        return ()
    found = config.everywhere("authorizedkeyscommand").values()
    return tuple(dict.fromkeys(v.split()[0] for v in found if v and v.lower() != "none"))


def places(words: Iterable[str], users: Sequence[User]) -> Mapping[str, frozenset[int]]:
    """Return every path that *words* mean for one of *users*, and the uids of those users."""
    found: dict[str, set[int]] = {}
    for word in words:
        for user in users:
            if user.home.startswith("/"):
                found.setdefault(expand(word, user), set()).add(user.uid)
    return {path: frozenset(uids) for path, uids in found.items()}


def _is_usual(path: str) -> bool:
    return path.endswith(tuple(f"/{name}" for name in USUAL))


def read(facts: Facts) -> AuthorizedKeys:
    """Look where sshd does; in other places than the usual ones with one more command.

    Raises:
        Denied: we are not root.
        CannotAssess: sshd refuses its configuration, or a file cannot be read.
    """
    keys: ssh_keys.SshKeys = facts.ssh_keys
    try:
        words, asked = patterns(facts.sshd), commands(facts.sshd)
    except NotApplicable:  # another server, or none: the files let in as soon as one is there
        words, asked = USUAL, ()
    owners = dict(places(words, facts.accounts.users))
    away = tuple(f"{home}/" for home in keys.left_out)
    further = sorted(p for p in owners if not (_is_usual(p) or p.startswith(away)))
    if words == USUAL:
        owners[DROPBEAR] = frozenset()
    relative = tuple(f"/{word.removeprefix('%h/')}" for word in words if not word.startswith("/"))
    files = [file for file in keys.authorized if file.path in owners or _fits(file, relative, keys)]
    for start in range(0, len(further), _BATCH):
        command = ssh_keys.command(further[start : start + _BATCH])
        text = script(facts.run(command), "authorized keys")
        files += ssh_keys.parse(text, all_let_in=True).authorized
    known = {file.path: owners.get(file.path) or _owner(file, keys) for file in files}
    return AuthorizedKeys(tuple(files), known, asked, keys.left_out)


def _fits(file: KeysFile, endings: tuple[str, ...], keys: ssh_keys.SshKeys) -> bool:
    """Whether *file* is one of a home that no local account has."""
    return any(f"{home}{ending}" == file.path for home in keys.homes for ending in endings)


def _owner(file: KeysFile, keys: ssh_keys.SshKeys) -> frozenset[int]:
    return frozenset(uid for home, uid in keys.homes.items() if file.path.startswith(f"{home}/"))
