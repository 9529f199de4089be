"""Open many ways at once, and never let the living queue behind the dead."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

#: Ways that are being opened at once. Beyond it, logins only take each other's processor time.
DIALERS = 128
#: Of these, how many go to one address or jump host: sshd drops some beyond ten (MaxStartups).
DIALERS_AT_ONE_DOOR = 8
#: Seconds after which a way that is not open yet counts no more: it waits for an answer, and that
#: takes no processor time.
WORKING = 1.0
#: Ways that are open and that nobody has given back: so far the dialer runs ahead of the checks.
AHEAD = 256


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
    are given back, but nobody has to wait for it: who needs a way takes it over with `claim`.

    Args:
        calls: what to open.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self._waiting = list(calls)
        self._open: list[_Open] = []
        self._kept: set[str] = set()
        self._changed = threading.Condition()
        self._stopped = False

    def start(self) -> None:
        """Begin, and return at once."""
        if self._waiting:
            threading.Thread(target=self._run, name="dialer", daemon=True).start()

    def stop(self) -> None:
        """Begin no further one."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def claim(self, name: str) -> bool:
        """Leave it to the caller to open the way *name*; False: it has begun, or is not known."""
        with self._changed:
            mine = next((call for call in self._waiting if call.name == name), None)
            if mine is not None:
                self._waiting.remove(mine)
            return mine is not None

    def give_back(self, name: str) -> None:
        """Note that the way *name* is closed again."""
        with self._changed:
            self._kept.discard(name)
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                for call in self._next(now):
                    entry = _Open(call, now)
                    self._open.append(entry)
                    threading.Thread(target=self._work, args=(entry,), daemon=True).start()
                if not self._waiting:
                    return
                self._changed.wait(self._pause(now))

    def _next(self, now: float) -> list[Call]:
        """Return those that may begin now, and take them off the list; the lock is held."""
        self._open = [entry for entry in self._open if not entry.over]
        working = sum(now - entry.since < WORKING for entry in self._open)
        room = min(DIALERS - working, AHEAD - len(self._kept) - working)
        doors = Counter(e.call.door for e in self._open if now - e.since < e.call.patience)
        begin: list[Call] = []
        held: list[Call] = []
        at = 0
        while at < len(self._waiting) and len(begin) < room:
            call = self._waiting[at]
            fits = doors[call.door] < DIALERS_AT_ONE_DOOR
            doors[call.door] += fits
            (begin if fits else held).append(call)
            at += 1
        self._waiting = held + self._waiting[at:]
        return begin

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
