"""Kernel settings as they are in force, read from /proc/sys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.facts.reading import complete
from pytest_sysaudit.transport.base import Command, CommandResult

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Without the tool sysctl, which small hosts lack, and whose output cannot say whether a dot in
#: net.ipv4.conf.eth0.7.rp_filter belongs to the interface. Exit code 1 is usual: some
#: keys can only be written.
_SCRIPT = """cd /proc/sys || exit 1
find . -type f -exec grep -H '' {} +
echo @end $?"""
ASKS: tuple[Command, ...] = (_SCRIPT,)
_DENIED = re.compile(r"grep: (?:\./)?(\S+): Permission denied", re.IGNORECASE)
_CLOSED = re.compile(r"find: \W?\./([^'\s]+?)\W?: Permission denied", re.IGNORECASE)
_SOME = "kernel/ostype"


@dataclass(frozen=True, slots=True)
class Sysctl:
    """Values by path below /proc/sys; ``sysctl["net.ipv4.ip_forward"]`` finds them by dotted name.

    ``denied`` are files that may not be read, ``closed`` folders that may not be listed.

    An interface with a dot in its name is asked for with slashes:
    ``sysctl["net/ipv4/conf/eth0.7/rp_filter"]``.
    """

    values: Mapping[str, str]
    denied: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()

    def __getitem__(self, key: str) -> str:
        path = key if "/" in key else key.replace(".", "/")
        if path in self.values:
            return self.values[path]
        if path in self.denied or any(path.startswith(f"{folder}/") for folder in self.closed):
            raise Denied(f"{key}: permission denied; reading it needs root")
        raise NotApplicable(f"this kernel has no setting {key}")

    def __contains__(self, key: object) -> bool:
        path = str(key) if "/" in str(key) else str(key).replace(".", "/")
        return path in self.values or path in self.denied

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def number(self, key: str) -> int:
        """Return the value of *key* as a number; CannotAssess if it is none."""
        value = self[key]
        try:
            return int(value)
        except ValueError:
            raise CannotAssess(f"{key}: not a number: {value!r}") from None

    def per_interface(self, family: str, name: str) -> Mapping[str, int]:
        """Return the setting *name* of every interface, with ``all`` and ``default``.

        Args:
            family: ``ipv4`` or ``ipv6``.
            name: the last part of the key: ``accept_redirects``.

        Raises:
            NotApplicable: the kernel has no such setting, as without IPv6.
            Denied: a value may not be read.
        """
        shape = re.compile(rf"net/{family}/conf/([^/]+)/{re.escape(name)}")
        found = [m for m in map(shape.fullmatch, sorted({*self.values, *self.denied})) if m]
        if any(f"net/{family}/conf/".startswith(f"{folder}/") for folder in self.closed):
            raise Denied(f"net.{family}.conf: permission denied; reading it needs root")
        if not found:
            raise NotApplicable(f"this kernel has no setting net.{family}.conf.*.{name}")
        return {m[1]: self.number(m[0]) for m in found}

    def forwarding(self, family: str) -> Mapping[str, int]:
        """Return whether each interface passes packets on; {} if the kernel has one switch only.

        IPv4 packets go by the switch of the interface they came in through, and ip_forward only
        sets all of these. IPv6 has such a switch since Linux 6.17.
        """
        try:
            name = "forwarding" if family == "ipv4" else "force_forwarding"
            return self.per_interface(family, name)
        except NotApplicable:
            return {}

    def reverse_path_filter(self) -> Mapping[str, int]:
        """Return the IPv4 filter in force by interface: the greater of its own and that of all."""
        each = dict(self.per_interface("ipv4", "rp_filter"))
        everywhere = each.pop("all", 0)
        return {name: max(everywhere, own) for name, own in each.items() if name != "default"}


def parse(result: CommandResult) -> Sysctl:
    """Parse the output of the reading script: ``./kernel/ostype:Linux`` lines and the end mark.

    A value of several lines keeps them, joined by newlines.

    Raises:
        CannotAssess: the output is cut, or holds no settings.
    """
    values: dict[str, str] = {}
    for line in complete("sysctl", result.expect(0).out, "@end 0", "@end 1"):
        path, colon, value = line.removeprefix("./").partition(":")
        if not colon:
            raise ValueError("a line without a colon")
        values[path] = f"{values[path]}\n{value}" if path in values else value.strip()
    if _SOME not in values:
        raise CannotAssess("sysctl: /proc/sys holds no kernel settings that we can read")
    denied, closed = _DENIED.findall(result.err), _CLOSED.findall(result.err)
    return Sysctl(values, frozenset(denied), frozenset(closed))


def read(facts: Facts) -> Sysctl:
    """Read all of /proc/sys in one command."""
    return parse(facts.run(_SCRIPT))
