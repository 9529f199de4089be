"""Kernel settings as they are in force, read from /proc/sys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.facts.sysctl_keys import path_of
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Without the tool sysctl, which small hosts lack, and whose output cannot say whether a dot in
#: net.ipv4.conf.eth0.7.rp_filter belongs to the interface. Exit code 1 is usual: some
#: keys can only be written. Beyond grep's code 2 it was killed, or is not there.
_SCRIPT = Script(r"""cd /proc/sys || exit 1
find . -type f -exec sh -c 'grep -H "" "$@" || [ $? -le 2 ] || printf "\n@broken\n"' sh {} +
echo @end $?""")
_BROKEN = "\n@broken\n"
ASKS: tuple[Command, ...] = (_SCRIPT,)
_FAILED = re.compile(r"^grep: (?:\./)?(\S+): (.+)$", re.MULTILINE)
_REFUSED = re.compile("permission denied|operation not permitted", re.IGNORECASE)
_GONE = re.compile("no such file", re.IGNORECASE)
_CLOSED = re.compile(r"find: \W?\./([^'\s]+?)\W?: Permission denied", re.IGNORECASE)
_SOME = "kernel/ostype"


@dataclass(frozen=True, slots=True)
class Sysctl:
    """Values by path below /proc/sys; ``sysctl["net.ipv4.ip_forward"]`` finds them by dotted name.

    ``denied`` are files that may not be read, ``closed`` folders that may not be listed, and
    ``failed`` says of other files why they could not be read.

    An interface with a dot in its name is asked for as sysctl(8) takes it:
    ``sysctl["net/ipv4/conf/eth0.7/rp_filter"]`` or ``sysctl["net.ipv4.conf.eth0/7.rp_filter"]``.
    """

    values: Mapping[str, str]
    denied: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    failed: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> str:
        path = path_of(key)
        if path in self.values:
            return self.values[path]
        if path in self.failed:
            raise CannotAssess(f"{key}: {self.failed[path]}")
        if path in self.denied or any(path.startswith(f"{folder}/") for folder in self.closed):
            raise Denied(f"{key}: permission denied; reading it needs root")
        raise NotApplicable(f"this kernel has no setting {key}")

    def __contains__(self, key: object) -> bool:
        path = path_of(str(key))
        return path in self.values or path in self.denied or path in self.failed

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
        found = [
            m for m in map(shape.fullmatch, sorted({*self.values, *self.denied, *self.failed})) if m
        ]
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
    text = script(result, "sysctl")
    if _BROKEN in text:
        raise Incomplete(f"sysctl: grep did not end well: {first_line(result.err) or 'no message'}")
    for line in complete("sysctl", text, "@end 0", "@end 1"):
        path, colon, value = line.removeprefix("./").partition(":")
        if not colon:
            raise ValueError("a line without a colon")
        values[path] = f"{values[path]}\n{value}" if path in values else value.strip()
    if _SOME not in values:
        raise CannotAssess("sysctl: /proc/sys holds no kernel settings that we can read")
    told = {path: why for path, why in _FAILED.findall(result.err) if path not in values}
    denied = frozenset(path for path, why in told.items() if _REFUSED.search(why))
    failed = {p: why for p, why in told.items() if p not in denied and not _GONE.search(why)}
    return Sysctl(values, denied, frozenset(_CLOSED.findall(result.err)), failed)


def read(facts: Facts) -> Sysctl:
    """Read all of /proc/sys in one command."""
    return parse(facts.run(_SCRIPT))
