"""An http.client response that does not pass a part of the headers off as all of them."""

from __future__ import annotations

import http.client
from typing import Any

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.text import first_line


class WholeResponse(http.client.HTTPResponse):
    """Refuses headers that were cut off, or that python stopped reading at a line it cannot parse.

    A header that is missing is a finding, so it must have had the chance to be there.
    """

    def begin(self) -> None:
        """Read the status line and all headers.

        Raises:
            http.client.IncompleteRead: the connection ended before the empty line.
            Incomplete: a line is no header, and those after it were not read.
        """
        stream: Any = self.fp
        reader = _Reader(stream)
        self.fp = reader  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            if self.fp is reader:  # type: ignore[comparison-overlap]
                self.fp = stream
        if not reader.last:
            raise http.client.IncompleteRead(b"")
        rest = self.msg.get_payload()
        if isinstance(rest, str) and rest.strip():
            raise Incomplete(
                f"the answer has a header line that cannot be read: {first_line(rest)!r}; "
                "what comes after it is not known"
            )


class _Reader:
    """Remembers the last line that was read: it is empty where the connection ended."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._stream.readline(limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
