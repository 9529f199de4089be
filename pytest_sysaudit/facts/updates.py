"""Which installed packages have a pending security update, and how old that knowledge is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.debian_versions import is_later
from pytest_sysaudit.facts.reading import ABSENT, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.packages import Package, Packages

#: apt itself reads all lists, which takes seconds where it keeps no cache of them, and writes that
#: cache. We only look at those of security archives: they are small, and what stands there in a
#: later version than ours is a security update, whatever pins and holds say. Each list is printed
#: as far as its packages are installed. How old it is stands in its archive's Release file: the
#: times of files and folders change when fetching fails, too. dnf tells security updates from
#: others only if all its repositories publish advisories; apk never does: every update counts.
_SCRIPT = Script(rf"""if [ -s /var/lib/dpkg/status ]; then
  command -v apt-get >/dev/null || {{ echo "apt-get is not there" >&2; exit 1; }}
  echo "apt $(date +%s)"
  cd /var/lib/apt/lists || exit
  set --
  for f in *_InRelease *_Release; do [ ! -f "$f" ] || set -- "$@" "$f"; done
  [ $# = 0 ] || grep -H -E '^(Date|Valid-Until): ' -- "$@" || exit
  echo @lists
  set --
  for f in *[sS]ecurity*_Packages *[sS]ecurity*_Packages.*; do
    [ ! -f "$f" ] || {{ set -- "$@" "$f"; printf 'list %s\n' "$f"; }}
  done
  helper=/usr/lib/apt/apt-helper
  [ $# = 0 ] || {{ $helper cat-file "$@" || echo "Package: @failed $?"; }} |
    grep -E '^(Package|Version|Architecture): ' | awk '
FNR == NR && $1 == "Package:" {{ p = $2 }}
FNR == NR && $1 == "Status:" && $4 != "config-files" {{ i[p] = 1 }}
FNR == NR {{ next }}
$1 == "Package:" {{ p = $2; a = v = ""; if (p == "@failed") print p, $3 }}
$1 == "Version:" {{ v = $2 }}
$1 == "Architecture:" {{ a = $2 }}
a != "" && v != "" && p in i {{ print "offer", p, v, a; a = v = "" }}
' /var/lib/dpkg/status - || exit
elif command -v rpm >/dev/null && [ -n "$(rpm -qa 2>/dev/null | head -n 1)" ]; then
  tool=
  for t in dnf yum; do [ -n "$tool" ] || ! command -v $t >/dev/null || tool=$t; done
  [ -n "$tool" ] || {{ echo "neither dnf nor yum is there" >&2; exit 1; }}
  echo "$tool $(date +%s)"
  security=--security
  for f in /var/cache/dnf/*/repodata/repomd.xml /var/cache/libdnf5/*/repodata/repomd.xml \
    /var/cache/yum/*/*/*/repomd.xml; do
    [ -f "$f" ] || continue
    stat -c 'seen %Y' "$f" || exit
    found=
    for u in "${{f%/*}}"/*updateinfo*; do [ ! -e "$u" ] || found=1; done
    [ -n "$found" ] || security=
  done
  for f in /var/cache/dnf/last_makecache; do [ ! -e "$f" ] || stat -c 'seen %Y' "$f" || exit; done
  echo @lists
  $tool -q -C check-update $security || [ $? = 100 ] || exit
elif [ -s /lib/apk/db/installed ]; then
  command -v apk >/dev/null || {{ echo "apk is not there" >&2; exit 1; }}
  echo "apk $(date +%s)"
  for f in /var/cache/apk/APKINDEX.*.tar.gz /etc/apk/cache/APKINDEX.*.tar.gz; do
    [ ! -f "$f" ] || stat -c 'seen %Y' "$f" || exit
  done
  echo @lists
  apk --no-network version -l '<' || exit
else
  exit {ABSENT}
fi
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
USES = ("packages",)
_DATE = re.compile(r"(.*):(Date|Valid-Until): (.*)")
_RPM_NAME = re.compile(r"(\S+)\.\w+")
_APK_LINE = re.compile(r"(\S+)-(\d\S*?-r\d+)\s+<\s+(\S+)")
_DAY = 86400


@dataclass(frozen=True, slots=True, order=True)
class Update:
    """A later version of an installed package; ``installed`` is "" where nobody says."""

    name: str
    installed: str
    available: str

    def __str__(self) -> str:
        return f"{self.name} {self.installed or '?'} -> {self.available}"


@dataclass(frozen=True, slots=True)
class Updates:
    """What the package manager's lists say.

    Attributes:
        manager: ``apt``, ``dnf``, ``yum`` or ``apk``.
        pending: security updates, sorted; every update where the lists do not tell them apart.
        days: how old the lists are, by the host's clock: those of security archives where there
            are any; None: there is no list.
        expired: lists that say themselves that they are not to be used any more.
        complete: whether there is a list that security updates would stand in.
    """

    manager: str
    pending: tuple[Update, ...]
    days: float | None
    expired: tuple[str, ...] = ()
    complete: bool = True


def parse(text: str, packages: Packages) -> Updates:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut, or a list could not be read.
        ValueError: it is of an unknown format.
    """
    head, *lines = complete("updates", text, "@end")
    manager, now = head.split()
    middle = lines.index("@lists")
    times, expired = _times(lines[:middle], int(now))
    listed = lines[middle + 1 :]
    of_security = [when for name, when in times if "security" in name.lower()]
    dates = of_security or [when for _, when in times]
    days = max(0.0, (int(now) - max(dates)) / _DAY) if dates else None
    if manager == "apt":
        pending = tuple(_of_apt(listed, packages))
        there = any(line.startswith("list ") for line in listed)
        return Updates(manager, tuple(sorted(set(pending))), days, expired, there)
    found = _of_apk(listed) if manager == "apk" else _of_dnf(listed, packages)
    return Updates(manager, tuple(sorted(set(found))), days, expired, complete=bool(times))


def _times(lines: Sequence[str], now: int) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    """Return the date of each list by its name, and the names of those that have expired."""
    times, expired = [], []
    for line in lines:
        if line.startswith("seen "):
            times.append(("", int(line.removeprefix("seen "))))
            continue
        match = _DATE.fullmatch(line)
        when = parsedate_tz(match[3]) if match else None
        if match is None or when is None:
            raise ValueError("not a line about a list")
        if match[2] == "Valid-Until":
            expired += [match[1]] if mktime_tz(when) < now else []
        else:
            times.append((match[1], mktime_tz(when)))
    return times, tuple(sorted(expired))


def _of_apt(lines: Iterable[str], packages: Packages) -> Iterator[Update]:
    installed: dict[str, list[Package]] = {}
    for package in packages:
        if package.state != "removed":
            installed.setdefault(package.name, []).append(package)
    for line in lines:
        word, *rest = line.split()
        if word == "@failed":
            raise CannotAssess(f"updates: apt-helper cat-file: exit code {rest[0]}")
        if word == "list":
            continue
        name, version, architecture = rest
        for package in installed.get(name, ()):
            same = "all" in (architecture, package.architecture)
            if (same or architecture == package.architecture) and is_later(
                version, package.version
            ):
                yield Update(name, package.version, version)


def _of_dnf(lines: Iterable[str], packages: Packages) -> Iterator[Update]:
    """Yield name, version and repository, three words each: a long name has a line of its own."""
    versions: Mapping[str, str] = {package.name: package.version for package in packages}
    words: list[str] = []
    for line in lines:
        if line.startswith("Obsoleting"):
            break
        if not line.startswith(("Security:", "Last metadata")):
            words += line.split()
    for name, version, _ in zip(words[::3], words[1::3], words[2::3], strict=True):
        match = _RPM_NAME.fullmatch(name)
        if match is None:
            raise ValueError("not a line of check-update")
        yield Update(match[1], versions.get(match[1], ""), version)


def _of_apk(lines: Sequence[str]) -> Iterable[Update]:
    def one(line: str) -> Update | None:
        if line.startswith(("Installed:", "WARNING:")):
            return None
        match = _APK_LINE.match(line)
        if match is None:
            raise ValueError("not a line of apk version")
        return Update(match[1], match[2], match[3])

    return parse_lines("apk version", "\n".join(lines), one)


def read(facts: Facts) -> Updates:
    """Compare what is installed with the lists that are there; nothing is fetched.

    Raises:
        NotApplicable: this host has no data base of packages.
        CannotAssess: there is no way to find out, as without the manager's tool.
    """
    try:
        text = script(facts.run(_SCRIPT), "package data base (dpkg, rpm, apk)")
    except NotApplicable:
        _ = facts.packages  # it tells the bases of managers that nobody reads from none at all
        raise
    return parse(text, facts.packages)
