"""Files of a host, read by commands: where nothing else may or can."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Command, CommandResult, FileStat

MOST_NAMES = 200_000
_NOT_A_FILE = 77

_READ = """
if [ -e "$1" ] && [ ! -f "$1" ]; then echo 'not a regular file' >&2; exit 77; fi
exec head -c "$2" -- "$1"
"""


class CommandFiles:
    """Reads files with head, stat and find."""

    def __init__(self, name: str, run: Callable[[Command], CommandResult]) -> None:
        self._name = name
        self._run = run

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file."""
        result = self._run(["/bin/sh", "-c", _READ, "sh", path, str(limit + 1)])
        if result.exit_code == _NOT_A_FILE:
            raise CannotAssess(f"{self._name}: {path} is not a regular file")
        if not result.ok:
            raise self._error(path, result)
        return bounded(self._name, path, result.stdout, limit)

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path* itself."""
        result = self._run(["stat", "-c", "%f %u %g %s %Y", "--", path])
        if not result.ok:
            raise self._error(path, result)
        mode, uid, gid, size, mtime = result.out.split()
        return FileStat(
            path=path,
            mode=int(mode, 16),
            uid=int(uid),
            gid=int(gid),
            size=int(size),
            mtime=int(mtime),
        )

    def listdir(self, path: str) -> list[str]:
        """Return the names in the folder *path*."""
        place = f"{path.rstrip('/')}/."
        result = self._run(["find", place, "!", "-name", ".", "-prune", "-print0"])
        if not result.ok:
            raise self._error(path, result)
        found = (os.fsdecode(name) for name in result.stdout.split(b"\0") if name)
        return few_names(self._name, path, (name.removeprefix(f"{place}/") for name in found))

    def _error(self, path: str, result: CommandResult) -> Exception:
        words = first_line(result.err) or f"exit code {result.exit_code}"
        if "No such file" in words or "Not a directory" in words:
            return NotApplicable(f"{self._name}: there is no {path}")
        if "Permission denied" in words or "Operation not permitted" in words:
            return Denied(f"{self._name}: {path} may not be read: {words}")
        return CannotAssess(f"{self._name}: {path} cannot be read: {words}")


def bounded(name: str, path: str, data: bytes, limit: int) -> bytes:
    """Return *data*, unless it is larger than *limit*."""
    if len(data) > limit:
        raise Incomplete(f"{name}: {path} is larger than {limit} bytes")
    return data


def few_names(name: str, path: str, names: Iterable[str]) -> list[str]:
    """Return *names* sorted, unless they are more than one listing may have."""
    found = sorted(names)
    if len(found) > MOST_NAMES:
        raise Incomplete(f"{name}: {path} has more than {MOST_NAMES} names")
    return found
