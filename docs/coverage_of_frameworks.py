"""Which numbers of each framework the shipped checks judge, from their markers and docs/data.

A file of docs/data lists the numbers of one framework. Beside a number may stand ``by`` (controls
that judge it though their marker does not name it), ``partly`` (what they leave out) and ``why``
(why nothing judges it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).parent / "data"
COVERED, PARTLY, NOT = "yes", "partly", "no"
Markers = Mapping[str, Mapping[str, list[str]]]
"""The frameworks and numbers that each control's marker names, by control id."""


@dataclass(frozen=True)
class Number:
    """One requirement of a framework, and what is checked of it."""

    number: str
    level: str
    about: str
    judged: str
    controls: tuple[str, ...]
    remark: str


@dataclass(frozen=True)
class Framework:
    """What is checked of one framework."""

    name: str
    title: str
    numbers: tuple[Number, ...]

    def counts(self, level: str = "") -> Counter[str]:
        """Return how many numbers are judged, partly judged and not, of one level or of all."""
        return Counter(one.judged for one in self.numbers if level in ("", one.level))


def frameworks(markers: Markers) -> list[Framework]:
    """Return what the controls with *markers* judge of each framework in docs/data."""
    return [_framework(path, markers) for path in sorted(DATA.glob("*.yaml"))]


def _framework(path: Path, markers: Markers) -> Framework:
    data = yaml.safe_load(path.read_text("utf-8"))
    named: dict[str, list[str]] = {}
    for control, maps_to in sorted(markers.items()):
        for number in maps_to.get(path.stem, ()):
            named.setdefault(number, []).append(control)
    unknown = named.keys() - data["numbers"].keys()
    assert not unknown, f"{path.name} does not have: {', '.join(sorted(unknown))}"
    numbers = [
        _number(number, entry or {}, named.get(number, []), data["sections"], markers)
        for number, entry in data["numbers"].items()
    ]
    return Framework(path.stem, data["title"], tuple(numbers))


def _number(
    number: str,
    entry: Mapping[str, Any],
    named: list[str],
    sections: Mapping[str, str],
    markers: Markers,
) -> Number:
    controls = sorted({*named, *(control for control in entry.get("by", ()) if control in markers)})
    partly = entry.get("partly", "")
    about = next(words for start, words in sections.items() if _below(number, start))
    judged = NOT if not controls else PARTLY if partly else COVERED
    remark = partly if controls else entry.get("why", "no check yet")
    return Number(number, str(entry.get("level", "")), about, judged, tuple(controls), remark)


def _below(number: str, start: str) -> bool:
    return number == start or number.startswith((f"{start}.", f"{start}-"))


def promises() -> Iterator[tuple[str, str, str]]:
    """Yield framework, number and control of everything that a file names beside the markers."""
    for path in sorted(DATA.glob("*.yaml")):
        for number, entry in yaml.safe_load(path.read_text("utf-8"))["numbers"].items():
            for control in (entry or {}).get("by", ()):
                yield path.stem, number, control
