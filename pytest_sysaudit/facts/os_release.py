"""Which distribution a host runs, as /etc/os-release says."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.base import unknown_format
from pytest_sysaudit.facts.small_files import read_text

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: The second one is asked only if the first is not there.
PATHS = ("/etc/os-release", "/usr/lib/os-release")
ROWS = {"small_files": PATHS[:1]}


@dataclass(frozen=True, slots=True)
class OsRelease:
    """The fields of os-release(5) that audits ask for; ``fields`` holds all of them."""

    id: str
    version_id: str = ""
    id_like: tuple[str, ...] = ()
    pretty_name: str = ""
    codename: str = ""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def family(self) -> tuple[str, ...]:
        """The distribution and those it is derived from, nearest first."""
        return (self.id, *self.id_like)


def parse(text: str) -> OsRelease:
    """Parse the text of os-release.

    Raises:
        CannotAssess: a line is not an assignment of the shell.
    """
    fields: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.strip().partition("=")
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise unknown_format("os-release", number, str(error)) from error
        if not equals or len(words) > 1:
            raise unknown_format("os-release", number, "not NAME=VALUE")
        fields[name] = words[0] if words else ""
    return OsRelease(
        id=fields.get("ID", "linux"),  # os-release(5) says this is the default
        version_id=fields.get("VERSION_ID", ""),
        id_like=tuple(fields.get("ID_LIKE", "").split()),
        pretty_name=fields.get("PRETTY_NAME", "Linux"),
        codename=fields.get("VERSION_CODENAME", ""),
        fields=fields,
    )


def read(facts: Facts) -> OsRelease:
    """Read the first of the two places that os-release(5) names.

    Raises:
        NotApplicable: neither is there: this host does not say what it is.
    """
    for path in PATHS:
        try:
            text = read_text(facts, path)
        except NotApplicable:
            continue
        if not text.strip():
            raise CannotAssess(f"{path} is empty")
        return parse(text)
    raise NotApplicable("there is no os-release on this host")
