"""The end of a recording: what ended processes left half done, and the manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.evidence import manifest
from pytest_sysaudit.evidence.chain import HEAD, kind_of, lines
from pytest_sysaudit.evidence.records import packed_of, value_of
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.signing import SigningKey


#: How a note begins that says why nothing follows.
STOPPED = "writing stopped: "


def tidy(folder: Path) -> list[str]:
    """Take off what workers that were ended had half written; returns what was done.

    Raises:
        OSError: a file cannot be read or changed.
        EvidenceError: a chain is not what was written.
    """
    done = []
    for process in files.processes(folder):
        if process == files.MAIN:
            continue
        path, pack = files.chain_path(folder, process), files.pack_path(folder, process)
        content = path.read_bytes()
        records = [line[HEAD:] for _, line in lines(content)]
        if "end" in map(kind_of, records[-2:]):
            continue
        values = [value_of(record)[1] for record in records]
        named = max((p.at + p.packed for value in values for p in packed_of(value)), default=0)
        whole = content.rfind(b"\n") + 1
        lost, unnamed = len(content) - whole, pack.stat().st_size - named
        os.truncate(path, whole)
        os.truncate(pack, named)
        done.append(
            f"{process} ended before it closed its part{_why(values)}; what it had only begun to "
            f"write was taken off: {lost} bytes of {path.name}, {unnamed} bytes of {pack.name}"
        )
    return done


def _why(values: Sequence[Mapping[str, Plain]]) -> str:
    """Return what the last record of a part says of why nothing follows."""
    text = str(values[-1].get("text", "")) if values else ""
    return f" ({text})" if text.startswith(STOPPED) else ""


def write_manifest(folder: Path, run: str, ended: str, key: SigningKey | None) -> None:
    """Write the manifest of all that is in *folder*, and sign it if there is a *key*.

    Raises:
        OSError: a file cannot be read or written.
    """
    names = files.processes(folder)
    manifest.write(
        folder,
        run=run,
        ended=ended,
        chains=[_chain(files.chain_path(folder, name)) for name in names],
        packs=[_pack(files.pack_path(folder, name)) for name in names],
        key=key,
    )


def _chain(path: Path) -> dict[str, Plain]:
    content = path.read_bytes()
    start = content.rfind(b"\n", 0, -1) + 1
    return {
        "name": path.name,
        "records": content.count(b"\n"),
        "last": content[start : start + HEAD - 1].decode("ascii", "replace"),
        "size": len(content),
    }


def _pack(path: Path) -> dict[str, Plain]:
    size, sha256 = manifest.file_sha256(path)
    return {"name": path.name, "size": size, "sha256": sha256}
