"""To which package the set-uid and set-gid programs belong, and whether they come as such."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.packages import UNREAD
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.capabilities import Capable
    from pytest_sysaudit.facts.file_search import FileSearch
    from pytest_sysaudit.facts.file_stats import FileFact

USES = ("file_search", "capabilities")
#: Folders that may be links into /usr: packages name their files by either path.
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_RPM = r"[%{=NAME}\t%{FILEMODES:octal}\t%{FILENAMES}\n]"
_LISTED = re.compile(r"/var/lib/dpkg/(?:info/([^/]+?)\.list|diversions):(/.*)")
_UNOWNED = re.compile(r"file (/.*) is not owned by any package")
#: The files of each package stand behind its name, and the mode of a file behind the file.
_APK = """BEGIN {
for (i = 2; i < ARGC; i++) want[ARGV[i]] = 1
ARGC = 2
}
/^P:/ { name = substr($0, 3) }
/^F:/ { folder = substr($0, 3); if (folder != "") folder = folder "/" }
/^R:/ { file = "/" folder substr($0, 3); if (file in want) print name "\\t-\\t" file }
/^a:/ { n = split($0, part, ":"); if (file in want) print name "\\t" part[n] "\\t" file }"""


@dataclass(frozen=True, slots=True)
class Owner:
    """The package of a file; ``mode`` is what it comes with, None if the manager cannot tell."""

    package: str
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Owners:
    """The packages of programs.

    Attributes:
        manager: ``dpkg``, ``rpm``, ``apk``, or "" where no manager was found, or none was asked.
        owners: by path; a file of no package is not in it.
    """

    manager: str
    owners: Mapping[str, Owner]

    def objection(self, file: FileFact, programs: Collection[str]) -> str:
        """Return why *file* should not be set-uid or set-gid; "" if nothing is wrong with it.

        A package that belongs to it is not enough: the bit may have been set later. rpm and apk
        know with which mode a file came. dpkg does not, so there the program must be among
        *programs*, names that are known to come as such.
        """
        owner = self.owners.get(file.path)
        if owner is None:
            return (
                "of no package" if self.manager else "not listed, and there is no package manager"
            )
        if owner.mode is not None:
            return "" if not file.mode & 0o6000 & ~owner.mode else f"not so in {owner.package}"
        name = file.path.rpartition("/")[2]
        return "" if name in programs else f"of {owner.package}, but no known program"


def command(paths: Sequence[str]) -> Script:
    """Return the command that asks for *paths*: a line for each with package, mode and path."""
    words = [*paths, *(a for path in paths for a in _aliases(path))]
    named = shlex.join(words)
    lines = " ".join(f"-e {shlex.quote(word)}" for word in words)
    links = " ".join(f"/{folder}" for folder in _MERGED)
    others = " ".join(UNREAD)
    return Script(f"""for d in {links}; do [ ! -L $d ] || echo "link $d"; done
if [ -s /var/lib/dpkg/status ]; then
echo dpkg
set -- /var/lib/dpkg/info/*.list
[ ! -e /var/lib/dpkg/diversions ] || set -- "$@" /var/lib/dpkg/diversions
grep -HxF {lines} "$@" || [ $? = 1 ] || exit
elif [ -s /lib/apk/db/installed ]; then
echo apk
awk {shlex.quote(_APK)} /lib/apk/db/installed {named} || exit
elif [ -s /usr/lib/apk/db/installed ]; then
echo apk
awk {shlex.quote(_APK)} /usr/lib/apk/db/installed {named} || exit
elif [ -e /var/lib/rpm/rpmdb.sqlite ] || [ -e /var/lib/rpm/Packages ] ||
[ -e /var/lib/rpm/Packages.db ] || [ -e /usr/lib/sysimage/rpm ]; then
echo rpm
{{ rpm -qf --qf '{_RPM}' {shlex.join(paths)}; echo "@rpm $?"; }} |
grep -E -e '^[^	]*	0*10[2-7][0-7]{{3}}	' -e '^file .* is not owned' -e ^@rpm
else
for d in {others}; do
[ ! -e $d ] || {{ echo "no way to ask for the packages of $d" >&2; exit 1; }}
done
echo none
fi
echo @end""")


def _aliases(path: str) -> list[str]:
    return [path.removeprefix("/usr")] if path.startswith("/usr/") else []


def parse(result: CommandResult, paths: Sequence[str]) -> Owners:
    """Parse the output of `command` for the same *paths*.

    Raises:
        CannotAssess: it is cut, or the package manager failed.
    """
    lines = complete("package owners", script(result, "package owners"), "@end")
    links = {line.removeprefix("link ") for line in lines if line.startswith("link ")}
    manager, *rest = (line for line in lines if not line.startswith("link "))
    if manager == "none":
        return Owners("", {})
    unowned: Collection[str] = ()
    if manager == "rpm":
        rest, unowned = _rpm(rest, result.err, paths)
    told = dict(_dpkg_line(line) if manager == "dpkg" else _fields(line) for line in rest)
    found = {}
    for path in paths:
        merged = [a for a in _aliases(path) if any(a.startswith(f"{link}/") for link in links)]
        owner = next((told[name] for name in (path, *merged) if name in told), None)
        if owner is None and manager == "rpm" and path not in unowned:
            owner = Owner("its package", 0)  # only special files of a package are listed
        if owner is not None:
            found[path] = owner
    return Owners(manager, found)


def _dpkg_line(line: str) -> tuple[str, Owner]:
    match = _LISTED.fullmatch(line)
    if match is None:
        raise ValueError("not a line of grep")
    return match[2], Owner(match[1] or "a diversion")


def _fields(line: str) -> tuple[str, Owner]:
    package, mode, path = line.split("\t", 2)
    return path, Owner(package, 0 if mode == "-" else int(mode, 8) & 0o7777)


def _rpm(
    lines: Sequence[str], messages: str, paths: Sequence[str]
) -> tuple[list[str], frozenset[str]]:
    """Return the lines about files, and those of *paths* that no package has, or that are gone."""
    gone = re.findall(r"^error: file (/.*): No such file or directory$", messages, re.MULTILINE)
    errors = [line for line in messages.splitlines() if "No such file" not in line]
    *rest, end = lines or [""]
    if errors or not end.startswith("@rpm ") or int(end.split()[1]) > len(paths):
        raise CannotAssess(f"rpm: {first_line(messages) or end or 'no message'}")
    unowned = {match[1] for line in rest if (match := _UNOWNED.fullmatch(line))}
    about = [line for line in rest if not _UNOWNED.fullmatch(line)]
    return about, frozenset(unowned.union(gone))


def read(facts: Facts) -> Owners:
    """Ask the package manager for what the search found; nothing if that is nothing."""
    search: FileSearch = facts.file_search
    paths = [file.path for file in search.with_any(0o6000)] + [*_capable(facts)]
    asked = sorted({path for path in paths if "\n" not in path})
    if not asked:
        return Owners("", {})
    return parse(facts.run(command(asked)), asked)


def _capable(facts: Facts) -> Iterable[str]:
    try:
        found: tuple[Capable, ...] = facts.capabilities
    except CannotAssess:  # who asks for capabilities is told
        return ()
    return (file.path for file in found)
