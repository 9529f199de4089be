"""What a profile names and nobody knows: controls, inputs, frameworks; values of other types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from pytest_sysaudit.errors import Problem
from pytest_sysaudit.inventory.build import Loc, quoted
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.profiles.catalogue import Catalogue
from pytest_sysaudit.profiles.model import Layer, Profile
from pytest_sysaudit.record import Control

Misfit = Callable[[object, object], str]
"""Says why a value cannot stand for a default; "" if it can."""


@dataclass(frozen=True)
class Known:
    """What there is to name.

    Attributes:
        controls: the collected controls by id.
        inputs: their inputs with the defaults that the checks declare.
        find_others: finds the controls that were not collected; called only if it matters.
        misfit: judges the types of values.
    """

    controls: Mapping[str, Control]
    inputs: Mapping[str, Mapping[str, Any]]
    find_others: Callable[[], Catalogue]
    misfit: Misfit

    @cached_property
    def others(self) -> Catalogue:
        """The controls that were not collected."""
        return self.find_others()

    @cached_property
    def ids(self) -> list[str]:
        """The ids of all controls, the collected ones first."""
        return list(dict.fromkeys([*self.controls, *self.others.inputs]))

    @cached_property
    def frameworks(self) -> list[str]:
        """The names of the frameworks that the collected controls map to."""
        return sorted({name for control in self.controls.values() for name in control.frameworks})


def unknown_names(profile: Profile, known: Known) -> list[Problem]:
    """Return what is wrong with the names and values in *profile*.

    The shipped layers are left out: they are tested with the shipped checks.
    """
    return [
        problem
        for layer in profile.layers
        if not layer.shipped
        for problem in _Names(layer, known).problems()
    ]


class _Names:
    def __init__(self, layer: Layer, known: Known) -> None:
        self._layer = layer
        self._known = known
        self._document = layer.document

    def problems(self) -> Iterator[Problem]:
        layer = self._layer
        rules = [*(layer.include or ()), *(exclusion.rule for exclusion in layer.exclude)]
        for rule in rules:
            for loc, text in self._places(rule.place, "control", rule.controls):
                if not self._matches(text):
                    yield self._document.problem(loc, self._unknown(text))
            for loc, text in self._places(rule.place, "framework", rule.frameworks):
                yield from self._framework(loc, text.partition(":")[0])
        for control, values in layer.inputs.items():
            loc = ("inputs", control)
            if self._matches(control):
                yield from self._inputs(loc, control, values)
            else:
                yield self._document.key_problem(loc, self._unknown(control))
        for control in layer.severities:
            if not self._matches(control):
                loc = ("severities", control)
                yield self._document.key_problem(loc, self._unknown(control))

    def _places(self, rule: Loc, key: str, words: Iterable[str]) -> Iterator[tuple[Loc, str]]:
        """Yield each of *words*, which are in the list below *key*, or are its one value."""
        written: Any = self._layer.document.data[rule[0]][rule[1]]
        inner = written.get(key) if isinstance(written, dict) else None
        for number, word in enumerate(words):
            place: Loc = () if inner is None else (key,)
            yield (*rule, *place, *([number] if isinstance(inner, list) else [])), word

    def _matches(self, text: str) -> bool:
        """Whether *text*, an id or a glob, is a control that exists."""
        if any(fnmatchcase(id_, text) for id_ in self._known.controls) or "::" in text:
            return True
        return any(fnmatchcase(id_, text) for id_ in self._known.others.inputs)

    def _unknown(self, text: str) -> str:
        return f"no check judges the control {quoted(text)}.{did_you_mean(text, self._known.ids)}"

    def _framework(self, loc: Loc, name: str) -> Iterator[Problem]:
        known = self._known.frameworks
        if name in known or name in self._known.others.frameworks:
            return
        names = sorted({*known, *self._known.others.frameworks})
        hint = did_you_mean(name, names, otherwise="There are")
        yield self._document.problem(loc, f"no check maps to the framework {quoted(name)}.{hint}")

    def _inputs(self, loc: Loc, control: str, values: Mapping[str, Any]) -> Iterator[Problem]:
        declared = self._known.inputs.get(control)
        names = self._known.others.inputs.get(control) if declared is None else frozenset(declared)
        if names is None:
            return
        for name, value in values.items():
            if name not in names:
                has = ", ".join(sorted(names)) or "none"
                message = f"unknown input {quoted(name)} (this control has: {has})"
                meant = did_you_mean(name, names)
                yield self._document.key_problem((*loc, name), message + (meant and f".{meant}"))
            elif declared and (why := self._known.misfit(value, declared[name])):
                yield self._document.problem((*loc, name), why)
