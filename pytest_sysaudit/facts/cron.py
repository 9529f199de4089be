"""What cron runs as root, and who could change that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts.cron_lines import Crontab, Job, parse_anacrontab, parse_crontab, programs
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.text_files import Texts

#: Each line names its user.
SYSTEM = ("/etc/crontab", "/etc/cron.d/*")
ANACRON = "/etc/anacrontab"
#: The file's name is the user's: Debian, RHEL, Alpine.
SPOOLS = ("/var/spool/cron/crontabs/*", "/var/spool/cron/*", "/etc/crontabs/*")
#: Folders whose files are run.
FOLDERS = (
    *(f"/etc/cron.{name}" for name in ("hourly", "daily", "weekly", "monthly")),
    *(f"/etc/periodic/{name}" for name in ("15min", "hourly", "daily", "weekly", "monthly")),
)
#: Folders of the search path that packages leave to the administrator.
OWN = ("/usr/local/sbin", "/usr/local/bin")
_OF_ROOT = " ".join([*SYSTEM, ANACRON, *(f"{path[:-1]}root" for path in SPOOLS)])
#: Every word of root's crontabs that is a path, or a program of `OWN`, the files that are run, what
#: these lead to where they are links, and all folders on the way: stat says whose they are. Who may
#: write to the folder of a file that is not there can put one there. Some shells have a realpath of
#: their own, for a single file.
_SCRIPT = Script(f"""n='
'
set --
for f in {_OF_ROOT}; do
[ ! -f "$f" ] || set -- "$@" "$f"
done
l=
[ $# = 0 ] || l=$(awk '/^[ \\t]*#/ {{ next }}
{{
c = ""
k = split($0, w, /[^A-Za-z0-9_.+@%\\/-]+/)
for (i = 1; i <= k; i++) {{
if (w[i] == "cd") c = w[i + 1]
p = w[i]
if (p ~ /^[.]\\// && c ~ /^\\//) p = c substr(p, 2)
if (p ~ /^(\\/|[A-Za-z_][A-Za-z0-9_.+-]*$)/ && !(p in seen)) {{ seen[p]; print p }}
}}
}}' "$@") || exit
for f in {" ".join(f"{folder}/*" for folder in FOLDERS)}; do
case $f in *"$n"*) continue;; esac
[ ! -f "$f" ] || set -- "$@" "$f"
done
IFS=$n
set -f
for p in $l; do
case $p in
/*) ;;
*)
for f in {" ".join(OWN)}; do [ ! -e "$f/$p" ] || set -- "$@" "$f/$p"; done
continue ;;
esac
while [ ! -e "$p" ]; do p=${{p%/*}}; p=${{p:-/}}; done
set -- "$@" "$p"
done
[ $# != 0 ] || {{ echo @real; echo @stat; echo @end; exit; }}
r=$(env realpath "$@") || exit
printf '%s\\n' "$@" @real
printf '%s\\n' "$r"
k=$n
for p in "$@" $r; do
while :; do
case $k in *"$n$p$n"*) break;; esac
k=$k$p$n
[ "$p" != / ] || break
p=${{p%/*}}
p=${{p:-/}}
done
done
set -- $k
echo @stat
stat -L -c '%a %u %g|%n' "$@" || exit
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
ROWS = {"texts": (*SYSTEM, ANACRON, *SPOOLS, *(f"{folder}/*" for folder in FOLDERS))}
_NAME = re.compile(r"(?<![\w./+-])[A-Za-z_][\w.+-]*")
_PLAIN = re.compile(r"[\w.+@%/-]+", re.ASCII)
_OTHERS_WRITE = 0o022


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder that root's jobs depend on."""

    path: str
    mode: int
    uid: int
    gid: int

    @property
    def is_safe(self) -> bool:
        """Whether only root can change it; what root's group may do, root may do."""
        writers = self.mode & (_OTHERS_WRITE if self.gid else 0o002)
        return self.uid == 0 and not writers


@dataclass(frozen=True, slots=True)
class Cron:
    """All jobs, and what root's depend on.

    Attributes:
        crontabs: all of them, by path.
        scripts: the files in folders whose files are run, by path, with their text.
        places: files and folders by path.
        real: where a path that stands in a crontab leads, if it is there.
    """

    crontabs: Mapping[str, Crontab]
    scripts: Mapping[str, str]
    places: Mapping[str, Place]
    real: Mapping[str, str]

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs of all users."""
        return tuple(job for table in self.crontabs.values() for job in table.jobs)

    def run_by_root(self) -> Iterator[tuple[str, str]]:
        """Yield each file that root's jobs run, or folder they look into, and the place of that."""
        for path in self.scripts:
            yield path, path.rpartition("/")[0]
        for path, table in self.crontabs.items():
            if path == ANACRON or any(fnmatchcase(path, pattern) for pattern in SYSTEM):
                yield path, "crontab"
            of_root = [job for job in table.jobs if job.user == "root"]
            if of_root:
                for folder in table.folders:
                    yield folder, f"PATH in {path}"
            for job in of_root:
                for program in programs(job.command):
                    yield program, job.place
                for name in dict.fromkeys(_NAME.findall(job.command)):
                    paths = [f"{folder}/{name}" for folder in OWN]
                    yield from ((path, job.place) for path in paths if path in self.real)

    def unsafe(self, path: str) -> tuple[Place, ...]:
        """Return what is on the way to *path* that somebody but root can change.

        Of a path that is not there, that is the folder that it would be made in.

        Raises:
            Incomplete: its name is such that we could not look.
        """
        if path not in self.real and not _PLAIN.fullmatch(path):
            raise Incomplete(f"{path}: what it stands for is not known")
        there = next((each for each in _upwards(path) if each in self.real), None)
        if there is None:
            return ()
        chain = dict.fromkeys([*_upwards(there), *_upwards(self.real[there])])
        return tuple(self.places[each] for each in chain if not self.places[each].is_safe)


def _upwards(path: str) -> Iterator[str]:
    """Yield *path* and each folder it lies in."""
    while path != "/":
        yield path
        path = path.rpartition("/")[0] or "/"
    yield path


def parse_places(text: str) -> tuple[Mapping[str, Place], Mapping[str, str]]:
    """Parse the output of the reading script: the places, and where paths lead.

    Raises:
        Incomplete: it is cut, or something changed meanwhile.
    """
    lines = complete("cron", text, "@end")
    real, stat = lines.index("@real"), lines.index("@stat")
    paths, targets = lines[:real], lines[real + 1 : stat]
    if len(paths) != len(targets):
        raise Incomplete("cron: files changed while they were looked at")
    places = {place.path: place for place in map(_place, lines[stat + 1 :])}
    return places, dict(zip(paths, targets, strict=True))


def _place(line: str) -> Place:
    numbers, _, path = line.partition("|")
    mode, uid, gid = numbers.split()
    return Place(path, int(mode, 8), int(uid), int(gid))


def read(facts: Facts) -> Cron:
    """Read all crontabs, and look at what root's name.

    Raises:
        Denied: we may not read those of users.
    """
    tables: dict[str, Crontab] = {}
    for pattern in SYSTEM:
        tables |= {path: parse_crontab(path, text) for path, text in _texts(facts, pattern)}
    tables |= {path: parse_anacrontab(path, text) for path, text in _texts(facts, ANACRON)}
    for pattern in SPOOLS:
        for path, text in _texts(facts, pattern):
            tables[path] = parse_crontab(path, text, path.rpartition("/")[2])
    scripts = {path: text for folder in FOLDERS for path, text in _texts(facts, f"{folder}/*")}
    places, real = parse_places(script(facts.run(_SCRIPT), "list of jobs"))
    return Cron(tables, scripts, places, real)


def _texts(facts: Facts, pattern: str) -> Iterable[tuple[str, str]]:
    found: Texts = facts.texts[pattern]
    return found.items()
