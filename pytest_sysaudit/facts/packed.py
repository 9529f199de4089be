"""Long answers, kept as evidence in a fraction of their length."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

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
    out, err = zlib.compress(result.stdout, _LEVEL), zlib.compress(result.stderr, _LEVEL)
    return Packed(replace(result, stdout=b"", stderr=b""), out, err)


def unpack(kept: CommandResult | Packed) -> CommandResult:
    """Undo `pack`."""
    return kept.unpack() if isinstance(kept, Packed) else kept
