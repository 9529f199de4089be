"""The temperatures that a host measures itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: No process at all. A sensor that has nothing to say right now refuses to be read: it is listed
#: without a value.
_SCRIPT = Script("""[ -d /sys/class ] || { echo '/sys is not mounted' >&2; exit 1; }
for f in /sys/class/hwmon/hwmon*/temp*_input; do
[ -e "$f" ] || continue
t= c= n= l=
{ read -r t <"$f"; read -r c <"${f%_input}_crit"; read -r l <"${f%_input}_label"
read -r n <"${f%/*}/name"; } 2>/dev/null
echo "${t:--} ${c:--} ${f#/sys/class/hwmon/} ${n:--} $l"
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
#: Degrees; other values are placeholders of chips that do not know their own limit.
_SANE = range(20, 200)


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor; degrees Celsius.

    Attributes:
        name: the chip, and what it says the sensor is for.
        path: below /sys/class/hwmon.
        value: None if it did not answer.
        critical: where the chip says that damage begins; None if it does not.
    """

    name: str
    path: str
    value: float | None
    critical: float | None = None


def parse(text: str) -> tuple[Sensor, ...]:
    """Parse the output of the reading script; empty if nothing is measured, as in a VM.

    Raises:
        CannotAssess: it is cut, or a line is unknown.
    """
    lines = "\n".join(complete("sensors", text, "@end"))
    return tuple(parse_lines("sensors", lines, _line))


def _line(line: str) -> Sensor:
    value, critical, path, chip, *label = line.split(None, 4)
    limit = _degrees(critical)
    if limit is not None and int(limit) not in _SANE:
        limit = None
    return Sensor(" ".join([chip, *label]), path, _degrees(value), limit)


def _degrees(text: str) -> float | None:
    return None if text == "-" else int(text) / 1000


def read(facts: Facts) -> tuple[Sensor, ...]:
    """Read /sys/class/hwmon."""
    return parse(script(facts.run(_SCRIPT), "list of sensors"))
