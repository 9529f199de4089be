"""Which numbers of each framework are met, by the results of one run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_sysaudit.record import Plain, Verdict

#: What can be said of a number, worst first. accepted: what fails there is waived.
STATES = ("not met", "not assessed", "accepted", "met", "not applicable")


@dataclass(slots=True)
class Number:
    """One number of a framework: the controls that name it, and the verdicts of these."""

    number: str
    controls: list[str] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def state(self) -> str:
        """One of `STATES`: the worst that a result says; with no result it is not assessed."""
        counts = self.verdicts
        if counts[Verdict.FAIL]:
            return "not met"
        if counts[Verdict.ERROR] or counts[Verdict.MANUAL] or not counts.total():
            return "not assessed"
        if counts[Verdict.WAIVED]:
            return "accepted"
        return "met" if counts[Verdict.PASS] else "not applicable"


def coverage(document: Mapping[str, Plain]) -> dict[str, list[Number]]:
    """Return the numbers of each framework that the controls of *document* name, in order."""
    verdicts: dict[str, Counter[str]] = {}
    for row in document["results"]:
        verdicts.setdefault(row["control"], Counter())[row["verdict"]] += 1
    found: dict[str, dict[str, Number]] = {}
    for control in document["controls"]:
        for framework, places in control["frameworks"].items():
            numbers = found.setdefault(framework, {})
            for place in dict.fromkeys(places):
                number = numbers.setdefault(place, Number(place))
                number.controls.append(control["id"])
                number.verdicts.update(verdicts.get(control["id"], {}))
    return {
        name: sorted(numbers.values(), key=lambda one: _natural(one.number))
        for name, numbers in sorted(found.items())
    }


def states(numbers: list[Number]) -> dict[str, int]:
    """Count *numbers* by state; every state is there."""
    counts = Counter(number.state for number in numbers)
    return {state: counts[state] for state in STATES}


def _natural(number: str) -> list[tuple[int, int, str]]:
    """Return what sorts 5.2 before 5.10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", number)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]
