"""Files of packages that are not as they were packaged: every one of them is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import ABSENT, ROOT_ONLY, complete, script
from pytest_sysaudit.transport.base import Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: No ``ASKS``: this takes seconds to minutes, so it is run when a check asks for it, never ahead.
#: rpm and dpkg end with 1 when something differs.
_SCRIPT = Script(f"""[ "$(id -u)" = 0 ] || exit {ROOT_ONLY}
if [ -s /var/lib/dpkg/status ]; then
  command -v dpkg >/dev/null || {{ echo "dpkg is not there" >&2; exit 1; }}
  echo dpkg
  dpkg --verify || [ $? = 1 ] || exit
elif command -v rpm >/dev/null && [ -n "$(rpm -qa 2>/dev/null | head -n 1)" ]; then
  echo rpm
  rpm -Va --nodeps --noscripts --nomtime --nouser --nogroup --nomode || [ $? = 1 ] || exit
elif [ -s /lib/apk/db/installed ]; then
  command -v apk >/dev/null || {{ echo "apk is not there" >&2; exit 1; }}
  echo apk
  apk audit --system || exit
else
  exit {ABSENT}
fi
echo @end""")
SECONDS = 1800.0
"""How long it may take."""
_LINE = re.compile(r"(?:missing|[.?A-Z0-9]{8,9})\s+(?:([a-z])\s+)?(/.*)")


@dataclass(frozen=True, slots=True)
class VerifiedFiles:
    """What differs; configuration files are left out, for they are there to be changed.

    Attributes:
        manager: ``dpkg``, ``rpm`` or ``apk``.
        changed: paths of files with another content.
        missing: paths of files that are gone, as the pages of manuals on small images.
    """

    manager: str
    changed: tuple[str, ...]
    missing: tuple[str, ...]


def parse(text: str) -> VerifiedFiles:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut, or of an unknown format.
    """
    manager, *lines = complete("verified files", text, "@end")
    found = parse_lines(manager, "\n".join(lines), _PARSERS[manager])
    changed = sorted(path for gone, path in found if not gone)
    return VerifiedFiles(
        manager, tuple(changed), tuple(sorted(path for gone, path in found if gone))
    )


def _verify_line(line: str) -> tuple[bool, str] | None:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("not a line of verify")
    if match[1] in ("c", "g", "d"):  # configuration, made at run time, documentation
        return None
    if line.startswith("missing"):
        return True, match[2]
    return (False, match[2]) if line[2] == "5" else None


def _apk_line(line: str) -> tuple[bool, str] | None:
    letter, _, path = line.partition(" ")
    if letter == "e":
        raise ValueError("a file could not be read")
    if letter not in "-+AdDMmUXx" or not path:
        raise ValueError("not a line of apk audit")
    if letter not in "UX" or path.lstrip("/").startswith("etc/"):
        return None
    return letter == "X", f"/{path.lstrip('/')}"


_PARSERS: Mapping[str, Callable[[str], tuple[bool, str] | None]] = {
    "dpkg": _verify_line,
    "rpm": _verify_line,
    "apk": _apk_line,
}


def read(facts: Facts) -> VerifiedFiles:
    """Compare every file of every package with its digest.

    Raises:
        NotApplicable: this host has no data base of packages.
        Denied: we are not root, and could not read all files.
        TimedOut: it took more than `SECONDS`.
    """
    result = facts.run(_SCRIPT, timeout=SECONDS)
    return parse(script(result, "package data base (dpkg, rpm, apk)"))
