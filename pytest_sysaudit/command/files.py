"""Writing a file of the user's: never over one that is there, and never half."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_new(path: Path, text: str, *, force: bool = False) -> bool:
    """Write *text* to *path*; its folders are made.

    Args:
        path: the file.
        text: what it is to hold.
        force: whether a file that is there is replaced.

    Returns:
        Whether it was written: False if something is there, a broken link too.

    Raises:
        OSError: it cannot be written; nothing is left of it then.
    """
    if not force and os.path.lexists(path):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".sysaudit-{secrets.token_hex(6)}.tmp"
    try:
        temporary.write_text(text, "utf-8")
        if force:
            temporary.replace(path)
        else:
            os.link(temporary, path)  # unlike a rename, it never replaces what just came
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True
