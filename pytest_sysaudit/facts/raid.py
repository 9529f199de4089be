"""Arrays of disks, pools of ZFS, and what disks say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Nothing is started on a host without arrays, ZFS and smartctl. A disk that sleeps is not woken.
_SCRIPT = Script("""[ -d /proc/self ] || exit 1
echo @md
if [ -e /proc/mdstat ]; then
while IFS= read -r l; do echo "$l"; done </proc/mdstat || exit
fi
if [ -e /proc/spl/kstat/zfs ] || [ -e /sys/module/zfs ]; then
echo @zfs
zpool list -H -o name,health 2>&1
echo "@code $?"
fi
if command -v smartctl >/dev/null; then
u=
while read -r k u a; do [ "$k" != Uid: ] || break; done </proc/self/status
echo "@smart $u"
if [ "$u" = 0 ]; then
{ smartctl --scan 2>&1 || echo "@scan $?"; } | while read -r d o t x; do
case $d in
@scan) echo "$d $o"; continue;;
/dev/*) ;;
*) continue;;
esac
echo "@disk $d"
smartctl -n standby -H -d "$t" "$d" 2>&1 </dev/null
echo "@code $?"
done
fi
fi
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_ARRAY = re.compile(r"(md\S*) : (active|inactive)\b(.*)")
_BITS = re.compile(r"\[([U_]+)\]\s*$")
_CODE = re.compile(r"@code (\d+)")
_HEALTH = re.compile(
    r"(?:overall-health self-assessment test result|SMART Health Status):\s*(\S+)", re.IGNORECASE
)
_SLEEPS = "STANDBY"
_NO_SMART = re.compile(
    r"Unknown USB bridge|SMART support is:\s+Unavailable|Unavailable - device lacks SMART"
    r"|Please specify device type|does not support SMART",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Array:
    """One thing that keeps data.

    Attributes:
        name: ``md0``, the name of a pool, or the path of a disk.
        kind: ``md``, ``zfs`` or ``smart``.
        healthy: None if it does not tell: a disk that sleeps, or that measures nothing.
        state: in the words of the host.
    """

    name: str
    kind: str
    healthy: bool | None
    state: str


def parse(text: str) -> tuple[Array, ...]:
    """Parse the output of the reading script; empty if there is nothing to tell about.

    Raises:
        Incomplete: it is cut.
        Denied: there is a smartctl, and we are not root.
        CannotAssess: a tool failed.
    """
    lines = complete("arrays", text, "@end")
    if lines[:1] != ["@md"]:
        raise ValueError("it does not begin with arrays")
    after = next((n for n, x in enumerate(lines) if x == "@zfs" or x.startswith("@smart ")), None)
    rest = [] if after is None else lines[after:]
    found = [*_md(lines[1:after])]
    if rest[:1] == ["@zfs"]:
        end = [bool(_CODE.fullmatch(line)) for line in rest].index(True)
        found += _zfs(rest[1:end], rest[end])
        rest = rest[end + 1 :]
    if rest:
        found += _smart(rest)
    return tuple(found)


def _md(lines: Sequence[str]) -> Iterator[Array]:
    for number, line in enumerate(lines):
        match = _ARRAY.match(line)
        if match is None:
            continue
        below = []
        for other in lines[number + 1 :]:
            if not other.startswith(" "):
                break
            below.append(other.strip())
        bits = next((found[1] for text in below if (found := _BITS.search(text))), "")
        broken = "_" in bits or match[2] != "active" or "(F)" in match[3]
        yield Array(match[1], "md", not broken, " ".join(filter(None, [match[2], bits])))


def _zfs(lines: Sequence[str], code: str) -> Iterator[Array]:
    if code != "@code 0":
        why = lines[0] if lines else "no message"
        raise CannotAssess(f"zpool: exit code {code.split()[1]}: {why}")
    for line in lines:
        if line.strip() and line != "no pools available":
            name, health = line.split("\t")
            yield Array(name, "zfs", health == "ONLINE", health)


def _smart(lines: Sequence[str]) -> Iterator[Array]:
    mark, uid = lines[0].split()
    if (mark, uid) != ("@smart", "0"):
        raise Denied("smartctl: only root may ask the disks")
    disk, said = "", list[str]()
    for line in lines[1:]:
        if line.startswith("@scan "):
            raise CannotAssess(f"smartctl --scan: exit code {line.split()[1]}")
        if line.startswith("@disk "):
            disk, said = line.removeprefix("@disk "), []
        elif code := _CODE.fullmatch(line):
            yield _disk(disk, "\n".join(said), int(code[1]))
        else:
            said.append(line)


def _disk(path: str, said: str, code: int) -> Array:
    match = _HEALTH.search(said)
    if match is not None:
        return Array(path, "smart", match[1].upper() in ("PASSED", "OK"), match[1])
    if _SLEEPS in said:
        return Array(path, "smart", None, "asleep")
    if _NO_SMART.search(said):
        return Array(path, "smart", None, "it measures nothing")
    words = [line for line in said.splitlines() if line and not line.startswith("smartctl ")]
    raise CannotAssess(f"smartctl {path}: exit code {code}: {words[-1] if words else 'no message'}")


def read(facts: Facts) -> tuple[Array, ...]:
    """Read /proc/mdstat, and ask zpool and smartctl where they are."""
    return parse(script(facts.run(_SCRIPT), "list of arrays"))
