"""Where root's programs are looked for, from all files that say so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.shell_paths import Folder, parse

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_FILES = ("/etc/environment", "/etc/profile", "/etc/profile.d/*", "/etc/bash.bashrc", "/etc/bashrc")
_OWN = (".profile", ".bash_profile", ".bash_login", ".bashrc", ".bash_aliases")
_HOME = "/root"
ROWS = {"texts": (*_FILES, *(f"{_HOME}/{name}" for name in _OWN))}
USES = ("accounts", "login_defs", "sudoers")
#: What a login shell reads of /etc/profile.d.
_SOURCED = re.compile(r"(\.sh|/sh\.local)$")


@dataclass(frozen=True, slots=True)
class RootPath:
    """The folders that root's PATH may have, in the order of the files."""

    folders: tuple[Folder, ...]

    def by_path(self) -> dict[str, str]:
        """Return where each folder is named first, by the folder."""
        found: dict[str, str] = {}
        for folder in self.folders:
            if folder.path is not None:
                found.setdefault(folder.path, folder.place)
        return found

    def unknown(self) -> tuple[str, ...]:
        """Return the places with an element that only a shell could tell."""
        return tuple(dict.fromkeys(f.place for f in self.folders if f.path is None))


def _from_files(facts: Facts) -> Iterator[Folder]:
    home = next((user.home for user in facts.accounts.users if user.uid == 0), _HOME)
    patterns = (*_FILES, *(f"{home.rstrip('/')}/{name}" for name in _OWN))
    facts.texts.ask(patterns)
    for pattern in patterns:
        for path, text in facts.texts[pattern].items():
            if "/profile.d/" not in path or _SOURCED.search(path):
                yield from parse(path, text, home)


def _from_settings(facts: Facts) -> Iterator[Folder]:
    value = facts.login_defs.get("ENV_SUPATH", "").removeprefix("PATH=")
    for path in value.split(":") if value else ():
        yield Folder("ENV_SUPATH in /etc/login.defs", path)
    try:
        defaults = facts.sudoers.defaults
    except NotApplicable:
        return
    for default in defaults:
        if default.name == "secure_path" and isinstance(default.value, str):
            for path in default.value.split(":"):
                yield Folder("secure_path of sudo", path)


def read(facts: Facts) -> RootPath:
    """Read shell files, the environment of PAM, the shadow tools' and sudo's setting.

    Raises:
        Denied: we may not read root's files or sudo's rules.
        CannotAssess: sudo's rules are broken.
    """
    return RootPath((*_from_files(facts), *_from_settings(facts)))
