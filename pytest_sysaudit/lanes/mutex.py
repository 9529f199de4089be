"""A lock that lanes can wait for: the lanes that do not wait go on."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from types import TracebackType

from pytest_sysaudit.lanes.turn import wait_for


class Mutex:
    """Lets in one thread or lane at a time, in the order in which they came; not reentrant.

    `threading.Lock` would stop every lane while one waits for it, and `threading.RLock` lets all of
    them in, for they are one thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = False
        self._queue: deque[Future[None]] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if not self._held:
                self._held = True
                return
            place: Future[None] = Future()
            self._queue.append(place)
        try:
            wait_for(place)
        except BaseException:
            self._give_up(place)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release()

    def _release(self) -> None:
        with self._lock:
            following = self._queue.popleft() if self._queue else None
            self._held = following is not None
        if following is not None:
            following.set_result(None)

    def _give_up(self, place: Future[None]) -> None:
        with self._lock:
            waiting = place in self._queue
            if waiting:
                self._queue.remove(place)
        if not waiting:  # our turn came just when we stopped waiting
            self._release()
