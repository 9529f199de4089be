"""The folder of a recording: which files belong to it, and where a new one may begin."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import chain, pack

MAIN = "main"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
#: What a file is called until all of it is written.
UNFINISHED = ".new"
#: The names of processes: those of pytest-xdist's workers, and `MAIN`.
_PROCESS = re.compile(r"[A-Za-z0-9_-]{1,64}")


def chain_path(folder: Path, process: str) -> Path:
    """Return where the chain of *process* is."""
    return folder / f"{process}{chain.SUFFIX}"


def pack_path(folder: Path, process: str) -> Path:
    """Return where the contents of *process* are."""
    return folder / f"{process}{pack.SUFFIX}"


def is_recording(folder: Path) -> bool:
    """Whether a recording lies in *folder*, whole or not."""
    return chain_path(folder, MAIN).is_file()


def processes(folder: Path) -> list[str]:
    """Return the processes that have a chain in *folder*, `MAIN` first.

    Raises:
        OSError: the folder cannot be read.
    """
    names = [path.name for path in folder.iterdir()]
    found = [name.removesuffix(chain.SUFFIX) for name in names if name.endswith(chain.SUFFIX)]
    return sorted(found, key=lambda name: (name != MAIN, name))


def size(folder: Path) -> int:
    """Return the bytes of all files in *folder*.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(folder) as found:
        return sum(entry.stat(follow_symlinks=False).st_size for entry in found)


def make(folder: Path, process: str) -> None:
    """Make *folder* ready for the chain of *process*.

    Raises:
        EvidenceError: it is not empty, cannot be made, or has no recording for a worker to join.
    """
    if not _PROCESS.fullmatch(process):
        raise EvidenceError(f"expected a process's name of letters, digits, '_' and '-': {process}")
    if process == MAIN:
        _make_empty(folder)
    elif not is_recording(folder):
        raise EvidenceError(f"{folder}: {process} finds no recording to join: no main.chain")
    elif chain_path(folder, process).exists():
        raise EvidenceError(f"{folder}: there already is a recording of {process}")


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise EvidenceError(
                f"{folder}: is not a folder; name a new one, or an empty one"
            ) from None
        _check_empty(folder)
    except FileNotFoundError:
        raise EvidenceError(
            f"{folder}: its parent folder is not there; run: mkdir -p {folder.parent}"
        ) from None
    except OSError as error:
        raise EvidenceError(f"{folder}: cannot be made: {error.strerror}") from error


def _check_empty(folder: Path) -> None:
    try:
        found = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise EvidenceError(f"{folder}: cannot be read: {error.strerror}") from error
    if chain_path(folder, MAIN).name in found:
        raise EvidenceError(
            f"{folder}: already holds a recording, and one is never added to or written over; "
            "name a new folder, or move this one away"
        )
    if found:
        raise EvidenceError(
            f"{folder}: is not empty, it holds {found[0]}; name a new folder, or an empty one"
        )
