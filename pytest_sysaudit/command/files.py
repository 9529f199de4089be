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
        OSError: it cannot be written; nothing is left of it then. It names *path* and the way out.
    """
    if not force and os.path.lexists(path):
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _write(path, text, force=force)
    except OSError as error:
        why = f"cannot be written: {error.strerror or error}; name another place"
        raise OSError(error.errno, why, str(path)) from error


def _write(path: Path, text: str, *, force: bool) -> bool:
    temporary = path.parent / f".sysaudit-{secrets.token_hex(6)}.tmp"
    try:
        temporary.write_text(text, "utf-8")
        if force:
            temporary.replace(path)
        else:
            _place(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _place(temporary: Path, path: Path) -> None:
    """Give *temporary* its name; unlike a rename, this never replaces what just came."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: FAT, some shared folders
        path.open("x").close()
        temporary.replace(path)


def repository(folder: Path) -> Path | None:
    """Return the top of the git repository that *folder* is in."""
    folder = folder.resolve()
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)
