"""A pack of contents: each once, as a gzip member of its own."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence.canonical import sha256
from pytest_sysaudit.evidence.growing import GrowingFile
from pytest_sysaudit.record import Plain

SUFFIX = ".objects.gz"
#: zlib's word for the gzip format.
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 6
#: So many bytes of a content are in memory at once while it is checked.
_PIECE = 1 << 20
#: Contents up to this size need no more than a small table to be packed.
_SMALL, _SMALL_GZIP, _SMALL_MEMORY = 1 << 13, 16 + 13, 5


@dataclass(frozen=True, slots=True)
class Packed:
    """Where a content stands in a pack.

    Attributes:
        sha256: of the content.
        size: of the content.
        at: where its member begins.
        packed: bytes of its member.
        packed_sha256: of its member.
    """

    sha256: str
    size: int
    at: int
    packed: int
    packed_sha256: str

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        return {
            "sha256": self.sha256,
            "size": self.size,
            "at": self.at,
            "packed": self.packed,
            "packed_sha256": self.packed_sha256,
        }


class Pack:
    """A pack that is being written; one thread at a time.

    Attributes:
        known: what is in it, by the sha256 of the content.
    """

    def __init__(self, path: Path) -> None:
        self._file: GrowingFile[Packed | None] = GrowingFile(path, None)
        self.known: dict[str, Packed] = {}
        self._unnamed: dict[str, Packed] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def size(self) -> int:
        """Bytes of its whole members."""
        return self._file.size

    @property
    def unnamed(self) -> list[Packed]:
        """What no record names: whoever added it was interrupted."""
        self._settle()
        return list(self._unnamed.values())

    def add(self, content_sha256: str, size: int, member: bytes) -> Packed:
        """Add the *member* that `compress` made of a content, unless it is there.

        Raises:
            OSError: it cannot be written.
        """
        self._settle()
        if (known := self.known.get(content_sha256)) is not None:
            return known
        packed = Packed(content_sha256, size, self._file.size, len(member), sha256(member))
        self._file.append(member, packed)
        self._register()
        return packed

    def named(self, packed: Packed) -> None:
        """Take note that a record names *packed*."""
        self._unnamed.pop(packed.sha256, None)

    def _settle(self) -> None:
        self._file.settle()
        self._register()

    def _register(self) -> None:
        last = self._file.state
        if last is not None and last.sha256 not in self.known:
            self._unnamed[last.sha256] = last
            self.known[last.sha256] = last

    def sync(self) -> None:
        """Wait until it is on the disk."""
        self._file.sync()

    def close(self) -> None:
        """Write no more; calling it again does nothing."""
        self._file.close()


def compress(content: bytes) -> bytes:
    """Return *content* as a gzip member, the same for the same content."""
    if len(content) <= _SMALL:
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _SMALL_GZIP, _SMALL_MEMORY)
    else:
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(content) + packer.flush()


def unpack(member: bytes, packed: Packed) -> bytes:
    """Return the content of *member*.

    Raises:
        EvidenceError: it is not what *packed* says.
    """
    return b"".join(_pieces(member, packed))


def check(member: bytes, packed: Packed) -> None:
    """Check the content of *member*, of which never all is in memory, as `unpack` does."""
    for _ in _pieces(member, packed):
        pass


def _pieces(member: bytes, packed: Packed) -> Iterator[bytes]:
    """Yield the content of *member*, and check it at the end; raises as `unpack` does."""
    if hashlib.sha256(member).hexdigest() != packed.packed_sha256:
        raise EvidenceError(
            f"expected a member of {packed.packed} bytes with sha256 {packed.packed_sha256}"
        )
    unpacker, hash_, size, rest = zlib.decompressobj(_GZIP), hashlib.sha256(), 0, member
    while rest and size <= packed.size and not unpacker.eof:
        try:
            piece = unpacker.decompress(rest, min(_PIECE, packed.size + 1 - size))
        except zlib.error as error:
            raise EvidenceError(f"is no gzip member: {error}") from error
        rest, size = unpacker.unconsumed_tail, size + len(piece)
        hash_.update(piece)
        yield piece
    if not unpacker.eof or unpacker.unused_data or rest:
        raise EvidenceError(f"expected one gzip member of {packed.size} bytes of content")
    if size != packed.size or hash_.hexdigest() != packed.sha256:
        raise EvidenceError(
            f"its content is not the {packed.size} bytes with sha256 {packed.sha256}"
        )
