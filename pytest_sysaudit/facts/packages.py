"""Packages that the package manager knows, removed and half-installed ones told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.base import parse_lines, unknown_format
from pytest_sysaudit.facts.reading import ABSENT, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_DPKG = r"${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t${Provides}\n"
#: The words of dpkg's data base, as dpkg(1) lists them.
_DPKG_STATES = {
    "installed": "installed",
    "config-files": "removed",
    "unpacked": "broken",
    "half-configured": "broken",
    "half-installed": "broken",
    "triggers-awaited": "broken",
    "triggers-pending": "broken",
}
_RPM = r"%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t[%{PROVIDENAME}, ]\n"
#: Data bases of managers that we do not read.
UNREAD = (
    "/var/lib/pacman/local",
    "/var/lib/opkg",
    "/usr/lib/opkg",
    "/var/db/pkg",
    "/var/db/xbps",
    "/var/log/packages",
    "/nix/var/nix/db",
)
#: The same, or data bases whose tool is not there or is broken.
_OTHERS = (
    "/var/lib/rpm/Packages",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm",
    "/var/lib/dpkg/status.d",
    *UNREAD,
)
#: A manager counts only with its data base: busybox has a dpkg and an rpm that know nothing. Of
#: dpkg's, the lines that we want take a seventh of the time that dpkg-query takes; files beside it
#: are what a dpkg that runs, or was cut off, has not entered yet: only dpkg-query knows how.
_SCRIPT = Script(f"""if [ -s /var/lib/dpkg/status ]; then
  set -- /var/lib/dpkg/updates/*
  if [ -e "$1" ]; then
    echo dpkg-query
    dpkg-query -W -f '{_DPKG}' || exit
  else
    echo dpkg
    grep -E '^((Package|Status|Version|Architecture|Provides): |$)' /var/lib/dpkg/status || exit
  fi
elif command -v rpm >/dev/null && [ -n "$(rpm -qa 2>/dev/null | head -n 1)" ]; then
  echo rpm
  rpm -qa --qf '{_RPM}' || exit
elif [ -s /lib/apk/db/installed ]; then
  echo apk
  cat /lib/apk/db/installed || exit
else
  for base in {" ".join(_OTHERS)}; do
    [ ! -e $base ] || {{ echo "no way to read the packages of $base" >&2; exit 1; }}
  done
  exit {ABSENT}
fi
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)


@dataclass(frozen=True, slots=True)
class Package:
    """One package.

    Attributes:
        name: without architecture.
        version: as the manager writes it, with epoch and release.
        architecture: as the manager calls it.
        state: ``installed``, ``removed`` (its configuration is left) or ``broken`` (half way).
        held: whether upgrades are held back.
        provides: the virtual names that it stands for.
    """

    name: str
    version: str
    architecture: str
    state: str = "installed"
    held: bool = False
    provides: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Packages:
    """All packages, in the manager's order; ``manager`` is ``dpkg``, ``rpm`` or ``apk``."""

    manager: str
    packages: tuple[Package, ...]

    def __iter__(self) -> Iterator[Package]:
        return iter(self.packages)

    def get(self, name: str) -> Package | None:
        """Return the installed package *name* (its first architecture); None if there is none."""
        return next((p for p in self.packages if p.name == name and p.state == "installed"), None)

    def present(self, name: str) -> tuple[Package, ...]:
        """Return the packages whose files are there and that are, or stand for, *name*."""
        return tuple(
            package
            for package in self.packages
            if package.state != "removed" and name in {package.name, *package.provides}
        )


def parse(text: str) -> Packages:
    """Parse the output of the reading script: the manager, its list, the end mark.

    Raises:
        CannotAssess: the list is cut, empty, or of an unknown format.
    """
    source, *lines = complete("packages", text, "@end")
    found = _PARSERS[source]("\n".join(lines))
    manager = source.removesuffix("-query")
    if not found:
        raise CannotAssess(f"packages: {manager} lists no package")
    return Packages(manager, tuple(found))


def _dpkg_query(text: str) -> list[Package]:
    return parse_lines("dpkg-query", text, _dpkg_line)


def _dpkg_line(line: str) -> Package | None:
    status, name, version, architecture, provides = line.split("\t")
    wanted, state = status[0], status[1]
    if state == "n":  # known by name only
        return None
    if state not in "icUFHWt":
        raise ValueError(f"unknown state {status!r}")
    states = {"i": "installed", "c": "removed"}
    return Package(
        name,
        version,
        architecture,
        "broken" if status[2:].strip() else states.get(state, "broken"),
        wanted == "h",
        _virtual(provides),
    )


def _virtual(provides: str) -> frozenset[str]:
    return frozenset(item.split()[0] for item in provides.split(",") if item.strip())


def _dpkg(text: str) -> list[Package]:
    return dpkg_blocks(text.split("\n\n"))


def dpkg_blocks(blocks: Sequence[str]) -> list[Package]:
    """Return the packages of *blocks* of dpkg's data base; without those known by name only.

    Raises:
        CannotAssess: one is of an unknown format.
    """
    found = []
    for number, block in enumerate(blocks, start=1):
        try:
            package = _dpkg_block(block) if block.strip() else None
        except (ValueError, LookupError) as error:
            raise unknown_format("/var/lib/dpkg/status (of each package)", number) from error
        if package is not None:
            found.append(package)
    return found


def _dpkg_block(block: str) -> Package | None:
    fields = dict(line.split(": ", 1) for line in block.strip("\n").split("\n"))
    wanted, error, state = fields["Status"].split()
    if state == "not-installed":
        return None
    if state not in _DPKG_STATES:
        raise ValueError(f"unknown state {state!r}")
    return Package(
        fields["Package"],
        fields["Version"],
        fields.get("Architecture", ""),
        _DPKG_STATES[state] if error == "ok" else "broken",
        wanted == "hold",
        _virtual(fields.get("Provides", "")),
    )


def _rpm(text: str) -> list[Package]:
    return parse_lines("rpm", text, _rpm_line)


def _rpm_line(line: str) -> Package:
    name, version, architecture, provides = line.split("\t")
    names = frozenset(item.strip() for item in provides.split(",") if item.strip())
    return Package(name, version, architecture, provides=names)


def _apk(text: str) -> list[Package]:
    return [_apk_block(block) for block in text.split("\n\n") if block.strip()]


def _apk_block(block: str) -> Package:
    lines = (line.partition(":") for line in block.strip().split("\n"))
    fields: Mapping[str, str] = {key: value for key, _, value in lines if key in "PVAp"}
    names = frozenset(item.split("=")[0] for item in fields.get("p", "").split())
    return Package(fields["P"], fields["V"], fields.get("A", ""), provides=names)


_PARSERS: Mapping[str, Callable[[str], list[Package]]] = {
    "dpkg": _dpkg,
    "dpkg-query": _dpkg_query,
    "rpm": _rpm,
    "apk": _apk,
}


def read(facts: Facts) -> Packages:
    """List all packages.

    Raises:
        NotApplicable: this host has no data base of packages.
        CannotAssess: it has one that cannot be read here, or whose tool is missing.
    """
    return parse(listing(facts))


def listing(facts: Facts) -> str:
    """Return what the reading script printed; errors as `read`."""
    return script(facts.run(_SCRIPT), "package data base (dpkg, rpm, apk)")
