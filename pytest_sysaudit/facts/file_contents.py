"""What is in files and folders: each costs a process, so each is asked for when it is needed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.facts.paths import shell_path
from pytest_sysaudit.facts.per_key import PerKey
from pytest_sysaudit.facts.reading import ABSENT
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import CommandResult

#: A path and a pattern in one key; a path cannot hold this.
SEPARATOR = "\0"
_LIST = r"""if [ -d "$p" ]; then
[ -r "$p" ] && [ -x "$p" ] || { echo "$p: Permission denied" >&2; exit 1; }
cd -- "$p" || exit
for n in *; do [ -e "$n" ] || [ -L "$n" ] || continue; printf '%s\0' "$n"; done
else
[ -e "$p" ] || [ -L "$p" ] || { ls -d -- "$p"; exit; }
printf '%s\0' "$p"
fi"""


def _fail(path: str, result: CommandResult) -> CannotAssess | NotApplicable:
    """Return what a tool's complaint about *path* stands for; NotApplicable: it is not there."""
    words = first_line(result.err)
    lower = result.err.lower()
    if "permission denied" in lower or "operation not permitted" in lower:
        return Denied(f"{path}: permission denied")
    if "no such file" in lower or "not a directory" in lower:
        return NotApplicable(f"{path}: no such file")
    return CannotAssess(f"{path}: exit code {result.exit_code}: {words or 'no message'}")


class Contents(PerKey[bytes]):
    """``facts.contents["/etc/hostname"]``: the bytes of a file; NotApplicable if there is none."""

    NAME = "contents"

    @classmethod
    def line(cls, key: str) -> Sequence[str]:
        """Return the command that prints the file."""
        return ["cat", "--", shell_path(key)]

    @classmethod
    def row(cls, key: str, result: CommandResult) -> bytes:
        """Return its bytes; a file that could be read in part only is none."""
        if not result.ok:
            raise _fail(key, result)
        return result.stdout


class _Digests(PerKey[str]):
    TOOL = ""
    LENGTH = 0

    @classmethod
    def line(cls, key: str) -> str:
        return f"{cls.TOOL} < {shlex.quote(shell_path(key))}"

    @classmethod
    def row(cls, key: str, result: CommandResult) -> str:
        if not result.ok:
            raise _fail(key, result)
        digest = result.out.split()[0]
        if len(digest) != cls.LENGTH:
            raise ValueError("not a digest")
        return digest


class Md5(_Digests):
    """``facts.md5[path]``: the MD5 digest of a file, as hexadecimal digits."""

    NAME, TOOL, LENGTH = "md5", "md5sum", 32


class Sha256(_Digests):
    """``facts.sha256[path]``: the SHA-256 digest of a file, as hexadecimal digits."""

    NAME, TOOL, LENGTH = "sha256", "sha256sum", 64


class RealPaths(PerKey[str]):
    """``facts.real_paths[path]``: the path without any link in it; its last part need not exist."""

    NAME = "real_paths"

    @classmethod
    def line(cls, key: str) -> str:
        """Return the commands that resolve it, and that say why they cannot: readlink does not.

        readlink follows a link into a folder that we may not enter without a word.
        """
        path = shlex.quote(shell_path(key))
        return (
            f"p={path}; if [ -e $p ]; then readlink -f $p; else ls -dL -- $p >/dev/null; "
            f"readlink -f $p || exit {ABSENT}; fi".replace("$p", '"$p"')
        )

    @classmethod
    def row(cls, key: str, result: CommandResult) -> str:
        """Return the path that readlink printed."""
        if "permission denied" in result.err.lower():
            raise Denied(f"{key}: permission denied")
        if result.exit_code == ABSENT:
            raise NotApplicable(f"{key}: it leads to no file")
        if not result.ok:
            raise _fail(key, result)
        return result.out.removesuffix("\n")


class Listings(PerKey[tuple[str, ...]]):
    """``facts.listings[path]``: the names in a folder but hidden ones, sorted.

    Of a file it is the path itself, as ls has it. Names that are not UTF-8 hold surrogates, as
    `os.fsdecode` makes them, so that they can be asked about.
    """

    NAME = "listings"

    @classmethod
    def line(cls, key: str) -> str:
        """Return the shell lines that print the names, each with a NUL behind it."""
        return f"p={shlex.quote(shell_path(key))}\n{_LIST}"

    @classmethod
    def row(cls, key: str, result: CommandResult) -> tuple[str, ...]:
        """Return the names."""
        if not result.ok:
            raise _fail(key, result)
        text = result.stdout.decode("utf-8", "surrogateescape")
        return tuple(name for name in text.split("\0") if name)


class Matches(PerKey[bool]):
    """``facts.matches[path + SEPARATOR + pattern]``: whether grep finds the pattern in the file."""

    NAME = "matches"
    NULS = 1

    @classmethod
    def line(cls, key: str) -> Sequence[str]:
        """Return the command that looks for a basic regular expression."""
        path, _, pattern = key.partition(SEPARATOR)
        return ["grep", "-q", "--", pattern, shell_path(path)]

    @classmethod
    def row(cls, key: str, result: CommandResult) -> bool:
        """Return what grep found; only 1 is its "no"."""
        if result.exit_code not in (0, 1):
            raise _fail(key.partition(SEPARATOR)[0], result)
        return result.ok
