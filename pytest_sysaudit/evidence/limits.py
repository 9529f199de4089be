"""How much a recording keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What is larger is cut, and a note in the recording says so.

    Attributes:
        part: bytes kept of one content, as of what one command printed.
        total: bytes of the whole recording; from then on observations have no content.
    """

    part: int = 16 << 20
    total: int = 2 << 30
