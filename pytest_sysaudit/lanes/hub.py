"""The hub: gives the turn to the lanes, in one thread, in the order in which their waits end."""

from __future__ import annotations

import contextvars
import heapq
import itertools
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import greenlet
import pytest

from pytest_sysaudit.lanes.lane import Lane, LaneInterrupted
from pytest_sysaudit.lanes.turn import owner_of

if TYPE_CHECKING:
    from _pytest.runner import SetupState

    from pytest_sysaudit.lanes.pool import Pool
    from pytest_sysaudit.lanes.state import Keeper


class Hub:
    """Runs lanes until all are done.

    Args:
        session: pytest's.
        keeper: puts the state of lanes aside and back.
        width: how many lanes at most are under way at a time.

    Attributes:
        pool: the threads in which lanes wait.
        inside: whether a lane's own code runs: only there may Ctrl-C interrupt.
        abandoned: whether it was interrupted twice: nothing waits any more.
        resting: the lanes that wait for others to end.
        complaints: what went wrong where no result can tell it.
        listeners: the names of lanes that begin when no other lane is under way: what they hear
            is not to be what the run itself says elsewhere.
        is_check: whether an item is a check; all others keep the turn, as they know of no lanes.
        process: the number of this process: a child of it has none of the threads.
    """

    def __init__(self, session: pytest.Session, keeper: Keeper, width: int, pool: Pool) -> None:
        self.session = session
        self.pool = pool
        self.inside = False
        self.abandoned = False
        self.resting: list[Lane] = []
        self.complaints: list[str] = []
        self.listeners: frozenset[str] = frozenset()
        self.is_check: Callable[[pytest.Item], bool] = lambda _: True
        self.process = os.getpid()
        self._keeper = keeper
        self._width = width
        self._greenlet = greenlet.getcurrent()
        self._pending: deque[Lane] = deque()
        self._live: dict[Lane, None] = {}
        self._waiting: set[Lane] = set()
        self._favoured: list[Lane] = []
        self._held: list[tuple[Lane | None, Any]] = []
        self._timers: list[tuple[float, int, Lane, object]] = []
        self._numbers = itertools.count()
        self._events: queue.SimpleQueue[tuple[Lane | None, Any]] = queue.SimpleQueue()
        self._errors: list[BaseException] = []
        self._closer: Lane | None = None

    @property
    def stopping(self) -> bool:
        """Whether no further item is to begin."""
        return bool(self._errors or self.session.shouldfail or self.session.shouldstop)

    @property
    def setup_state(self) -> SetupState:
        """What the lane in place has set up."""
        return self.session._setupstate  # noqa: SLF001 - `internals` puts the lane's own there

    @property
    def current(self) -> Lane | None:
        """The lane that has the turn."""
        return self._keeper.current

    def add(self, name: str, items: list[pytest.Item]) -> None:
        """Add a lane, or *items* to the lane of that name, if it is still there."""
        for lane in (*self._pending, *self._live):
            if lane.name == name and (lane.items or lane in self._pending):
                lane.items.extend(items)
                return
        self._pending.append(Lane(self, name, items))

    def not_begun(self) -> Iterator[tuple[Lane, pytest.Item]]:
        """Return the items that no lane has begun with or counts on as its next one."""
        yield from ((lane, item) for lane in self._pending for item in lane.items)
        yield from ((lane, item) for lane in self._live for item in [*lane.items][1:])

    def run(self) -> None:
        """Run all lanes.

        Raises:
            pytest.Session.Failed: as ``--maxfail`` asks for.
            pytest.Session.Interrupted: as a plugin asks for.
            BaseException: what interrupted it, when the lanes have torn down what they had set up.
        """
        last = self.session.items[-1] if self.session.items else None
        self._closer = next((x for x in self._pending if x.items and x.items[-1] is last), None)
        with self._signals():
            while self._start() or (self.expects() and not self.stopping):
                lane, what = self._next()
                if lane is None:
                    self._handle(what)
                elif lane in self._waiting and lane.token is what:
                    self._resume(lane)
        self._finish()

    def expects(self) -> bool:
        """Whether more may come in though no lane is left."""
        return False

    def take_message(self, message: Any) -> None:
        """Deal with what somebody posted who is no lane."""

    def begins(self, lane: Lane, item: pytest.Item) -> None:
        """Note that a lane begins with *item*."""

    def ends(self, lane: Lane, item: pytest.Item) -> None:
        """Note that a lane is done with *item*."""

    def complain(self, text: str) -> None:
        """Keep what no result can tell."""
        self.complaints.append(text)

    def post(self, lane: Lane | None, what: Any) -> None:
        """Wake *lane* if it is still in the wait *what*; from any thread."""
        self._events.put((lane, what))

    def sleep(self, lane: Lane, deadline: float | None) -> None:
        """Run the other lanes until *lane* is woken."""
        if deadline is not None:
            timer = (deadline, next(self._numbers), lane, lane.token)
            heapq.heappush(self._timers, timer)
        self._waiting.add(lane)
        self._greenlet.switch()

    def favour(self, lane: Lane, *, favoured: bool = True) -> None:
        """Let, besides *lane*, only those go on that it waits for; or all of them again."""
        if favoured:
            self._favoured.append(lane)
        elif lane in self._favoured:
            self._favoured.remove(lane)

    def elects(self, lane: Lane) -> bool:
        """Whether *lane* tears down what all lanes share: the last one does.

        If the run is complete, that is the lane of the very last item, as in a serial run, which
        then waits for the others.
        """
        while True:
            others = any(other is not lane for other in self._live)
            if lane is self._closer and (others or (self._pending and not self.stopping)):
                lane.rest()
            elif self._closer is not None:
                return lane is self._closer or (self.stopping and not others)
            elif not others and not self._pending and self.expects() and not self.stopping:
                lane.rest()
            else:
                return not others and not self._pending

    def _start(self) -> bool:
        """Begin with as many lanes as there is room for; return whether any is under way."""
        while (
            not self.stopping
            and not self._favoured
            and len(self._live) - len(self.resting) < self._width
            and (lane := self._following()) is not None
        ):
            self._pending.remove(lane)
            lane.greenlet = greenlet.greenlet(lane.run)
            lane.greenlet.gr_context = contextvars.copy_context()
            lane.greenlet.sysaudit_turn = lane
            self._live[lane] = None
            self._resume(lane)
        return bool(self._live)

    def _following(self) -> Lane | None:
        """Return the lane to begin with next; None if there is none that may begin now."""
        speaking = any(x.name not in self.listeners and x not in self.resting for x in self._live)
        for lane in self._pending:
            if lane.name not in self.listeners:
                return lane
        return self._pending[0] if self._pending and not speaking else None

    def _resume(self, lane: Lane) -> None:
        self._waiting.discard(lane)
        self._keeper.place(lane)
        assert lane.greenlet is not None  # noqa: S101 - it was started
        lane.greenlet.switch()
        if not lane.greenlet.dead:
            return
        del self._live[lane]
        for other in self.resting:
            self.post(other, other.token)
        if lane.error is not None:
            self._interrupt(lane.error)

    def _next(self) -> tuple[Lane | None, Any]:
        """Return what happens next that may happen now."""
        while True:
            allowed = self._allowed()
            for event in self._held:
                if allowed is None or event[0] in allowed:
                    self._held.remove(event)
                    return event
            lane, what = self._wait()
            if lane is None or allowed is None or lane in allowed:
                return lane, what
            self._held.append((lane, what))

    def _wait(self) -> tuple[Lane | None, Any]:
        while self._timers and self._timers[0][2].token is not self._timers[0][3]:
            heapq.heappop(self._timers)
        if not self._timers:
            return self._events.get()
        try:
            return self._events.get(timeout=max(self._timers[0][0] - time.monotonic(), 0))
        except queue.Empty:
            _, _, lane, token = heapq.heappop(self._timers)
            return lane, token

    def _allowed(self) -> set[Lane] | None:
        """Return which lanes may go on while one keeps the turn; None: all of them."""
        if not self._favoured:
            return None
        found: set[Lane] = set()
        lanes: list[Any] = list(self._favoured)
        while lanes:
            if isinstance(lane := lanes.pop(), Lane) and lane not in found:
                found.add(lane)
                lanes.append(owner_of(lane.waits_for))
        return found

    def _handle(self, what: Any) -> None:
        if not isinstance(what, _Signal):
            self.take_message(what)
            for lane in self.resting:
                self.post(lane, lane.token)
            return
        try:
            what.handler(what.number, what.frame)
        except BaseException as error:  # noqa: BLE001 - it is raised when the lanes have ended
            self._interrupt(error)

    def _interrupt(self, error: BaseException) -> None:
        """End all lanes: they tear down what they set up. The second time they do not even that."""
        first = not self._errors
        self._errors.append(error)
        self._favoured.clear()
        self._pending.clear()
        if first:
            for lane in self._waiting:
                lane.thrown = LaneInterrupted()
                self.post(lane, lane.token)
        elif not isinstance(error, LaneInterrupted) and not self.abandoned:
            self.abandoned = True
            for lane in list(self._waiting):
                lane.thrown = LaneInterrupted()
                self._resume(lane)

    def _finish(self) -> None:
        for error in self._errors:
            if not isinstance(error, LaneInterrupted):
                raise error
        if self.session.shouldfail:
            raise self.session.Failed(self.session.shouldfail)
        if self.session.shouldstop:
            raise self.session.Interrupted(self.session.shouldstop)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM interrupt a lane, or come to the hub as a message.

        So nothing is lost that the hub has just taken in hand.
        """
        handlers: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handlers[number] = signal.getsignal(number)
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, partial(self._on_signal, handler))
        try:
            yield
        finally:
            for number, handler in handlers.items():
                if callable(handler):
                    signal.signal(number, handler)

    def _on_signal(self, handler: Handler, number: int, frame: FrameType | None) -> None:
        if self.inside:
            handler(number, frame)
        else:
            self.post(None, _Signal(handler, number, frame))


Handler = Callable[[int, FrameType | None], Any]


@dataclass(frozen=True, slots=True)
class _Signal:
    """A signal that came while no lane's own code ran."""

    handler: Handler
    number: int
    frame: FrameType | None
