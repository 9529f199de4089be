"""The manifest of a recording: what a finished one consists of, and who signed that."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.evidence.canonical import canonical, sha256
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.signing import SigningKey

FORMAT = "sysaudit-evidence/1"
#: What stands before what is signed, so that no signature can be used for something else.
SIGNED_MANIFEST = b"sysaudit-evidence/1 manifest\n"
SIGNED_SEAL = b"sysaudit-evidence/1 seal\n"


def write(  # noqa: PLR0913 - all of it is said
    folder: Path,
    *,
    run: str,
    ended: str,
    chains: Sequence[Mapping[str, Plain]],
    packs: Sequence[Mapping[str, Plain]],
    key: SigningKey | None,
) -> None:
    """Write the manifest, and its signature before it.

    Args:
        folder: of the recording.
        run: the id of the run.
        ended: when, UTC ISO 8601.
        chains: ``name``, ``records``, ``last`` (hash) and ``size`` of each.
        packs: ``name``, ``size`` and ``sha256`` of each.
        key: what signs it; None: nothing does.

    Raises:
        OSError: it cannot be written.
    """
    body: dict[str, Plain] = {
        "format": FORMAT,
        "run": run,
        "ended": ended,
        "chains": list(chains),
        "packs": list(packs),
        "key": key.public if key else None,
    }
    content = canonical({**body, "sha256": sha256(canonical(body))}) + b"\n"
    if key is not None:
        signature = {
            "algorithm": "ed25519",
            "key": key.public,
            "signature": key.sign(SIGNED_MANIFEST + content),
        }
        _write(folder / files.SIGNATURE, canonical(signature) + b"\n")
    _write(folder / files.MANIFEST, content)


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there only once all of it is."""
    new = path.with_name(path.name + files.UNFINISHED)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)  # the name too is to outlive a loss of power
    finally:
        os.close(folder)


def read(content: bytes) -> dict[str, Plain]:
    """Return what the manifest with these bytes says, if it is whole.

    Raises:
        EvidenceError: it is not what it was written as.
    """
    found = read_canonical(content)
    if found.get("format") != FORMAT:
        raise EvidenceError(f"expected the format {FORMAT}, found {found.get('format')!r}")
    body = {name: value for name, value in found.items() if name != "sha256"}
    expected = sha256(canonical(body))
    if found.get("sha256") != expected:
        raise EvidenceError(f"expected the sha256 {expected}, found {found.get('sha256')}")
    return found


#: What an entry of ``chains`` and of ``packs`` says.
_ENTRIES: Mapping[str, Mapping[str, type]] = {
    "chains": {"name": str, "records": int, "last": str, "size": int},
    "packs": {"name": str, "size": int, "sha256": str},
}


def check_shape(found: Mapping[str, Plain]) -> None:
    """Check that a manifest says what it must, and nothing else.

    Raises:
        EvidenceError: it does not.
    """
    keys = {"format", "run", "ended", "key", "sha256", *_ENTRIES}
    if found.keys() != keys:
        raise EvidenceError(f"expected {', '.join(sorted(keys))}; found {', '.join(found)}")
    for name, shape in _ENTRIES.items():
        entries = found[name]
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, dict) or {k: type(v) for k, v in entry.items()} != shape:
                raise EvidenceError(f"{name}: expected {', '.join(shape)} of each, found {entry}")


def read_canonical(content: bytes) -> dict[str, Plain]:
    """Return the object that is written as *content*, in the one form that it has.

    Raises:
        EvidenceError: it is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise EvidenceError("expected a JSON object")
    expected = canonical(found) + b"\n"
    if content != expected:
        pairs = enumerate(zip(content, expected, strict=False))
        at = next((n for n, (a, b) in pairs if a != b), min(len(content), len(expected)))
        raise EvidenceError(f"byte {at}: is not canonical JSON and a newline")
    return found


def file_sha256(path: Path) -> tuple[int, str]:
    """Return size and SHA-256 of the file at *path*.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest()
