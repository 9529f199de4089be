"""A lock that lanes can wait for: the lanes that do not wait go on."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from types import TracebackType

from pytest_sysaudit.lanes.turn import current_turn, owned, wait_for


class Mutex:
    """Lets in one thread or lane at a time, in the order in which they came; not reentrant.

    `threading.Lock` would stop every lane while one waits for it, and `threading.RLock` lets all of
    them in, for they are one thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = False
        self._holder: object = None
        self._queue: deque[tuple[Future[None], object]] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if not self._held:
                self._held, self._holder = True, current_turn()
                return
            place: Future[None] = owned(Future(), lambda: self._holder)
            self._queue.append((place, current_turn()))
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
            following, self._holder = self._queue.popleft() if self._queue else (None, None)
            self._held = following is not None
        if following is not None:
            following.set_result(None)

    def _give_up(self, place: Future[None]) -> None:
        with self._lock:
            others = deque(entry for entry in self._queue if entry[0] is not place)
            waiting = len(others) < len(self._queue)
            self._queue = others
        if not waiting:  # our turn came just when we stopped waiting
            self._release()
