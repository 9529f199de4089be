"""What cron runs, as text: for the question whether a program is run regularly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Denied
from pytest_sysaudit.facts.text_files import Texts

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_PATTERNS = (
    "/etc/crontab",
    "/etc/cron.d/*",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/etc/periodic/hourly/*",
    "/etc/periodic/daily/*",
    "/etc/periodic/weekly/*",
    "/etc/periodic/monthly/*",
    "/var/spool/cron/crontabs/root",
    "/var/spool/cron/root",
    "/etc/crontabs/root",
)
_SYSTEMD = "/run/systemd/system"
ROWS: Mapping[str, Sequence[str]] = {"texts": _PATTERNS, "paths": (_SYSTEMD,)}
_SCRIPT_FOLDER = re.compile(r"/etc/(?:cron\.(?:hour|dai|week|month)ly|periodic/\w+)/")


@dataclass(frozen=True, slots=True)
class Jobs:
    """The lines of tables and scripts of cron.

    Attributes:
        lines: path, number and text, without comments.
        hidden: why a part of them could not be read; "" if all could.
    """

    lines: tuple[tuple[str, int, str], ...]
    hidden: str = ""

    def mentions(self, words: str) -> tuple[str, ...]:
        """Return the places of lines that have a whole word which fits the expression *words*."""
        word = re.compile(rf"(?<![\w.-])(?:{words})(?![\w-])")
        return tuple(f"{path}:{number}" for path, number, line in self.lines if word.search(line))


def _lines(texts: Iterable[Texts], *, systemd: bool) -> Iterator[tuple[str, int, str]]:
    """Yield them; a script that leaves the work to systemd where systemd runs does nothing."""
    for each in texts:
        idle = {
            path
            for path, text in each.items()
            if systemd and _SCRIPT_FOLDER.match(path) and _SYSTEMD in text
        }
        yield from (line for line in each.lines() if line[0] not in idle)


def read(facts: Facts) -> Jobs:
    """Read all that we may read."""
    texts, hidden = list[Texts](), ""
    for pattern in _PATTERNS:
        try:
            texts.append(facts.texts[pattern])
        except Denied as error:
            hidden = hidden or str(error)
    systemd = facts.paths[_SYSTEMD].holds("d")
    return Jobs(tuple(_lines(texts, systemd=systemd)), hidden)
