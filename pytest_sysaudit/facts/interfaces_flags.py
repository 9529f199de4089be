"""What /sys says of network interfaces: which listen to everything, which are radios."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: ``v`` may be refused for a device that is on its way out. rfkill says per radio whether it is
#: off: by hand (hard) or by software.
_SCRIPT = Script(r"""[ -d /sys/class/net ] || { echo '/sys/class/net is not there' >&2; exit 1; }
for d in /sys/class/net/*; do
[ -e "$d/flags" ] || continue
v= m=
read -r v <"$d/flags" || continue
[ ! -e "$d/master" ] || m=m
[ ! -e "$d/phy80211" ] && [ ! -e "$d/wireless" ] || m=${m}w
printf 'net %s %s %s\n' "${d##*/}" "$v" "${m:--}"
for f in "$d"/phy80211/rfkill*; do [ ! -e "$f" ] || echo "of ${f##*/} ${d##*/}"; done
done
for d in /sys/class/bluetooth/hci*; do
[ -e "$d" ] || continue
echo "bluetooth ${d##*/}"
for f in "$d"/rfkill*; do [ ! -e "$f" ] || echo "of ${f##*/} ${d##*/}"; done
done
for d in /sys/class/rfkill/rfkill*; do
[ -e "$d/soft" ] || continue
v= m=
read -r v <"$d/soft" && read -r m <"$d/hard" || continue
echo "rfkill ${d##*/} $v$m"
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_UP = 0x1
_PROMISCUOUS = 0x100


@dataclass(frozen=True, slots=True)
class Device:
    """One interface, or one Bluetooth adapter.

    Attributes:
        name: ``eth0``, ``hci0``.
        kind: ``net``, ``wireless`` or ``bluetooth``.
        flags: those of netdevice(7), as the kernel itself keeps them: a packet capture shows too.
        has_master: whether it is a port of a bridge, or of a bond.
        blocked: whether rfkill switched its radio off.
    """

    name: str
    kind: str = "net"
    flags: int = 0
    has_master: bool = False
    blocked: bool = False

    @property
    def is_up(self) -> bool:
        """Whether it is on."""
        return bool(self.flags & _UP)

    @property
    def is_promiscuous(self) -> bool:
        """Whether it takes frames that are meant for others."""
        return bool(self.flags & _PROMISCUOUS)


@dataclass(frozen=True, slots=True)
class Devices:
    """All of them."""

    devices: tuple[Device, ...]

    def __iter__(self) -> Iterator[Device]:
        return iter(self.devices)

    def promiscuous(self) -> tuple[str, ...]:
        """Return the interfaces that listen to everything; ports of bridges have to."""
        return tuple(d.name for d in self.devices if d.is_promiscuous and not d.has_master)

    def radios(self) -> tuple[Device, ...]:
        """Return wireless interfaces and Bluetooth adapters."""
        return tuple(d for d in self.devices if d.kind != "net")


def parse(text: str) -> Devices:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut, or there is no interface, not even lo.
    """
    lines = parse_lines("/sys/class/net", "\n".join(complete("interfaces", text, "@end")), _words)
    blocked = {words[1] for words in lines if words[0] == "rfkill" and "1" in words[2]}
    off = {words[2] for words in lines if words[0] == "of" and words[1] in blocked}
    found = [_device(words, off) for words in lines if words[0] in ("net", "bluetooth")]
    if not any(words[0] == "net" for words in lines):
        raise CannotAssess("/sys/class/net: it lists no interface")
    return Devices(tuple(found))


_LENGTHS = {"net": 4, "of": 3, "bluetooth": 2, "rfkill": 3}


def _words(line: str) -> list[str]:
    words = line.split(" ")
    if len(words) != _LENGTHS[words[0]]:
        raise ValueError("not a line about an interface")
    if words[0] == "net":
        int(words[2], 16)
    return words


def _device(words: list[str], off: set[str]) -> Device:
    name = words[1]
    if words[0] == "bluetooth":
        return Device(name, "bluetooth", blocked=name in off)
    kind = "wireless" if "w" in words[3] else "net"
    return Device(name, kind, int(words[2], 16), "m" in words[3], name in off)


def read(facts: Facts) -> Devices:
    """Look at /sys/class/net, bluetooth and rfkill; no process is needed."""
    return parse(script(facts.run(_SCRIPT), "network interfaces"))
