"""The network interfaces of a host, their addresses and its default routes, as ip(8) lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: A kernel without IPv6 has no such routes, and ip fails then.
_SCRIPT = Script("""ip -o link show || exit
echo @addresses
ip -o addr show || exit
echo @inet
ip -f inet route show || exit
echo @inet6
[ ! -e /proc/net/if_inet6 ] || ip -f inet6 route show || exit
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_LINK = re.compile(r"\d+: ([^:@\s]+)[@:]")
_ALTERNATIVE = re.compile(r"altname (\S+)")
_ADDRESS = re.compile(r"\d+: (\S+?)(?:@\S+)?\s+(inet6?) ([^\s/]+)")
_ROUTE = re.compile(r"default\b.*?\bdev (\S+)")
_METRIC = re.compile(r"\bmetric (\d+)")


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface; ``addresses`` are pairs of family (``inet``, ``inet6``) and address."""

    name: str
    addresses: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Interfaces:
    """All of them in the kernel's order.

    Attributes:
        interfaces: by name.
        alternatives: the main name by each other name of an interface.
        defaults: by family, the interface of the default route with the least metric.
    """

    interfaces: Mapping[str, Interface]
    alternatives: Mapping[str, str]
    defaults: Mapping[str, str]

    def get(self, name: str) -> Interface | None:
        """Return the interface with this name, or other name; None if there is none."""
        return self.interfaces.get(self.alternatives.get(name, name))


def parse(text: str) -> Interfaces:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut, or there is no interface, not even lo.
    """
    lines = complete("ip", text, "@end")
    marks = [lines.index(mark) for mark in ("@addresses", "@inet", "@inet6")]
    links, addresses, inet, inet6 = (
        lines[first + 1 : last]
        for first, last in zip([-1, *marks], [*marks, len(lines)], strict=True)
    )
    names: dict[str, list[tuple[str, str]]] = {}
    alternatives: dict[str, str] = {}
    for name, others in parse_lines("ip link", "\n".join(links), _link):
        names[name] = []
        alternatives.update(dict.fromkeys(others, name))
    if not names:
        raise CannotAssess("ip link: it lists no interface")
    for line in addresses:
        if match := _ADDRESS.match(line):  # busybox lists the links here too
            names[match[1]].append((match[2], match[3]))
    routes = {"inet": _default(inet), "inet6": _default(inet6)}
    return Interfaces(
        {name: Interface(name, tuple(found)) for name, found in names.items()},
        alternatives,
        {family: device for family, device in routes.items() if device},
    )


def _link(line: str) -> tuple[str, list[str]]:
    match = _LINK.match(line)
    if match is None:
        raise ValueError("not an interface")
    return match[1], _ALTERNATIVE.findall(line)


def _default(lines: list[str]) -> str:
    routes = []
    for line in lines:
        if match := _ROUTE.match(line):
            metric = _METRIC.search(line)
            routes.append((int(metric[1]) if metric else 0, match[1]))
    return min(routes, key=lambda route: route[0])[1] if routes else ""


def read(facts: Facts) -> Interfaces:
    """Ask ip, of iproute2 or busybox."""
    return parse(script(facts.run(_SCRIPT), "list of network interfaces"))
