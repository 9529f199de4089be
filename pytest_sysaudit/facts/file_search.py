"""One search of all local file systems, for the files that no owner and mode should have."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.facts.file_stats import FileFact
from pytest_sysaudit.facts.found_files import ACTION, complaint, parse_records
from pytest_sysaudit.facts.local_trees import LEFT_OUT, below, starting_points
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.accounts import Accounts
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.mounts import Mounts

USES = ("mounts", "accounts")
#: Seconds for the whole search.
DEADLINE = 300.0
#: Bytes that it may print; a host with more findings than that is told of so many.
LIMIT = 1 << 23
#: How many ids are named to find; it asks the host's data bases for the others.
MOST_IDS = 1000
#: Containers of users: the numbers there are those of users within, unless they are of this host.
ROOTLESS = "/home/*/.local/share/containers/*"
#: Below this number are accounts of the host itself, and above it what it lends to containers.
LENT = 65536
#: Where everybody may put files.
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - these folders are what is judged
LOGS = "/var/log"
_RUNS = r"\( -perm -0100 -o -perm -0010 -o -perm -0001 \)"
_LAX = " -o ".join(f"-perm -{bit:04o}" for bit in (0o001, 0o002, 0o004, 0o010, 0o020))
_WHOLE = re.compile(r"(.*)@end (\d+)\n", re.DOTALL)
_NOT_SUPPORTED = re.compile(r"not supported|no such file|no data", re.IGNORECASE)
_GETCAP = "Failed to get capabilities"


@dataclass(frozen=True, slots=True)
class FileSearch:
    """What was found.

    Attributes:
        files: every file and folder that one of the checks may ask for, sorted by path: set-uid
            and set-gid files, what everybody may write, what is of nobody known by name, programs
            in folders for temporary files, logs that are open to more than their group.
        capabilities: what getcap printed; None if the host has no getcap.
        unseen: why the search is not whole; "" if it is.
        searched: where it began.
    """

    files: tuple[FileFact, ...]
    capabilities: str | None = None
    unseen: str = ""
    searched: tuple[str, ...] = ("/",)

    def with_any(self, bits: int) -> tuple[FileFact, ...]:
        """Return the regular files with one of *bits*: 0o4000 is set-uid, 0o2000 set-gid."""
        return tuple(f for f in self.files if f.kind == "regular file" and f.mode & bits)

    def open_folders(self) -> tuple[FileFact, ...]:
        """Return the folders that everybody may write to, and that have no sticky bit."""
        folders = (f for f in self.files if f.kind == "directory")
        return tuple(f for f in folders if f.mode & 0o002 and not f.mode & 0o1000)

    def programs(self) -> tuple[FileFact, ...]:
        """Return the files that can be run in the folders for temporary files."""
        return tuple(f for f in self.with_any(0o111) if below(f.path, TEMPORARY))

    def logs(self) -> tuple[FileFact, ...]:
        """Return the log files that others may read, or that more than the owner may write."""
        return tuple(f for f in self.with_any(0o037) if below(f.path, (LOGS,)))

    def require_all(self) -> None:
        """Say that nothing was overlooked; raises Incomplete otherwise."""
        if self.unseen:
            raise Incomplete(f"the search of the file systems is not whole: {self.unseen}")


def within_containers(file: FileFact) -> bool:
    """Whether *file* means something only in a container of a user: neither id is of this host."""
    return fnmatchcase(file.path, ROOTLESS) and min(file.uid, file.gid) >= LENT


def but(files: Iterable[FileFact], allowed: Iterable[str]) -> list[FileFact]:
    """Return *files* without those that *allowed* names: paths, or patterns as ``/srv/*``."""
    patterns = tuple(allowed)
    return [f for f in files if not any(f.path == p or fnmatchcase(f.path, p) for p in patterns)]


def command(starts: Sequence[str], accounts: Accounts | None = None) -> Script:
    """Return the one search below *starts*, each without what is mounted further below.

    What it does with a file counts as no match, so that programs are shown to getcap as well; in
    brackets, busybox would forget the last of them.

    Args:
        starts: mount points.
        accounts: the local accounts, whose files are of somebody; None: owners are not judged.
    """
    wanted = [
        r"-type f \( -perm -4000 -o -perm -2000 -o -perm -0002 \)",
        "-type d -perm -0002",
        rf"-type f {_RUNS} \( {_paths(f'{folder}/*' for folder in TEMPORARY)} \)",
        rf"-type f \( {_LAX} \) -path '{LOGS}/*'",
    ]
    if accounts is not None:
        wanted += [
            _of_nobody("$u", "$n", (user.uid for user in accounts.users)),
            _of_nobody("$g", "$m", (group.gid for group in accounts.groups)),
        ]
    return Script(
        f"""{ACTION}
set -- \\( {" -o ".join(wanted)} \\) "$@"
c=no
if command -v getcap >/dev/null; then
c=yes
set -- "$@" ! -path '/*' -o -type f {_RUNS} -exec sh -c \
'printf =; getcap "$@"; printf "@%s\\0" $?' sh {{}} +
fi
{{ id -u
echo $c
find {shlex.join(starts)} -xdev -type d \\( {_paths(LEFT_OUT)} \\) -prune -o "$@"
echo "@end $?"; }} | head -c {LIMIT}"""
    )


def programs_command(starts: Sequence[str]) -> Script:
    """Return the command that prints every file below *starts* that can be run, and a NUL."""
    pruned = rf"-type d \( {_paths(LEFT_OUT)} \) -prune"
    return Script(f"find {shlex.join(starts)} -xdev {pruned} -o -type f {_RUNS} -print0")


def _paths(patterns: Iterable[str]) -> str:
    return " -o ".join(f"-path {shlex.quote(pattern)}" for pattern in patterns)


def _of_nobody(test: str, unnamed: str, ids: Iterable[int]) -> str:
    """Return find's words for "of an id that is not among *ids*, and that nobody names".

    Most files are root's, so that comes first. A plain -nouser is asked of every file, wherever it
    stands, and takes four times as long as all the rest.
    """
    known = list(dict.fromkeys((0, *ids)))[:MOST_IDS]
    named = " -o ".join(f"{test} {number}" for number in known)
    return rf"! {test} 0 ! \( {named} {unnamed} \)"


def parse(
    result: CommandResult, starts: Sequence[str] = ("/",), elsewhere: Iterable[str] = ()
) -> FileSearch:
    """Parse the output of `command`.

    Args:
        result: what it gave.
        starts: where it began.
        elsewhere: mount points that are not searched: what find cannot do there is no fault.

    Raises:
        Incomplete: the end mark is missing, and not for too many findings.
    """
    uid, _, rest = result.expect(0).out.partition("\n")
    getcap, _, rest = rest.partition("\n")
    whole = _WHOLE.fullmatch(rest)
    cut = whole is None and len(result.stdout) >= LIMIT
    if whole is None and not cut:
        raise Incomplete("find: the output is not whole (its end mark is missing)")
    if whole is not None and whole[2] not in ("0", "1"):
        raise CannotAssess(f"find: exit code {whole[2]}: {first_line(result.err) or 'no message'}")
    *records, end = (whole[1] if whole else rest).split("\0")
    if end and not cut:
        raise ValueError("find: a record without an end")
    files = parse_records(record for record in records if not record.startswith("="))
    unseen = "more was found than may be sent" if cut else _unseen(result.err, elsewhere)
    if not unseen and uid != "0":
        unseen = "it needs root"
    texts = "".join(_capabilities(record) for record in records if record.startswith("="))
    return FileSearch(files, texts if getcap == "yes" else None, unseen, tuple(starts))


def _unseen(messages: str, elsewhere: Iterable[str]) -> str:
    every = messages.splitlines()
    of_getcap = [line for line in every if _GETCAP in line and not _NOT_SUPPORTED.search(line)]
    of_find = "\n".join(line for line in every if _GETCAP not in line)
    return complaint(of_find, elsewhere) or (of_getcap[0] if of_getcap else "")


def _capabilities(record: str) -> str:
    text, _, code = record[1:].rpartition("@")
    if code not in ("0", "1"):
        raise ValueError("getcap failed")
    return text


def read(facts: Facts) -> FileSearch:
    """Search; it takes seconds for every million files."""
    mounts: Mounts = facts.mounts
    starts = starting_points(mounts)
    try:
        accounts: Accounts | None = facts.accounts
    except CannotAssess:  # who asks for files of nobody is told
        accounts = None
    result = facts.run(command(starts, accounts), timeout=DEADLINE)
    return parse(result, starts, {mount.path for mount in mounts} - set(starts))
