"""Whether a file is still the one that a person has looked at."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pytest_sysaudit.compliance.regular import open_regular
from pytest_sysaudit.text import printable


def fault_of(path: Path, sha256: str) -> str:
    """Return why the file at *path* does not prove what was seen; "" if it does.

    Args:
        path: the file.
        sha256: the hash that it had, in lower-case hex.
    """
    name = printable(path.name)
    try:
        with open_regular(path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return f"the evidence file {name} is not there"
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return f"the evidence file {name} cannot be read: {why}"
    if found == sha256:
        return ""
    return f"the evidence file {name} has changed since: its sha256 is {found}"
