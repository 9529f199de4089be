"""/etc/login.defs: the settings of the shadow tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.small_files import read_text

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

PATH = "/etc/login.defs"
#: Where distributions keep theirs that leave /etc to the administrator.
VENDOR = "/usr/etc/login.defs"
ROWS = {"small_files": (PATH, VENDOR)}
#: What the shadow tools take where the file says nothing.
DEFAULTS: Mapping[str, str] = {"UID_MIN": "1000", "GID_MIN": "1000"}


def parse(text: str) -> Mapping[str, str]:
    """Return the settings by their upper-case names; the last line wins, comments are left out."""
    settings = dict(DEFAULTS)
    for line in text.split("\n"):
        words = line.split("#", 1)[0].split(None, 1)
        if words:
            settings[words[0]] = words[1].strip().strip('"') if len(words) > 1 else ""
    return settings


def read_file(facts: Facts) -> Mapping[str, str]:
    """Read it.

    Raises:
        NotApplicable: there is none.
    """
    facts.small_files.ask((PATH, VENDOR))
    try:
        return parse(read_text(facts, PATH))
    except NotApplicable as error:
        try:
            return parse(read_text(facts, VENDOR))
        except NotApplicable:
            raise error from None


def read(facts: Facts) -> Mapping[str, str]:
    """Read it; without the file the defaults hold."""
    try:
        return read_file(facts)
    except NotApplicable:
        return dict(DEFAULTS)
