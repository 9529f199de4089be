"""How long work waits for processors, memory and disks, as the kernel itself measures it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.reading import ABSENT, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

RESOURCES = ("cpu", "memory", "io")
#: A kernel that could measure, but was told not to, has the files or not, by its age; those refuse
#: to be read. Only that is asked of a process.
_SCRIPT = Script(f"""[ -d /proc/self ] || exit 1
[ -e /proc/pressure ] || exit {ABSENT}
cd /proc/pressure || exit
for k in {" ".join(RESOURCES)}; do
[ -e $k ] || continue
s=
while read -r l; do s=1; echo "$k $l"; done 2>/dev/null <$k
[ -z "$s" ] || continue
m=$(cat $k 2>&1)
case $m in *'not supported'*) exit {ABSENT};; esac
echo "${{m:-/proc/pressure/$k is empty}}" >&2
exit 1
done
echo @end""")
_LINE = re.compile(r"(\w+) (some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=\d+")


@dataclass(frozen=True, slots=True)
class Pressure:
    """How much of the time work waited for one resource, in percent of the last minutes.

    Attributes:
        some: by the seconds it is an average of (10, 60, 300): something waited.
        full: everything that had work to do waited; empty for processors on older kernels.
    """

    some: Mapping[int, float]
    full: Mapping[int, float]


def parse(text: str) -> Mapping[str, Pressure]:
    """Parse the output of the reading script; keys are of `RESOURCES`.

    Raises:
        Incomplete: it is cut.
        ValueError: a line is unknown, or none is there.
    """
    kinds: dict[str, dict[str, Mapping[int, float]]] = {}
    for line in complete("/proc/pressure", text, "@end"):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("not a line of /proc/pressure")
        averages = dict(zip((10, 60, 300), map(float, match.group(3, 4, 5)), strict=True))
        kinds.setdefault(match[1], {})[match[2]] = averages
    if not kinds:
        raise ValueError("it says nothing")
    return {name: Pressure(kind["some"], kind.get("full", {})) for name, kind in kinds.items()}


def read(facts: Facts) -> Mapping[str, Pressure]:
    """Read /proc/pressure.

    Raises:
        NotApplicable: this kernel does not measure it.
    """
    return parse(script(facts.run(_SCRIPT), "measure of pressure (/proc/pressure)"))


ASKS: tuple[Command, ...] = (_SCRIPT,)
