"""What a way to a host gives the executor: something that starts a command line and carries bytes.

A transport writes one `Starter`; shells, sudo, deadlines, batches and retries are built on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Hearer(Protocol):
    """Hears what a process elsewhere says; called from any thread, by one thread at a time.

    It never blocks and never raises, and is called with no lock of the pipe held.
    """

    def on_out(self, data: bytes) -> None:
        """Take a piece of standard output."""

    def on_err(self, data: bytes) -> None:
        """Take a piece of standard error."""

    def on_end(self, exit_code: int | None) -> None:
        """Learn that nothing more will come; called once, and last.

        The code is 128 + N after signal N, and None if none is known: the connection broke, or
        the process was never started.
        """


class Pipe(Protocol):
    """The way to a process elsewhere.

    Attributes:
        refused: why it was not started and another try may be: no further session allowed, say;
            "" otherwise. Set before `Hearer.on_end`.
    """

    refused: str

    def write(self, data: bytes) -> None:
        """Queue *data* for standard input and return at once; from any thread.

        Raises:
            OSError: the process, or the way to it, is gone.
        """

    def close(self) -> None:
        """End standard input and let go of the process; it may be called twice.

        `Hearer.on_end` follows, sooner or later.
        """


Starter = Callable[[str, Hearer], Pipe]
"""Starts a command line on the host, as the login user, and returns at once.

What is written before the process runs waits for it. The line means the same to every login shell
(fish and csh too): ``exec WORDS`` with words in single quotes that hold no quote, newline,
backslash or exclamation mark. For the ssh program: ``ssh -T HOST LINE``.
"""

Opener = Callable[[Hearer], Pipe]
"""Starts a shell that waits for a script: as the login user, or as another through sudo.

It may wait for an answer, and only through `pytest_sysaudit.lanes`; so call it in a lane or a
thread that may wait, with no lock held.
"""
