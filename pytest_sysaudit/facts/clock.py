"""The host's clock against ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.transport.base import CommandResult

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Small hosts' date has no %N, and leaves it out or prints it.
_DATE = ("date", "+%s.%N")
_SECONDS = re.compile(r"(\d+)(?:\.(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class Time:
    """How the host's clock stands.

    Attributes:
        skew: seconds by which it is ahead of ours; negative: behind.
        error: how far off *skew* may be, in seconds: half of the round trip.
    """

    skew: float
    error: float

    def within(self, seconds: float) -> bool:
        """Whether the clock may be right within *seconds*, the error taken off."""
        return abs(self.skew) - self.error <= seconds


def parse_date(result: CommandResult) -> tuple[float, float]:
    """Return skew and error from the answer of date, and when we asked.

    Raises:
        ValueError: it printed no number of seconds.
    """
    text = result.expect(0).out.strip()
    match = _SECONDS.match(text)
    if match is None:
        raise ValueError("not a number of seconds")
    middle, error = result.started + result.duration / 2, result.duration / 2
    if match[2] is None:  # whole seconds only: the true time is up to one more
        return int(match[1]) + 0.5 - middle, error + 0.5
    return int(match[1]) + float(f"0.{match[2]}") - middle, error


def read(facts: Facts) -> Time:
    """Ask for the time, alone, so that the error is small; nothing is asked ahead."""
    return Time(*parse_date(facts.run(_DATE)))
