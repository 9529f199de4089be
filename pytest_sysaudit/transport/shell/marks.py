"""Cut a stream at its secret marks: what stands before a mark is one command's output."""

from __future__ import annotations


class Cutter:
    """One of the two streams of a shell.

    A mark is the secret, a note and a newline. Nothing a command writes can hold the secret.

    Args:
        mark: the secret.
        limit: bytes of one body that are kept; the rest is counted and dropped.

    Attributes:
        size: bytes of the body so far, dropped ones included.
    """

    def __init__(self, mark: bytes, limit: int) -> None:
        self._mark = mark
        self._limit = limit
        self._body = bytearray()
        self._rest = b""
        self.size = 0

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Take *data*; return the ``(body, note)`` of each mark that is complete now.

        A note that begins with ``K`` comes from the doorman, in the middle of a body: its own body
        is empty, and the other goes on.
        """
        found: list[tuple[bytes, bytes]] = []
        data = self._rest + data
        at = 0
        while (mark := data.find(self._mark, at)) >= 0:
            newline = data.find(b"\n", mark)
            if newline < 0:
                break
            note = data[mark + len(self._mark) : newline]
            self._keep(data, at, mark)
            at = newline + 1
            found.append((b"" if note.startswith(b"K") else self._take(), note))
        end = mark if mark >= 0 else max(at, len(data) - len(self._mark) + 1)
        self._keep(data, at, end)
        self._rest = data[end:]
        return found

    def so_far(self) -> bytes:
        """Return the body that no mark has ended yet."""
        return bytes(self._body) + self._rest

    def _keep(self, data: bytes, start: int, end: int) -> None:
        self.size += end - start
        room = self._limit - len(self._body)
        if room > 0 and end > start:
            self._body += memoryview(data)[start : min(end, start + room)]

    def _take(self) -> bytes:
        body = bytes(self._body)
        self._body, self.size = bytearray(), 0
        return body
