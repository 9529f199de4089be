"""Whether a file is still the one that a person has looked at."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from pytest_sysaudit.text import printable

_PIECE = 1 << 20


def fault_of(path: Path, sha256: str) -> str:
    """Return why the file at *path* does not prove what was seen; "" if it does.

    Args:
        path: the file.
        sha256: the hash that it had, in lower-case hex.
    """
    name = printable(path.name)
    try:
        found = _hash(path)
    except FileNotFoundError:
        return f"the evidence file {name} is not there"
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return f"the evidence file {name} cannot be read: {why}"
    if found == sha256:
        return ""
    return f"the evidence file {name} has changed since: its sha256 is {found}"


def _hash(path: Path) -> str:
    """Return the hash of a regular file; a pipe would keep us waiting."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        digest = hashlib.sha256()
        while piece := file.read(_PIECE):
            digest.update(piece)
        return digest.hexdigest()
