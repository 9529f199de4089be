"""What begins with a dot in the homes of local accounts: owners and modes."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.homes import HOMES, INSIDE, LOOK, Entry, parse_entries
from pytest_sysaudit.facts.reading import ROOT_ONLY, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_SCRIPT = Script(f"""[ "$(id -u)" = 0 ] || exit {ROOT_ONLY}
{HOMES}inside='.[!.]* ..?*'
{INSIDE}eval "set -- $words"
{LOOK}echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)


@dataclass(frozen=True, slots=True)
class Dotfiles:
    """What was found.

    Attributes:
        homes: the uid that each home belongs to, by its path.
        files: regular files and folders whose names begin with a dot; links are followed.
        left_out: homes that lie on file systems of other hosts.
    """

    homes: Mapping[str, int]
    files: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()


def parse(text: str) -> Dotfiles:
    """Parse the output of the script.

    Raises:
        Incomplete: it is cut, or files changed while they were looked at.
    """
    entries, left_out, after = parse_entries("dotfiles", text)
    complete("dotfiles", after, "@end")
    homes = {entry.path: entry.uid for entry in entries if entry.home}
    plain = tuple(
        entry
        for entry in entries
        if not entry.home and (stat.S_ISREG(entry.mode) or stat.S_ISDIR(entry.mode))
    )
    return Dotfiles(homes, plain, left_out)


def read(facts: Facts) -> Dotfiles:
    """Look into every home.

    Raises:
        Denied: we are not root.
    """
    return parse(script(facts.run(_SCRIPT), "home folders"))
