"""The homes of local accounts, and the files with passwords that lie in them: owners and modes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from stat import S_IMODE, S_ISDIR
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts.homes import FAR
from pytest_sysaudit.facts.outcome import Failure
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: In a home, where programs keep passwords and tokens.
SECRETS = (
    ".netrc",
    ".pgpass",
    ".my.cnf",
    ".aws/credentials",
    ".git-credentials",
    ".docker/config.json",
    ".kube/config",
    ".azure/accessTokens.json",
    ".config/gh/hosts.yml",
    ".config/gcloud/credentials.db",
    ".config/rclone/rclone.conf",
    ".pypirc",
    ".npmrc",
    ".s3cfg",
    ".vault-token",
    ".smbcredentials",
)
#: Folders on the way there that may be closed to us.
_FOLDERS = tuple(sorted({p.rpartition("/")[0] for p in SECRETS if "/" in p} | {".config"}))
#: Homes on file systems of other hosts are not looked at: that may hang, and mount them. In
#: busybox, a slash ends a regular expression even within brackets.
_HOMES = r"""awk 'BEGIN {
while ((r = (getline l <"/proc/self/mounts")) > 0) {
split(l, f, " ")
if (f[3] ~ /%FAR%/) far[f[2]] = 1
}
delete far["/"]
if (r == 0) while ((r = (getline l <"/etc/passwd")) > 0) {
n = split(l, f, ":")
h = f[6]
if (n < 7 || l ~ /^[#+-]/ || substr(h, 1, 1) != "/" || seen[h]++) continue
p = h
while (p != "" && !(p in far)) sub("[/]*[^/]*$", "", p)
print (p == "" ? "+" : "-") h
}
if (r < 0) { print "homes: no /proc/self/mounts or no /etc/passwd" >"/dev/stderr"; exit 1 }
}'""".replace("%FAR%", FAR)
_SCRIPT = Script(
    r"""list=$(%HOMES%) || exit
set -f
IFS='
'
set -- $list
unset IFS
set +f
for h do
shift
case $h in
-*) printf 'away%s\0' "${h#-}"; continue ;;
esac
h=${h#+}
if [ ! -e "$h" ]; then
printf 'none%s\n' "$h"; { true <"$h"; } 2>&1; printf '\0'
continue
fi
set -- "$@" "$h"
[ -d "$h" ] || continue
if [ ! -x "$h" ]; then printf 'shut%s\0' "$h"; continue; fi
h=${h%/}
for f in %FOLDERS%; do
[ ! -d "$h/$f" ] || [ -x "$h/$f" ] || printf 'shut%s\0' "$h/$f"
done
for f in %FILES%; do
[ ! -e "$h/$f" ] || set -- "$@" "$h/$f"
done
done
printf '@stat\n'
[ $# = 0 ] || stat -L -c '%f %u %g %n' -- "$@" || exit
echo @end""".replace("%HOMES%", _HOMES)
    .replace("%FOLDERS%", " ".join(_FOLDERS))
    .replace("%FILES%", " ".join(SECRETS))
)
ASKS: tuple[Command, ...] = (_SCRIPT,)
_KIND = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """What stat says of one path, links followed."""

    path: str
    mode: int
    uid: int
    gid: int

    @property
    def permissions(self) -> int:
        """The mode without the type: 0o700."""
        return S_IMODE(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return S_ISDIR(self.mode)


@dataclass(frozen=True, slots=True)
class HomeFiles:
    """What is known of the homes in /etc/passwd, each path as it stands there.

    Attributes:
        found: homes, and those of `SECRETS` in them, that are there.
        missing: homes that are not there.
        unknown: homes and folders in them that could not be looked at, and why not.
    """

    found: Mapping[str, Entry]
    missing: frozenset[str] = frozenset()
    unknown: Mapping[str, Failure] = field(default_factory=dict)

    def home(self, path: str) -> Entry | None:
        """Return the home at *path*; None if it is not there.

        Raises:
            Denied: a folder on the way is closed to us.
            CannotAssess: it is not known for another reason.
        """
        if path in self.found:
            return self.found[path]
        if path not in self.missing:
            raise self.unknown.get(path) or CannotAssess(f"{path}: nothing is known of it")
        return None

    def secrets(self, home: str) -> Iterator[Entry]:
        """Yield those of `SECRETS` that are in *home*."""
        for name in SECRETS:
            entry = self.found.get(f"{home.removesuffix('/')}/{name}")
            if entry is not None:
                yield entry

    def unseen(self, homes: Iterable[str]) -> Iterator[Failure]:
        """Yield why not all of *homes*, and what lies in them, could be looked at."""
        tops = tuple({home.removesuffix("/") for home in homes})
        for path, why in self.unknown.items():
            if any(f"{path}/".startswith(f"{top}/") for top in tops):
                yield why


def parse(text: str) -> HomeFiles:
    """Parse the output: a record for each home that cannot be looked at, then lines of stat.

    Raises:
        Incomplete: it is cut.
    """
    head, mark, tail = f"\0{text}".partition("\0@stat\n")
    if not mark or not f"\n{tail}".endswith("\n@end\n"):
        raise Incomplete("homes: the output is not whole (its end mark is missing)")
    missing: set[str] = set()
    unknown: dict[str, Failure] = {}
    for record in head.split("\0")[1:]:
        kind, rest = record[:_KIND], record[_KIND:]
        if kind == "none":
            path, _, words = rest.partition("\n")
            why = _why(path, words)
            if why is None:
                missing.add(path)
            else:
                unknown[path] = why
        elif kind == "shut":
            unknown[rest] = Denied(f"{rest}: permission denied; looking into it needs root")
        elif kind == "away":
            unknown[rest] = CannotAssess(f"{rest}: on a file system of another host, not looked at")
        else:
            raise ValueError("not a record")
    entries = map(_entry, f"\n{tail}".removesuffix("\n@end\n").split("\n")[1:])
    return HomeFiles({entry.path: entry for entry in entries}, frozenset(missing), unknown)


def _why(path: str, words: str) -> Failure | None:
    """Return what the shell's *words* on a path that test does not see stand for; None: absent."""
    lower = words.lower()
    if "no such file" in lower or "nonexistent" in lower or "not a directory" in lower:
        return None
    if "permission denied" in lower:
        return Denied(f"{path}: permission denied; looking at it needs root")
    return CannotAssess(f"{path}: {first_line(words) or 'it changed while it was looked at'}")


def _entry(line: str) -> Entry:
    mode, uid, gid, path = line.split(" ", 3)
    if not path.startswith("/"):
        raise ValueError("not a path")
    return Entry(path, int(mode, 16), int(uid), int(gid))


def read(facts: Facts) -> HomeFiles:
    """Look at the homes of all accounts in /etc/passwd."""
    try:
        return parse(script(facts.run(_SCRIPT), "homes"))
    except NotApplicable as error:  # every Linux host has accounts
        raise CannotAssess(str(error)) from error
