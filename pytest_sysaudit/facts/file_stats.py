"""Owner and mode of the files that checks want to know about, all in one command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.accounts import Accounts
    from pytest_sysaudit.facts.base import Facts

#: Paths, and patterns whose matches are asked for.
PATHS = (
    "/etc/ssh",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d",
    "/etc/ssh/sshd_config.d/*",
    "/etc/ssh/ssh_host_*_key",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/sudoers.d/*",
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/group",
    "/etc/group-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/etc/cron.yearly",
    "/etc/anacrontab",
    "/etc/crontabs",
    "/etc/periodic",
    "/etc/cron.d/*",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/etc/cron.yearly/*",
    "/etc/crontabs/*",
    "/etc/periodic/*",
    "/etc/periodic/15min/*",
    "/etc/periodic/hourly/*",
    "/etc/periodic/daily/*",
    "/etc/periodic/weekly/*",
    "/etc/periodic/monthly/*",
    "/etc/hosts.equiv",
    "/etc/ssh/shosts.equiv",
    "/etc/ld.so.conf.d/*",
    "/var/log",
    "/boot/grub/grub.cfg",
    "/boot/grub/user.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/grub2/user.cfg",
)
#: The character of ``ls -l`` that is + where there is an access control list.
_ACL = 10
#: Our script's exit code where ls failed.
_NO_LISTS = 44
_FAILED = re.compile(r"stat: .*?'?(/[^':\n]*)'?: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FileFact:
    """One file, or what a link leads to; ``kind`` is what stat calls it: ``regular file``.

    ``acl`` says that an access control list grants more than the mode tells.
    """

    path: str
    mode: int
    uid: int
    gid: int
    kind: str
    acl: bool = False

    def laxer_than(self, allowed: int) -> bool:
        """Whether it has a permission bit that *allowed*, as 0o640, has not, or an access list."""
        return self.acl or bool(self.mode & ~allowed)

    def describe(self, accounts: Accounts) -> str:
        """Return its mode and owners as ``0640 root:shadow``; an access list adds a word."""
        owner, group = accounts.user_name(self.uid), accounts.group_name(self.gid)
        return f"{self.mode:04o} {owner}:{group}" + (" with an access list" if self.acl else "")


@dataclass(frozen=True, slots=True)
class FileStats:
    """What is known about the asked paths: facts, or that a path is not there, or is denied."""

    found: Mapping[str, FileFact]
    denied: frozenset[str] = frozenset()
    asked: tuple[str, ...] = PATHS

    def __getitem__(self, path: str) -> FileFact:
        if path in self.found:
            return self.found[path]
        if path in self.denied:
            raise Denied(f"{path}: permission denied; reading it needs root")
        if path not in self.asked:
            raise CannotAssess(f"{path}: not among the paths that file_stats asks for")
        raise NotApplicable(f"{path}: no such file")

    def __iter__(self) -> Iterator[FileFact]:
        return iter(self.found.values())

    def exists(self, path: str) -> bool:
        """Whether *path*, one of those asked for, is there; Denied where that is not told."""
        try:
            return bool(self[path])
        except NotApplicable:
            return False

    def matching(self, pattern: str) -> tuple[FileFact, ...]:
        """Return the files that *pattern*, one of those asked for, fits; none is an answer too.

        Raises:
            Denied: the folder may not be listed.
        """
        folder = pattern.rsplit("/", 1)[0]
        if pattern not in self.asked:
            raise CannotAssess(f"{pattern}: not among the patterns that file_stats asks for")
        if {folder, pattern} & self.denied:
            raise Denied(f"{folder}: permission denied; listing it needs root")
        return tuple(f for f in self.found.values() if fnmatchcase(f.path, pattern))


def command(paths: tuple[str, ...] = PATHS) -> Script:
    """Return the shell lines that ask for *paths*: folders of patterns are looked at first."""
    words, folders = [], []
    for path in paths:
        folder, _, name = path.rpartition("/")
        words.append(f"{shlex.quote(folder)}/{name}" if "*" in name else shlex.quote(path))
        if "*" in name and folder not in folders:
            folders.append(folder)
    tests = [
        f"[ ! -e {f} ] || {{ [ -r {f} ] && [ -x {f} ]; }} || echo {f}"
        for f in map(shlex.quote, folders)
    ]
    # beyond these codes a tool was killed, or is not there
    asks = f"stat -L -c '%a %u %g %n|%F' {' '.join(words)} || [ $? = 1 ] || exit"
    lists = f"ls -ldL {' '.join(words)} 2>/dev/null || [ $? -le 2 ] || exit {_NO_LISTS}"
    return Script("\n".join([*tests, "echo @stat", asks, "echo @acl", lists, "echo @end"]))


def parse(result: CommandResult, asked: tuple[str, ...] = PATHS) -> FileStats:
    """Parse the output of `command`: unreadable folders, stat lines, and stat's complaints.

    Raises:
        CannotAssess: it is cut, or stat complains about something else than a missing or
            forbidden file.
    """
    if result.exit_code == _NO_LISTS:
        raise CannotAssess("ls does not say which files have an access control list")
    lines = complete("stat", script(result, "stat"), "@end")
    middle, after = lines.index("@stat"), lines.index("@acl")
    facts = parse_lines("stat", "\n".join(lines[middle + 1 : after]), _line)
    lists = {x[x.index(" /") + 1 :] for x in lines[after + 1 :] if x[_ACL : _ACL + 1] == "+"}
    denied = set(lines[:middle])
    for path, why in _FAILED.findall(result.err):
        if "Permission denied" in why:
            denied.add(path)
        elif "No such file" not in why and "Not a directory" not in why:
            raise CannotAssess(f"stat {path}: {why}")
    if not facts and not denied:
        raise CannotAssess("stat: it says nothing about any file; is the tool there?")
    found = {fact.path: replace(fact, acl=fact.path in lists) for fact in facts}
    return FileStats(found, frozenset(denied), asked)


def _line(line: str) -> FileFact:
    mode, uid, gid, rest = line.split(" ", 3)
    path, _, kind = rest.rpartition("|")
    if not path.startswith("/"):
        raise ValueError("not a path")
    return FileFact(path, int(mode, 8), int(uid), int(gid), kind.replace("empty file", "file"))


ASKS: tuple[Command, ...] = (command(),)


def read(facts: Facts) -> FileStats:
    """Ask for `PATHS`."""
    return parse(facts.run(command()))
