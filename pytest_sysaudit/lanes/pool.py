"""Threads in which lanes wait: as many as wait at once, and none that keeps a run from ending."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from pytest_sysaudit.lanes.lane import Lane

T = TypeVar("T")


class Job(Generic[T]):
    """A call in a thread of its own.

    Attributes:
        lane: the lane that waits for it.
        done: whether it has ended.
        tell: what to call then.
    """

    def __init__(self, call: Callable[[], T], lane: Lane, tell: Callable[[], None]) -> None:
        self.lane = lane
        self.done = False
        self._call: Callable[[], T] | None = call
        self._context = contextvars.copy_context()
        self.tell = tell
        self._value: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Make the call, in the thread."""
        assert self._call is not None  # noqa: S101 - it is made once
        try:
            self._value = self._context.run(self._call)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the lane
            self._error = error
        self._call = None
        self.done = True

    def result(self) -> T:
        """Return what the call gave, or raise its error."""
        error, self._error = self._error, None
        if error is None:
            return self._value  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error  # its traceback holds this frame


class Pool:
    """Threads, one for each call that waits; a thread that is free is taken before a new one.

    Attributes:
        workers: the lane that a thread works for just now, by the thread's number.
    """

    def __init__(self) -> None:
        self.workers: dict[int, Lane] = {}
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._free = threading.Semaphore(0)
        self._size = 0

    def submit(self, job: Job[Any]) -> None:
        """Run *job* in a thread."""
        if not self._free.acquire(blocking=False):
            self._size += 1
            name = f"sysaudit-wait-{self._size}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        self._jobs.put(job)

    def close(self) -> None:
        """Let the threads end that wait for nothing any more."""
        for _ in range(self._size):
            self._jobs.put(None)

    def _work(self) -> None:
        number = threading.get_ident()
        while (job := self._jobs.get()) is not None:
            self.workers[number] = job.lane
            job.run()
            del self.workers[number]
            self._free.release()  # first, lest the lane's next call finds no free thread
            job.tell()
            del job
