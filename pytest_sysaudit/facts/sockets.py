"""Which ports a host listens on."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: An ss that fails, as where the kernel lacks its interface, is none. IPv6 listeners stand in files
#: of their own, and a kernel without IPv6 has none of these; those of IPv4 are always there, or
#: /proc is not.
SCRIPT = Script("""if command -v ss >/dev/null && out=$(ss -Hlntup); then
  printf 'ss\\n%s\\n@end\\n' "$out"
  exit
fi
echo proc
for name in tcp udp tcp6 udp6; do
  case $name in *6) [ -e /proc/net/$name ] || continue;; esac
  sed -n "2,\\$s/^/$name /p" /proc/net/$name || exit
done
echo @end""")
ASKS: tuple[Command, ...] = (SCRIPT,)
_PROCESS = re.compile(r'\("((?:[^"\\]|\\.)*)",pid=(\d+)')
#: The states of include/net/tcp_states.h that wait for strangers: LISTEN, and CLOSE for udp.
_WAITING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """One listening socket.

    Attributes:
        protocol: ``tcp`` or ``udp``.
        address: what it is bound to; ``*`` for every IPv4 and IPv6 address at once.
        port: 1 to 65535.
        processes: names of the programs behind it; empty where only root is told.
    """

    protocol: str
    address: str
    port: int
    processes: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether only this host itself can reach it."""
        plain = self.address.partition("%")[0]
        if plain == "*":
            return False
        address = ipaddress.ip_address(plain)
        mapped = getattr(address, "ipv4_mapped", None)
        return bool((mapped or address).is_loopback)

    def fits(self, ports: Collection[int | str]) -> bool:
        """Whether *ports* hold its number, or protocol and number as ``udp/53``."""
        return self.port in ports or f"{self.protocol}/{self.port}" in ports

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        by = f" ({', '.join(self.processes)})" if self.processes else ""
        return f"{self.protocol} {address}:{self.port}{by}"


@dataclass(frozen=True, slots=True)
class Sockets:
    """The listening sockets, sorted; an empty table means that nothing listens.

    ``tells_families``: whether ``::`` is IPv6 alone, and ``*`` is both; else ``::`` may be both.
    """

    listeners: tuple[Listener, ...]
    tells_families: bool = True

    def __iter__(self) -> Iterator[Listener]:
        return iter(self.listeners)

    def exposed(self) -> tuple[Listener, ...]:
        """Return those that other hosts may reach."""
        return tuple(item for item in self.listeners if not item.is_loopback)


def parse(text: str) -> Sockets:
    """Parse the output of the reading script: ``ss`` or ``proc``, the lines, the end mark."""
    source, *lines = complete("sockets", text, "@end")
    one = {"ss": _ss_line, "proc": _proc_line}[source]
    found: Iterable[Listener] = parse_lines(f"sockets ({source})", "\n".join(lines), one)
    return Sockets(tuple(sorted(set(found))), tells_families=source == "ss")


def _ss_line(line: str) -> Listener:
    protocol, _, _, _, local, _, *rest = line.split(None, 6)
    if protocol not in ("tcp", "udp"):
        raise ValueError("unknown protocol")
    address, _, port = local.rpartition(":")
    names = {name for name, _ in _PROCESS.findall(rest[0] if rest else "")}
    address = address.replace("[", "").replace("]", "")  # ss writes [fe80::1]%eth0
    listener = Listener(protocol, address, int(port), tuple(sorted(names)))
    _ = listener.is_loopback  # ValueError for an address that is none
    return listener


def _proc_line(line: str) -> Listener | None:
    name, _, local, remote, state, *_ = line.split()
    if state != _WAITING[name] or (name.startswith("udp") and not remote.endswith(":0000")):
        return None
    digits, _, port = local.partition(":")
    return Listener(name[:3], _address(digits), int(port, 16))


def _address(digits: str) -> str:
    """Return an address that the kernel prints as words of the machine, lowest byte first."""
    data = bytes.fromhex(digits)
    swapped = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
    return str(ipaddress.ip_address(swapped))


def read(facts: Facts) -> Sockets:
    """List them with ss, or from /proc/net where there is no ss."""
    return parse(script(facts.run(SCRIPT), "list of sockets"))
