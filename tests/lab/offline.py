"""A process that may open nothing: no socket, no program; for tests of replays."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "pty.",
)


class _Guard:
    """Python's audit hooks stay for ever, so there is one, which mostly sleeps."""

    def __init__(self) -> None:
        self.installed = False
        self.threads: set[int] = set()
        self.before: set[int] = set()
        self.tried: list[str] = []
        self.active = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.active or not event.startswith(_FORBIDDEN):
            return
        if threading.get_ident() in self.before:  # a server of the test, which runs since before
            return
        self.tried.append(f"{event} {args!r}")
        raise AssertionError(f"a replay opened something: {event} {args!r}")


_guard = _Guard()


@contextmanager
def offline() -> Iterator[list[str]]:
    """Refuse sockets and programs to this thread and to those that it starts.

    Yields what was tried; the block fails at its end if that is anything, also where the refusal
    was swallowed.
    """
    if not _guard.installed:
        sys.addaudithook(_guard)
        _guard.installed = True
    own = threading.get_ident()
    _guard.before = {thread.ident for thread in threading.enumerate() if thread.ident} - {own}
    _guard.tried, _guard.active = [], True
    try:
        yield _guard.tried
    finally:
        _guard.active = False
    assert _guard.tried == []
