"""Long answers, kept as evidence in a fraction of their length."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

from pytest_sysaudit.transport.base import CommandResult

#: Answers up to this length are kept as they came, in bytes.
SMALL = 1 << 14
#: The fastest: text like this shrinks to a third already.
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Packed:
    """A result whose output is compressed."""

    result: CommandResult
    stdout: bytes
    stderr: bytes

    def unpack(self) -> CommandResult:
        """Return the result as it came."""
        out, err = zlib.decompress(self.stdout), zlib.decompress(self.stderr)
        return replace(self.result, stdout=out, stderr=err)


def pack(result: CommandResult) -> CommandResult | Packed:
    """Return what stands for *result*: itself if it is small."""
    if len(result.stdout) + len(result.stderr) <= SMALL:
        return result
    bare = replace(result, stdout=b"", stderr=b"")
    return Packed(bare, _compressed(result.stdout), _compressed(result.stderr))


@lru_cache(maxsize=4)
def _compressed(data: bytes) -> bytes:
    """Return *data* in fewer bytes; hosts of one image say much that is the same."""
    return zlib.compress(data, _LEVEL)


def unpack(kept: CommandResult | Packed) -> CommandResult:
    """Undo `pack`."""
    return kept.unpack() if isinstance(kept, Packed) else kept
