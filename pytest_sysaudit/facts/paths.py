"""Everything that stat and test say about paths, many of them in one command."""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.transport.base import CommandResult, Script

#: ``test`` is a part of the shell, so this starts no process. Of a path that test does not see, the
#: shell says why when it is to open it: test itself takes a forbidden folder for "no".
_LOOK = r"""f() {
t=
[ -L "$1" ] && t=L
if [ -e "$1" ]; then
t=${t}e
[ -f "$1" ] && t=${t}f
[ -d "$1" ] && t=${t}d
[ -p "$1" ] && t=${t}p
[ -S "$1" ] && t=${t}S
[ -x "$1" ] && t=${t}x
printf '%s\0' "$t"
else
printf '%s: ' "$t"
{ true <"$1"; } 2>&1
printf '\0'
return 1
fi
}
for p in %PATHS%; do f "$p" && set -- "$@" "$p"; done
[ $# = 0 ] || stat -L -c '%f %u %g %s %Y %i %h %U:%G' -- "$@"
printf '\0@end\n'"""
_DENIED = re.compile("permission denied|operation not permitted|access denied", re.IGNORECASE)
_ABSENT = re.compile("no such file|not a directory|nonexistent", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileDetails:
    """What stat says of a file, or of what a link leads to.

    Attributes:
        mode: type and permissions, as `stat.S_ISREG` takes them.
        size: bytes.
        mtime: when its content was changed, in seconds since the epoch.
        links: how many names it has.
        user: the owner's name, ``UNKNOWN`` if the number has none.
        group: as *user*.
    """

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    inode: int
    links: int
    user: str
    group: str

    @property
    def permissions(self) -> int:
        """The mode without the type: 0o644."""
        return stat.S_IMODE(self.mode)


@dataclass(frozen=True, slots=True)
class PathFact:
    """One path as the host's shell sees it.

    Attributes:
        path: as it was asked for.
        tests: the letters of test(1) that hold: ``L`` of the path itself, ``e f d p S x`` of what
            it leads to.
        details: what stat says; None if nothing is there, or if stat failed.
        error: why it is not known what is there, or why there are no details.
    """

    path: str
    tests: str = ""
    details: FileDetails | None = None
    error: CannotAssess | None = None

    def holds(self, test: str) -> bool:
        """Whether ``[ -test path ]`` is true.

        Raises:
            Denied: a folder on the way may not be entered.
            CannotAssess: it is not known for another reason.
        """
        if test in self.tests:
            return True
        if self.error is not None and "e" not in self.tests:
            raise self.error.with_traceback(None)
        return False


def shell_path(path: str) -> str:
    """Return *path* so that no tool takes it for an option, or for its standard input."""
    if "\0" in path:
        raise CannotAssess(f"{path!r}: no path can hold a NUL")
    return f"./{path}" if path.startswith("-") else path


class Paths(KeyedTable[PathFact]):
    """``facts.paths["/etc/passwd"]``; a path that is not there is a row too."""

    NAME = "paths"

    @classmethod
    def command(cls, keys: Sequence[str]) -> Script:
        """Return the shell lines that look at *keys*: at most one process for all of them."""
        words = " ".join(shlex.quote(shell_path(key)) for key in keys)
        return Script(_LOOK.replace("%PATHS%", words))

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, PathFact]:
        """Parse its output: a record for each path, then the lines of stat, then the end mark."""
        *records, lines, end = result.expect(0).out.split("\0")
        if end != "@end\n" or len(records) != len(keys):
            raise Incomplete("paths: the output is not whole (its end mark is missing)")
        facts = {key: _fact(key, record) for key, record in zip(keys, records, strict=True)}
        there = [fact.path for fact in facts.values() if "e" in fact.tests]
        details = lines.splitlines()
        if len(details) != len(there):
            error = _without_details(result)
            return {
                key: PathFact(key, fact.tests, error=error) if "e" in fact.tests else fact
                for key, fact in facts.items()
            }
        for path, line in zip(there, details, strict=True):
            facts[path] = PathFact(path, facts[path].tests, _details(line))
        return facts


def _fact(path: str, record: str) -> PathFact:
    tests, colon, words = record.partition(": ")
    if not colon:
        return PathFact(path, tests)
    reason = words.strip().rpartition(": ")[2]
    if _ABSENT.search(reason):
        return PathFact(path, tests)
    if _DENIED.search(reason):
        return PathFact(path, tests, error=Denied(f"{path}: permission denied"))
    why = reason or "it changed while it was looked at"
    return PathFact(path, tests, error=CannotAssess(f"{path}: {why}"))


def _details(line: str) -> FileDetails:
    *numbers, names = line.split(" ", 7)
    user, _, group = names.partition(":")
    mode, uid, gid, size, mtime, inode, links = numbers
    return FileDetails(
        int(mode, 16),
        int(uid),
        int(gid),
        int(size),
        int(mtime),
        int(inode),
        int(links),
        user,
        group,
    )


def _without_details(result: CommandResult) -> CannotAssess:
    words = [line for line in result.err.splitlines() if "stat" in line]
    return CannotAssess(f"stat: {words[0].strip() if words else 'it said too little'}")
