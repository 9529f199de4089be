"""One lane: the items of one target, one after the other, in a greenlet of its own."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_sysaudit.lanes.pool import Job
from pytest_sysaudit.lanes.state import changed, levels
from pytest_sysaudit.lanes.turn import owner_of

if TYPE_CHECKING:
    import logging

    from greenlet import greenlet

    from pytest_sysaudit.lanes.hub import Hub

T = TypeVar("T")
EXCLUSIVE = frozenset({"monkeypatch", "pytester", "testdir"})
"""Fixtures that change what all lanes share: an item that uses one keeps the turn."""


class LaneInterrupted(KeyboardInterrupt):
    """Raised in a lane that waits, when the run is interrupted."""


class Lane:
    """A `Turn`: what the greenlet carries as ``sysaudit_turn``.

    Attributes:
        name: the target's.
        items: those still to come.
        item: the running one; the last one when all is done.
        greenlet: where it runs.
        kept: its state while another lane has the turn; None before its first turn.
        handlers: the root logger's handlers as this lane has them.
        alone: above zero, it keeps the turn while it waits.
        token: what its present wait is for: what is told of another one is stale.
        waits_for: what it waits for, if that is a future.
        thrown: what to raise in it when it gets its turn.
        error: what ended it early.
    """

    def __init__(self, hub: Hub, name: str, items: Iterable[pytest.Item]) -> None:
        self.name = name
        self.items = deque(items)
        self.item: pytest.Item | None = None
        self.greenlet: greenlet | None = None
        self.kept: list[Any] | None = None
        self.handlers: list[logging.Handler] = []
        self.alone = 0
        self.token: object = None
        self.waits_for: Future[Any] | None = None
        self.thrown: BaseException | None = None
        self.error: BaseException | None = None
        self._hub = hub
        self._levels: tuple[int, dict[str, int]] | None = None

    def run(self) -> None:
        """Carry out the items."""
        self._hub.inside = True
        try:
            try:
                self._run_items()
            finally:
                self._tear_down()
        except BaseException as error:  # noqa: BLE001 - the hub raises it again
            self.error = error
        self._hub.inside = False

    def _run_items(self) -> None:
        while self.items and not self._hub.stopping:
            self.item = item = self.items.popleft()
            names = getattr(item, "fixturenames", ())
            keep = not EXCLUSIVE.isdisjoint(names) or bool(item.get_closest_marker("exclusive"))
            keep = keep or not self._hub.is_check(item)
            self._levels = levels() if "caplog" in names else None
            self.alone += keep
            self._hub.begins(self, item)
            following = self.items[0] if self.items else None
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            finally:
                self.alone -= keep
            self._hub.ends(self, item)

    def _tear_down(self) -> None:
        """Tear down what is left if the lane was stopped between two items, or within one."""
        state = self._hub.setup_state
        if not state.stack or self._hub.abandoned:
            return
        self.thrown = None
        try:
            state.teardown_exact(None)
        except Exception as error:  # noqa: BLE001 - no result can tell it any more
            self._hub.complain(f"{self.name or 'tear-down'}: after the run was stopped: {error!r}")

    def call(self, call: Callable[[], T]) -> T:
        """Return what *call* gives, which runs in a thread while other lanes go on."""
        if self._hub.abandoned:
            raise LaneInterrupted
        if self._keeps_turn():
            return call()
        job = Job(call, self, lambda: self._hub.post(self, job))
        self._hub.pool.submit(job)
        while not job.done:
            self._pause(job)
        return job.result()

    def until(self, future: Future[T], timeout: float | None) -> T:
        """Return the result of *future*, which is not there yet; other lanes go on.

        A lane that keeps the turn lets go on only the lane that is to set the result, if it is
        known: else both would wait for ever.
        """
        if os.getpid() != self._hub.process:
            return future.result(timeout)
        if self._hub.abandoned:
            raise LaneInterrupted
        keeps_turn = self._keeps_turn()
        if keeps_turn and owner_of(future) is None:
            return future.result(timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        future.add_done_callback(lambda _: self._hub.post(self, future))
        self.waits_for = future
        try:
            if keeps_turn:
                self._hub.favour(self)
            while not future.done() and (deadline is None or time.monotonic() < deadline):
                self._pause(future, deadline)
        finally:
            self.waits_for = None
            self._hub.favour(self, favoured=False)
        if not future.done():
            raise TimeoutError
        return future.result()

    def rest(self) -> None:
        """Wait until another lane has ended or something has come in."""
        self._hub.resting.append(self)
        try:
            self._pause(self._hub.resting, timer=False)
        finally:
            self._hub.resting.remove(self)

    def closes(self) -> bool:
        """Whether this lane is to close the session; waits until that is known."""
        return self._hub.elects(self)

    def _keeps_turn(self) -> bool:
        if self.alone or os.getpid() != self._hub.process:
            return True  # in a child of this process, there is nobody else
        # a thread that connects may be importing asyncio just now: then nothing runs in it yet
        loop = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", None)
        if loop is not None and loop() is not None:
            return True
        return self._levels is not None and changed(self._levels)

    def _pause(self, token: object, deadline: float | None = None, *, timer: bool = True) -> None:
        """Give the turn away until somebody posts *token*, or the time is over.

        Args:
            token: what is waited for.
            deadline: when to go on at the latest, by the monotonic clock.
            timer: whether the time limit of pytest-timeout goes on.
        """
        hub = self._hub
        hub.inside = False  # from here to the end, Ctrl-C is told to the hub
        alarm = _Alarm.take()
        limits = [limit for limit in (deadline, alarm and timer and alarm.deadline) if limit]
        self.token = token
        hub.sleep(self, min(limits, default=None))
        self.token = None
        hub.inside = True
        if self.thrown is not None:
            thrown, self.thrown = self.thrown, None
            raise thrown
        if alarm:
            alarm.put_back(counted=timer)


@dataclass(frozen=True, slots=True)
class _Alarm:
    """The running timer of SIGALRM, which is pytest-timeout's; stopped while the lane waits."""

    deadline: float
    rest: float
    handler: Any

    @classmethod
    def take(cls) -> _Alarm | None:
        rest, _ = signal.getitimer(signal.ITIMER_REAL)
        if not rest or threading.current_thread() is not threading.main_thread():
            return None
        signal.setitimer(signal.ITIMER_REAL, 0)
        return cls(time.monotonic() + rest, rest, signal.getsignal(signal.SIGALRM))

    def put_back(self, *, counted: bool) -> None:
        """Start the timer again; if its time is over, do now what it would have done."""
        rest = self.deadline - time.monotonic() if counted else self.rest
        signal.signal(signal.SIGALRM, self.handler)
        if rest > 0:
            signal.setitimer(signal.ITIMER_REAL, rest)
        elif callable(self.handler):
            self.handler(signal.SIGALRM, sys._getframe())  # noqa: SLF001 - as Python calls it
