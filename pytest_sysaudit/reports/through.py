"""Writing a report into what is no file of its own: standard output, a device, a pipe."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

STANDARD_OUTPUT = Path("/dev/stdout")
_STANDARD = {STANDARD_OUTPUT: 1, Path("/dev/stderr"): 2}
_NUMBERED = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,6})")


def is_shared(path: Path) -> bool:
    """Return whether *path* is written into as it is, since replacing it would destroy it."""
    return _descriptor(path) is not None or (path.exists() and not path.is_file())


def write_through(fill: Callable[[Path], None], path: Path) -> None:
    """Let *fill* write a file, then write what it holds into *path*, in one go.

    Raises:
        OSError: *path* is a folder, or cannot be written.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "report"
        fill(copy)
        with copy.open("rb") as source, _opened(path) as sink:
            shutil.copyfileobj(source, sink)


def _descriptor(path: Path) -> int | None:
    """Return the number of the open file that *path* stands for.

    Behind it may be an ordinary file, in which there is more: `sysaudit ... >> all.csv`.
    """
    match = _NUMBERED.fullmatch(str(path))
    return int(match[1]) if match else _STANDARD.get(path)


def _opened(path: Path) -> IO[bytes]:
    descriptor = _descriptor(path)
    if descriptor is None:
        return path.open("wb")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # it is closed
            stream.flush()  # what was said before stands before it
    return os.fdopen(os.dup(descriptor), "wb")
