"""A chain of records: each line begins with a hash over itself and all before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pytest_sysaudit.evidence.canonical import canonical
from pytest_sysaudit.evidence.growing import GrowingFile
from pytest_sysaudit.record import Plain

SUFFIX = ".chain"
#: What stands before the first record.
ZEROS = "0" * 64
#: Where the JSON of a line begins: after the hash and a space.
HEAD = 65
#: The kinds of records: each is an object with one of these as its only key.
RECORDS = ("begin", "control", "end", "note", "observation", "plan", "result", "seal")


class Link(NamedTuple):
    """Where a chain stands: the hash of its last record, and how many records it has."""

    hash: str
    records: int


def link(before: str, record: bytes) -> str:
    """Return the hash of *record*, which stands behind the record with the hash *before*."""
    return hashlib.sha256(before.encode("ascii") + b" " + record).hexdigest()


class Chain:
    """A chain that is being written; one thread at a time.

    Args:
        path: the file, which must not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._file = GrowingFile(path, Link(ZEROS, 0))

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def size(self) -> int:
        """Bytes of its whole records."""
        return self._file.size

    @property
    def last(self) -> Link:
        """Where it stands."""
        return self._file.state

    def add(self, kind: str, value: Plain) -> None:
        """Add a record of *kind*, one of `RECORDS`.

        Raises:
            OSError: it cannot be written.
        """
        self.add_record(record_of(kind, value))

    def add_record(self, record: bytes) -> None:
        """Add a record as `record_of` gives it.

        Raises:
            OSError: it cannot be written.
        """
        self._file.settle()
        hash_, records = self._file.state
        now = link(hash_, record)
        self._file.append(b"%b %b\n" % (now.encode("ascii"), record), Link(now, records + 1))

    def sync(self) -> None:
        """Wait until it is on the disk."""
        self._file.sync()

    def close(self) -> None:
        """Write no more; calling it again does nothing."""
        self._file.close()


def record_of(kind: str, value: Plain) -> bytes:
    """Return the JSON of a record."""
    return canonical({kind: value})


def lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    r"""Yield offset and bytes, without ``\n``, of each whole line of a chain."""
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        yield at, data[at:end]
        at = end + 1


def kind_of(record: bytes) -> str:
    """Return the kind of *record*, looking at its beginning only; "" if it is none."""
    end = record.find(b'":', 2, 16)
    return record[2:end].decode("ascii", "replace") if record[:2] == b'{"' and end > 0 else ""
