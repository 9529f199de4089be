"""Where a capture ends by itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where a capture ends by itself, which makes it incomplete.

    Attributes:
        snaplen: bytes kept of each packet.
        max_packets, max_bytes: of packets kept.
        max_seconds: after the start.
        buffer: bytes that the kernel keeps for us while we are busy.
    """

    snaplen: int = 262144
    max_packets: int = 1_000_000
    max_bytes: int = 256 << 20
    max_seconds: float = 300
    buffer: int = 16 << 20
