"""Do a thing once, whoever asks for it, from any thread or lane."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from pytest_sysaudit.lanes.turn import owned, wait_for

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class _Interrupted(Exception):  # noqa: N818 - it is handled, never shown
    """Whoever computed was told to stop."""


class Once(Generic[K]):
    """Results by key: the first who asks computes, the others wait for it.

    A lock held while one waits would stop every lane; nothing is held here. An error is kept as a
    result is, but an interruption (`KeyboardInterrupt`, a runner's time limit) is its own lane's
    only: the next who asks, or who waits for the result, tries again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[K, Future[Any]] = {}

    def get(self, key: K, make: Callable[[], T]) -> T:
        """Return what *make* gave for *key*, when it was first asked for; or raise its error."""
        while True:
            with self._lock:
                future = self._futures.get(key)
                mine = future is None
                if future is None:
                    future = self._futures[key] = owned(Future())
            if mine:
                self._fulfil(key, future, make)
            try:
                result: T = wait_for(future)
            except _Interrupted:
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, everybody gets it
                # the traceback would grow with everybody who is told
                raise error.with_traceback(None)  # noqa: B904 - the same error
            return result

    def known(self, key: K) -> bool:
        """Whether there is a result, or an error, for *key*."""
        future = self._futures.get(key)
        return future is not None and future.done()

    def put(self, key: K, value: object) -> None:
        """Set the result for *key*, unless somebody asked for it already."""
        with self._lock:
            if key not in self._futures:
                future: Future[Any] = Future()
                future.set_result(value)
                self._futures[key] = future

    def _fulfil(self, key: K, future: Future[Any], make: Callable[[], T]) -> None:
        try:
            future.set_result(make())
        except Exception as error:  # noqa: BLE001 - it is raised again where the result is asked for
            future.set_exception(error)
        except BaseException:
            with self._lock:
                self._futures.pop(key, None)
            future.set_exception(_Interrupted())
            raise
