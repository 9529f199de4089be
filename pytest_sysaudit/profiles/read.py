"""From the data of one profile file to a `Layer`, with everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pytest_sysaudit.errors import Problem
from pytest_sysaudit.inventory.build import BROKEN, Loc, quoted
from pytest_sysaudit.inventory.frozen import freeze
from pytest_sysaudit.inventory.reader import Reader
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.inventory.yaml import Document
from pytest_sysaudit.profiles.model import Exclusion, Layer, Rule
from pytest_sysaudit.record import Severity

T = TypeVar("T")

_KEYS = ("version", "title", "extends", "include", "exclude", "inputs", "severities")
_RULE = ("control", "framework", "at_least", "at_most")
_LEVELS = tuple(severity.value for severity in Severity)
_KNOWN_AS = {
    "severity": "at_least at_most",
    "id": "control",
    "controls": "control",
    "frameworks": "framework",
    "name": "title",
    "base": "extends",
}
"""What one may well write instead of our keys."""


def read_layer(
    document: Document, *, name: str, path: str, shipped: bool = False
) -> tuple[Layer, list[Problem]]:
    """Return what *document* says, and what is wrong with it.

    Args:
        document: a profile file.
        name: what the layer is called.
        path: the file.
        shipped: whether it came with the package.
    """
    reader = _Reader(document, "a profile", _KNOWN_AS)
    data = reader.top(_KEYS)
    layer = Layer(
        name=name,
        path=path,
        document=document,
        shipped=shipped,
        title=reader.text(("title",), data.get("title"), ""),
        extends=reader.texts(("extends",), data.get("extends")),
        include=reader.include(data.get("include")),
        exclude=tuple(reader.exclude(data.get("exclude"))),
        inputs=dict(reader.by_control("inputs", data.get("inputs"), reader.values)),
        severities=dict(reader.by_control("severities", data.get("severities"), reader.level)),
    )
    return layer, reader.problems


class _Reader(Reader):
    def text(self, loc: Loc, value: Any, default: str) -> str:
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip():
            self.unlike(loc, "text", value)
            return default
        return value.strip()

    def texts(self, loc: Loc, value: Any) -> tuple[str, ...]:
        """Return a text, or a list of such, as a tuple."""
        if not isinstance(value, list):
            text = self.text(loc, value, "")
            return (text,) if text else ()
        found = []
        for number, item in enumerate(value):
            if item is None:
                self.unlike((*loc, number), "text", item)
            elif text := self.text((*loc, number), item, ""):
                found.append(text)
        return tuple(found)

    def include(self, value: Any) -> tuple[Rule, ...] | None:
        if value is None:
            return None
        items = self._list(("include",), value)
        if items == []:
            self.wrong(("include",), "is empty; leave it out, or name a control")
        rules = [self._included(("include", n), item) for n, item in enumerate(items or ())]
        return tuple(rule for rule in rules if rule is not None)

    def _included(self, loc: Loc, item: Any) -> Rule | None:
        if isinstance(item, str) and item.strip():
            return Rule(place=loc, controls=(item.strip(),))
        if not isinstance(item, dict):
            self.unlike(loc, "a control, or keys and values", item)
            return None
        return self._rule(loc, item, _RULE)

    def exclude(self, value: Any) -> Iterator[Exclusion]:
        for number, item in enumerate(self._list(("exclude",), value) or ()):
            loc = ("exclude", number)
            if not isinstance(item, dict):
                written = item if isinstance(item, str) else "ID"
                way_out = f". Write {{control: {written}, reason: ...}}"
                self.unlike(loc, "a control and a reason", item, way_out)
                continue
            rule = self._rule(loc, item, (*_RULE, "reason"))
            reason = self.text((*loc, "reason"), item.get("reason"), "")
            if item.get("reason") is None:
                self.wrong(loc, "missing key 'reason': say why it is left out")
            if rule is not None and reason:
                yield Exclusion(rule, " ".join(reason.split()))

    def _rule(self, loc: Loc, item: dict[str, Any], keys: tuple[str, ...]) -> Rule | None:
        self.known(loc, item, keys)
        if not any(item.get(key) is not None for key in _RULE):
            self.wrong(loc, f"names no control; give one of {', '.join(_RULE)}")
            return None
        least, most = (
            self.level((*loc, key), item[key]) if item.get(key) is not None else None
            for key in ("at_least", "at_most")
        )
        if least and most and least.weight > most.weight:
            self.wrong((*loc, "at_most"), f"no severity is at least {least} and at most {most}")
        return Rule(
            place=loc,
            controls=self.texts((*loc, "control"), item.get("control")),
            frameworks=self.texts((*loc, "framework"), item.get("framework")),
            at_least=least,
            at_most=most,
        )

    def level(self, loc: Loc, value: Any) -> Severity | None:
        if isinstance(value, str) and value in _LEVELS:
            return Severity(value)
        meant = did_you_mean(value, _LEVELS) if isinstance(value, str) else ""
        self.unlike(loc, f"one of {', '.join(_LEVELS)}", value, meant and f".{meant}")
        return None

    def values(self, loc: Loc, value: Any) -> Any:
        if isinstance(value, dict):
            return freeze({name: item for name, item in value.items() if item is not BROKEN})
        self.unlike(loc, "inputs and their values", value)
        return None

    def by_control(
        self, key: str, value: Any, read: Callable[[Loc, Any], T | None]
    ) -> Iterator[tuple[str, T]]:
        """Yield what *read* makes of the value of each control below *key*."""
        if value is None:
            return
        if not isinstance(value, dict):
            self.unlike((key,), "controls and their values", value)
            return
        for control, given in value.items():
            if re.search(r"[*?\[]", control):
                text = f"expected the id of one control, found {quoted(control)}"
                self.problems.append(self.document.key_problem((key, control), text))
            elif (found := read((key, control), given)) is not None:
                yield control, found

    def _list(self, loc: Loc, value: Any) -> list[Any] | None:
        if value is None or isinstance(value, list):
            return value
        way_out = f". Write [{value}]" if isinstance(value, str) else ""
        self.unlike(loc, "a list", value, way_out)
        return None
