"""Walking through a pack: member after member, each named by a record, nothing in between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence.pack import Packed, check
from pytest_sysaudit.evidence.verify_chain import GONE, Broken


def walk_pack(path: Path, named: Mapping[int, tuple[int, Packed]], *, whole: bool) -> int:
    """Check all contents of the pack at *path*; returns how many there are.

    Args:
        path: the file.
        named: what the chain names of it, by where it begins, each with the line.
        whole: whether every byte must be named; else there may be more at the end, which was
            written for a record that was not.

    Raises:
        Broken: at the first byte that is not as it was written.
        OSError: it cannot be read.
    """
    if not path.exists():
        raise Broken(path, "", GONE)
    at = 0
    with path.open("rb") as file:
        for start, (line, packed) in sorted(named.items()):
            if start != at:
                more = f"{start - at} bytes that no record names" if start > at else "an overlap"
                raise Broken(path, f"byte {min(start, at)}", f"expected a content, found {more}")
            member = file.read(packed.packed)
            if len(member) < packed.packed:
                raise Broken(
                    path,
                    f"byte {at}",
                    f"expected the {packed.packed} bytes that line {line} of its chain names, "
                    f"found {len(member)}",
                )
            try:
                check(member, packed)
            except EvidenceError as error:
                raise Broken(path, f"byte {at} (named in line {line})", str(error)) from error
            at += packed.packed
        rest = len(file.read(1)) if whole else 0
    if rest:
        raise Broken(path, f"byte {at}", "expected its end, found bytes that no record names")
    return len(named)
