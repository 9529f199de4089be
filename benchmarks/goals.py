"""What the many-hosts benchmark is to show, worked out from its medians."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from running import Figures

OURS = "pytest-sysaudit"
PARAMIKO = "testinfra paramiko"
#: (hosts, RTT in ms, variant) -> medians
Table = Mapping[tuple[int, float, str], Figures]


@dataclass(frozen=True)
class Goal:
    """One bound and what was found.

    Attributes:
        text: what is bounded.
        found: the figure; None if a run that it needs was not made.
        sense: whether *found* must be "at least" or "at most" *bound*.
    """

    text: str
    found: float | None
    sense: Literal["at least", "at most"]
    bound: float
    unit: str = ""

    @property
    def mark(self) -> str:
        """Whether it is reached, in a word."""
        if self.found is None:
            return "not measured"
        held = self.found >= self.bound if self.sense == "at least" else self.found <= self.bound
        return "reached" if held else "MISSED"

    def __str__(self) -> str:
        found = "-" if self.found is None else f"{self.found:.2f}{self.unit}"
        bound = f"{self.sense} {self.bound:g}{self.unit}"
        return f"{self.text:66} {found:>9}   {bound:16} {self.mark}"


def goals(table: Table) -> Iterator[Goal]:
    """All goals, in the order in which they are printed."""

    def faster(hosts: int, rtt: float, other: str) -> float | None:
        return _apply(_times_faster, table, (hosts, rtt, other), (hosts, rtt, OURS))

    yield Goal("50 hosts, RTT 0: times faster than testinfra paramiko -n8",
               faster(50, 0, f"{PARAMIKO} -n8"), "at least", 10)  # fmt: skip
    yield Goal("50 hosts, RTT 0: times faster than testinfra paramiko -n0",
               faster(50, 0, f"{PARAMIKO} -n0"), "at least", 40)  # fmt: skip
    yield Goal("1 host, RTT 50: times faster than testinfra paramiko -n0",
               faster(1, 50, f"{PARAMIKO} -n0"), "at least", 10)  # fmt: skip
    for rtt in sorted({rtt for hosts, rtt, name in table if (hosts, name) == (50, OURS)}):
        place = (50, rtt, OURS)
        yield Goal(f"50 hosts, RTT {rtt:g}: wall time over client CPU time",
                   _apply(_wall_over_cpu, table, place), "at most", 1.5)  # fmt: skip
        yield Goal(f"50 hosts, RTT {rtt:g}: connections for each host",
                   _apply(lambda a: a.connections / 50, table, place), "at most", 1)  # fmt: skip
    yield Goal("memory for each host more (50 hosts less 1, over 49)",
               _apply(_memory_per_host, table, (50, 0, OURS), (1, 0, OURS)),
               "at most", 1, " MB")  # fmt: skip


def _apply(
    function: Callable[..., float], table: Table, *places: tuple[int, float, str]
) -> float | None:
    figures = [table.get(place) for place in places]
    return function(*figures) if all(figures) else None


def _times_faster(other: Figures, ours: Figures) -> float:
    return other.wall / ours.wall


def _wall_over_cpu(ours: Figures) -> float:
    return ours.wall / ours.client_cpu


def _memory_per_host(many: Figures, one: Figures) -> float:
    return (many.memory - one.memory) / 49 / 1e6
