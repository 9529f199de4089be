"""What a profile says, as plain values.

A profile is a pile of layers, one a file: what a file extends lies below it. Each layer first adds
the controls that it includes, then takes out those that it excludes, so the topmost word counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pytest_sysaudit.inventory.yaml import Document
from pytest_sysaudit.record import Control, Severity


def in_framework(control: Control, text: str) -> bool:
    """Whether *control* maps to *text*: a framework's name, or ``cis-debian12:5.1.*``."""
    name, _, glob = text.partition(":")
    numbers = control.frameworks.get(name)
    return numbers is not None and any(fnmatchcase(number, glob or "*") for number in numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Some controls: those that fit every part that is given.

    Attributes:
        place: where it stands in its file.
        controls: ids and globs, one of which must fit; () for any.
        frameworks: as ``cis-debian12:5.1.*``, one of which must fit; () for any.
        at_least: the lowest severity that fits.
        at_most: the highest severity that fits.
    """

    place: tuple[str | int, ...] = ()
    controls: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    at_least: Severity | None = None
    at_most: Severity | None = None

    def takes(self, control: Control) -> bool:
        """Whether *control* is one of them; its severity is the one that its check declares."""
        if self.controls and not any(fnmatchcase(control.id, glob) for glob in self.controls):
            return False
        if self.frameworks and not any(in_framework(control, text) for text in self.frameworks):
            return False
        if self.at_least and control.severity.weight < self.at_least.weight:
            return False
        return not self.at_most or control.severity.weight <= self.at_most.weight


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Controls that are left out, and why."""

    rule: Rule
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one file says.

    Attributes:
        name: of a shipped profile, else the path as messages show it.
        path: the file.
        document: its data and places.
        shipped: whether it came with the package.
        title: what it is for.
        extends: what it builds on, as it is written.
        include: what it adds; None if it does not say.
        exclude: what it takes out.
        inputs: values of inputs, by control id.
        severities: by control id.
    """

    name: str
    path: str
    document: Document
    shipped: bool = False
    title: str = ""
    extends: tuple[str, ...] = ()
    include: tuple[Rule, ...] | None = None
    exclude: tuple[Exclusion, ...] = ()
    inputs: Mapping[str, Mapping[str, Any]]
    severities: Mapping[str, Severity]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a control is not judged, and which layer says so."""

    reason: str
    layer: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What one or more profiles come to.

    Attributes:
        name: what was asked for.
        layers: the files, the lowest first.
    """

    name: str
    layers: tuple[Layer, ...]

    def judge(self, control: Control) -> bool | LeftOut:
        """Return whether *control* belongs to it; why not, if it was taken out on purpose."""
        answer: bool | LeftOut = self.layers[0].include is None
        for layer in self.layers:
            if any(rule.takes(control) for rule in layer.include or ()):
                answer = True
            for exclusion in layer.exclude:
                if answer is True and exclusion.rule.takes(control):
                    answer = LeftOut(exclusion.reason, layer.name)
        return answer

    def severity(self, control: str) -> tuple[Severity, str] | None:
        """Return the severity that it gives to a control, and which layer does; None if none."""
        for layer in reversed(self.layers):
            if control in layer.severities:
                return layer.severities[control], layer.name
        return None

    def inputs(self, control: str) -> dict[str, Any]:
        """Return the values that it gives to the inputs of a control."""
        found: dict[str, Any] = {}
        for layer in self.layers:
            found |= layer.inputs.get(control, {})
        return found
