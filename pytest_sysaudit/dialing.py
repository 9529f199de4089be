"""Open many ways at once, and never let the living queue behind the dead."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Ways that are being opened at once. Beyond it, logins only take each other's processor time.
DIALERS = 128
#: Of these, how many go to one address or jump host: sshd drops some beyond ten (MaxStartups).
DIALERS_AT_ONE_DOOR = 8
#: Seconds after which a way that is not open yet counts no more: it waits for an answer, and that
#: takes no processor time.
WORKING = 1.0
#: Ways that are open and that nobody has given back: so far the dialer runs ahead of the checks.
AHEAD = 256
#: Seconds between two beginnings: a login takes about so much of our own processor's time.
PACE = 0.004
#: A pause that lasts so much too long means that the processor is busy, as does more that wants to
#: run than there are processors: more logins at once would make all of them late, and the checks of
#: the hosts that are open would have to wait for the last of them.
LATE = 0.01
#: Seconds that the dialer then waits, or until a way is open.
REST = 0.07
#: Seconds after the first few, for what they begin to be seen.
LOOK = 0.03
_LOAD = Path("/proc/loadavg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One way to open.

    Attributes:
        name: names it.
        open: opens it, and tells whether it is open now; it keeps its errors to itself.
        door: what is the same for all that begin at the same server.
        patience: seconds after which those behind do not wait for it at the door any more.
    """

    name: str
    open: Callable[[], bool]
    door: Hashable
    patience: float


def crowded() -> bool:
    """Whether more wants to run at this moment than there are processors for us."""
    try:
        running = _LOAD.read_text().split()[3].partition("/")[0]
    except (OSError, IndexError):
        return False  # not Linux: it shows in our own pauses
    return int(running) > _processors()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(slots=True, eq=False)
class _Open:
    call: Call
    since: float
    over: bool = False


class Dialer:
    """Opens ways in threads of their own, in the order given, as far as there is room.

    One that does not answer gives its place to the next after `WORKING` seconds, so dead hosts end
    together, one timeout after the start. A thread ends with its call, and the dialer's own when
    nothing is left to begin. Thousands of ways are not all open at once: it waits for those that
    are given back. That holds up nobody who says with `need` that he needs a way now.

    Args:
        calls: what to open.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self._waiting = list(calls)
        self._open: list[_Open] = []
        self._kept: set[str] = set()
        self._needed: set[str] = set()
        self._changed = threading.Condition()
        self._stopped = False
        self._few = 2 * _processors()

    def start(self) -> None:
        """Begin, and return at once."""
        if self._waiting:
            threading.Thread(target=self._run, name="dialer", daemon=True).start()

    def stop(self) -> None:
        """Begin no further one."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def need(self, name: str) -> None:
        """Open the way *name* in its turn, however many are open already."""
        with self._changed:
            self._needed.add(name)
            self._changed.notify()

    def give_back(self, name: str) -> None:
        """Note that the way *name* is closed again."""
        with self._changed:
            self._kept.discard(name)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopped or not self._waiting:
                    return
                now = time.monotonic()
                call = self._next(now)
                if call is None:
                    self._changed.wait(self._pause(now))
                    continue
                entry = _Open(call, now)
                self._open.append(entry)
            threading.Thread(target=self._work, args=(entry,), daemon=True).start()
            self._keep_pace()

    def _keep_pace(self) -> None:
        before = time.monotonic()
        time.sleep(PACE)
        late = time.monotonic() - before > PACE + LATE
        self._few -= 1
        if self._few == 0:
            time.sleep(LOOK)
        if late or crowded():
            with self._changed:
                self._changed.wait(REST)

    def _next(self, now: float) -> Call | None:
        """Return the one that may begin now, and take it off the list; the lock is held."""
        self._open = [entry for entry in self._open if not entry.over]
        working = sum(now - entry.since < WORKING for entry in self._open)
        if working >= DIALERS:
            return None
        full = len(self._kept) + working >= AHEAD
        doors = Counter(e.call.door for e in self._open if now - e.since < e.call.patience)
        for place, call in enumerate(self._waiting):
            held = full and call.name not in self._needed
            if not held and doors[call.door] < DIALERS_AT_ONE_DOOR:
                return self._waiting.pop(place)
        return None

    def _pause(self, now: float) -> float | None:
        """Return the seconds until an open one counts no more; None: wait for the end of one."""
        ends = [
            end - now
            for entry in self._open
            for end in (entry.since + WORKING, entry.since + entry.call.patience)
            if end > now
        ]
        return min(ends, default=None)

    def _work(self, entry: _Open) -> None:
        kept = False
        try:
            kept = entry.call.open()
        finally:
            with self._changed:
                entry.over = True
                if kept:
                    self._kept.add(entry.call.name)
                self._changed.notify()
