"""A file that only grows, by whole pieces, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class GrowingFile(Generic[T]):
    """Takes pieces, and remembers for each what is true once it stands in the file.

    A signal may end `append` anywhere, and a disk may take half a piece. The next call looks at
    what the file really holds: the piece was written, or what there is of it is taken off.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, state: T) -> None:
        """Make the file, which must not be there yet, readable by its owner alone."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.path = path
        self._descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
        self._whole: tuple[int, T] = (0, state)
        self._next: tuple[int, T] | None = None

    @property
    def size(self) -> int:
        """Bytes of whole pieces."""
        return self._whole[0]

    @property
    def state(self) -> T:
        """What the last whole piece left."""
        return self._whole[1]

    def settle(self) -> None:
        """Make what is known and what is in the file the same."""
        size = os.fstat(self._descriptor).st_size
        if size == self._whole[0]:
            self._next = None
        elif self._next is not None and size == self._next[0]:
            self._whole, self._next = self._next, None
        else:
            os.ftruncate(self._descriptor, self._whole[0])
            self._next = None

    def append(self, piece: bytes, state: T) -> None:
        """Add *piece*; *state* is true from then on. Call `settle` before.

        Raises:
            OSError: the file takes it no more; then it is as it was.
        """
        self._next = (self._whole[0] + len(piece), state)
        try:
            rest = memoryview(piece)
            while rest:  # one call, unless the disk is full: then the next one says so
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self._next = None
            with contextlib.suppress(OSError):
                self.settle()
            raise
        self._whole, self._next = self._next, None

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Take no more; calling it again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
