"""How far an audit is: what is done of each target, and the lines that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pytest_sysaudit.record import Result, Verdict
from pytest_sysaudit.reports.columns import cut, one_line, pad
from pytest_sysaudit.reports.summary import in_words
from pytest_sysaudit.text import first_line, plural

NAME_WIDTH = 20
"""Columns that the name of a target takes in its line."""
SETTLED = 2
"""Seconds before which nothing is said about the time that is left."""
_LONGEST_REASON = 200
_FOLLOWS = "not assessed: "
"""How the message of a check begins that was not tried because its target is dead."""


@dataclass(slots=True)
class Standing:
    """What is known of one target.

    Attributes:
        name: the target; "" stands for checks about none.
        total: how many checks are to be carried out on it.
        done: how many ended.
        verdicts: how many results have each verdict.
        began: when its first check began, in seconds since the epoch; 0.0: none has.
        ended: when its last one ended.
        dead: why it is dead, if it is.
    """

    name: str
    total: int = 0
    done: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    began: float = 0.0
    ended: float = 0.0
    dead: str = ""

    @property
    def is_over(self) -> bool:
        """Whether its last check ended."""
        return self.done >= self.total

    def line(self) -> str:
        """Return what a log says about this target."""
        start = f"{pad(self.name or 'run', NAME_WIDTH)} "
        if self.dead:
            reason = one_line(first_line(self.dead)).removeprefix(f"{self.name}: ")
            checks = plural(self.done, "check")
            return f"{start}not reached: {cut(reason, _LONGEST_REASON)} ({checks} not assessed)"
        part = "" if self.is_over else f"{self.done} of {plural(self.total, 'check')}: "
        found = in_words(self.verdicts) or "no results"
        return f"{start}{part}{found} in {max(self.ended - self.began, 0):.1f} s"

    def style(self) -> str:
        """Return the colour of `line`."""
        if self.verdicts[Verdict.FAIL.value] and not self.dead:
            return "red"
        return "yellow" if self.dead or self.verdicts[Verdict.ERROR.value] else "green"


class Board:
    """Follows all targets of a run.

    Args:
        places: the node id and the target of each check that is to be carried out.
    """

    def __init__(self, places: Iterable[tuple[str, str]]) -> None:
        self._names = dict(places)
        self.targets: dict[str, Standing] = {}
        for name in self._names.values():
            self.targets.setdefault(name, Standing(name)).total += 1
        self.checks = len(self._names)
        self.done = self.over = self.dead = 0

    def of(self, nodeid: str) -> Standing | None:
        """Return the target of the check *nodeid*; None if it is no check."""
        name = self._names.get(nodeid)
        return None if name is None else self.targets[name]

    def count(self, result: Result) -> None:
        """Note a result."""
        found = self.targets.get(result.target)
        if found is None:
            return
        found.verdicts[result.verdict.value] += 1
        if result.verdict is Verdict.ERROR and result.message.startswith(_FOLLOWS):
            self.dead += not found.dead
            found.dead = found.dead or result.message.removeprefix(_FOLLOWS)

    def end(self, nodeid: str, began: float, ended: float) -> Standing | None:
        """Note that the check *nodeid* ended; return its target if that was the last one of it."""
        found = self.of(nodeid)
        if found is None or found.is_over:  # one that is run again counts once
            return None
        self.done += 1
        found.done += 1
        found.began = min(found.began or began, began)
        found.ended = max(found.ended, ended)
        self.over += found.is_over
        return found if found.is_over else None

    def live_line(self, width: int, elapsed: float, lanes: int = 0) -> str:
        """Return how far all is, in at most *width* columns.

        Args:
            width: of the terminal.
            elapsed: seconds since the first check.
            lanes: how many targets are under way at a time, if that is known.
        """
        left = len(self.targets) - self.over
        begun = lanes or len(self.unfinished())
        parts = [f"{self.over} of {plural(len(self.targets), 'target')} done"]
        parts += [f"{min(begun, left)} running"] if left else []
        parts += [f"{self.dead} dead"] if self.dead else []
        full = f"{', '.join(parts)}; {self.done} of {plural(self.checks, 'check')}"
        sure = self.done and elapsed > SETTLED
        time = _clock(elapsed * (self.checks - self.done) / self.done) if sure else ""
        short = f"{self.over}/{len(self.targets)} targets, {self.done}/{self.checks} checks"
        forms = [f"{full}; {time} left"] if time and self.done < self.checks else []
        forms += [full, short, f"{self.over}/{len(self.targets)}"]
        return next((form for form in forms if len(form) <= width), cut(forms[-1], width))

    def unfinished(self) -> list[Standing]:
        """Return the targets that were begun and not ended."""
        return [target for target in self.targets.values() if 0 < target.done < target.total]


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def places_of(expected: Iterable[tuple[str, Mapping[str, object]]]) -> list[tuple[str, str]]:
    """Return node id and target of each check that a worker of pytest-xdist tells of."""
    return [(nodeid, str(place["target"])) for nodeid, place in expected]
