"""Which numbers of a framework are judged by which controls.

A file of checks/frameworks lists the numbers of one framework. Beside a number may stand ``by``
(shipped controls that judge it though their marker does not name it), ``partly`` (what they leave
out) and ``why`` (why nothing judges it).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

COVERED, PARTLY, NOT = "yes", "partly", "no"
Markers = Mapping[str, Mapping[str, Sequence[str]]]
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
    """What is checked of one framework.

    Attributes:
        name: as markers write it.
        title: as people write it.
        numbers: all that the framework has; where nobody listed these, all that controls name.
        listed: whether somebody did.
        unknown: numbers that controls name and the framework does not have.
    """

    name: str
    title: str
    numbers: tuple[Number, ...]
    listed: bool = True
    unknown: tuple[str, ...] = ()

    def counts(self, level: str = "") -> Counter[str]:
        """Return how many numbers are judged, partly judged and not, of one level or of all."""
        return Counter(one.judged for one in self.numbers if level in ("", one.level))


def shipped() -> dict[str, Path]:
    """Return the files that list the numbers of frameworks, by name."""
    folder = Path(str(files("pytest_sysaudit.checks") / "frameworks"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def frameworks(markers: Markers) -> list[Framework]:
    """Return what the controls with *markers* judge of each framework that has a list."""
    return [_of_list(path, markers) for path in shipped().values()]


def coverage(name: str, markers: Markers) -> Framework | None:
    """Return what the controls with *markers* judge of the framework *name*.

    Returns:
        None if no control names it and nobody listed its numbers.
    """
    path = shipped().get(name)
    if path is not None:
        return _of_list(path, markers)
    named = _named(name, markers)
    numbers = (Number(number, "", "", COVERED, tuple(by), "") for number, by in named.items())
    found = tuple(sorted(numbers, key=lambda one: in_order(one.number)))
    return Framework(name, name, found, listed=False) if found else None


def in_order(number: str) -> tuple[tuple[int, int | str], ...]:
    """Return what to sort *number* by: 5.2 stands before 5.10."""
    parts = re.findall(r"\d+|[^\d.]+", number)
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts)


def _named(name: str, markers: Markers) -> dict[str, list[str]]:
    """Return the controls whose marker names each number of a framework."""
    named: dict[str, list[str]] = {}
    for control, maps_to in sorted(markers.items()):
        for number in maps_to.get(name, ()):
            named.setdefault(number, []).append(control)
    return named


def _of_list(path: Path, markers: Markers) -> Framework:
    data = yaml.safe_load(path.read_text("utf-8"))
    named = _named(path.stem, markers)
    unknown = tuple(sorted(named.keys() - data["numbers"].keys(), key=in_order))
    numbers = [
        _number(number, entry or {}, named.get(number, []), data["sections"], markers)
        for number, entry in data["numbers"].items()
    ]
    return Framework(path.stem, data["title"], tuple(numbers), unknown=unknown)


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
    for path in shipped().values():
        for number, entry in yaml.safe_load(path.read_text("utf-8"))["numbers"].items():
            for control in (entry or {}).get("by", ()):
                yield path.stem, number, control
