"""The host's clock against ours, and who keeps it right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Small hosts' date has no %N, and leaves it out or prints it.
_DATE = ("date", "+%s.%N")
#: Names of daemons as /proc/PID/comm has them, at most 15 characters. The shell reads them by
#: itself; timesyncd leaves a file when it has heard from a server.
_DAEMONS = Script("""cd /proc || exit
[ -r 1/comm ] && echo seen
for f in [0-9]*/comm; do
  read -r name 2>/dev/null <$f || continue
  case $name in chronyd|ntpd|ntpsec|openntpd|systemd-timesyn|ptp4l|phc2sys) echo "daemon $name" ;;
  esac
done
[ -e /run/systemd/timesync/synchronized ] && echo timesync
if [ -e /run/chrony ] && command -v chronyc >/dev/null; then
  echo "chrony $(chronyc -n -c tracking 2>/dev/null)"
fi
echo @end""")
ASKS: tuple[Command, ...] = (_DAEMONS,)
_SECONDS = re.compile(r"(\d+)(?:\.(\d{1,9}))?")
_NAMES = {"systemd-timesyn": "systemd-timesyncd", "ntpsec": "ntpd"}
#: chronyc -c tracking: reference id, name, stratum, ..., leap status.
_REFERENCE, _LEAP, _FIELDS = 0, 13, 14
#: The reference id of a chronyd that takes its own clock as right: 127.127.1.1.
_LOCAL = "7F7F0101"


@dataclass(frozen=True, slots=True)
class Time:
    """How the host's clock stands.

    Attributes:
        skew: seconds by which it is ahead of ours; negative: behind.
        error: how far off *skew* may be, in seconds: half of the round trip.
        daemons: the names of the programs that keep it right, sorted; None if the host hides its
            processes from us.
        synchronized: whether one of them says that it follows a server; None if none says.
    """

    skew: float
    error: float
    daemons: tuple[str, ...] | None
    synchronized: bool | None = None

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


def parse_daemons(lines: Sequence[str]) -> tuple[tuple[str, ...] | None, bool | None]:
    """Return the names of the daemons and whether one follows a server."""
    seen: set[str] = set()
    synchronized: bool | None = None
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "daemon":
            seen.add(_NAMES.get(rest, rest))
        elif word == "timesync" and seen & {"systemd-timesyncd"}:  # it leaves its file behind
            synchronized = True
        elif word == "chrony":
            fields = rest.split(",")
            if len(fields) >= _FIELDS:
                follows = fields[_LEAP] != "Not synchronised" and fields[_REFERENCE] != _LOCAL
                synchronized = follows or bool(synchronized)
    return (tuple(sorted(seen)) if "seen" in lines else None), synchronized


def read(facts: Facts) -> Time:
    """Ask for the time, alone, so that the error is small, and for what keeps it right."""
    told = script(facts.run(_DAEMONS), "time daemon")
    daemons, synchronized = parse_daemons(complete("time", told, "@end"))
    skew, error = parse_date(facts.run(_DATE))
    return Time(skew, error, daemons, synchronized)
