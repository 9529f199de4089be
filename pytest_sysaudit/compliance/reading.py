"""Reading our YAML files: every value with its place, every mistake with the way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pytest_sysaudit.compliance.moments import moment
from pytest_sysaudit.errors import Problem
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.inventory.build import BROKEN, Loc, quoted
from pytest_sysaudit.inventory.explain import show
from pytest_sysaudit.inventory.select import SelectionError, Selector
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.inventory.yaml import Document

#: What no id of a control holds, and a glob or a regular expression does.
_PATTERN_SIGNS = frozenset("*?[]^$|(){}\\")
_EVERYWHERE = Selector.parse("all")


class Reader:
    """Reads the data of one file.

    Args:
        document: the file.
        noun: what the file holds, for messages: ``a waiver file``.
        known_as: what one may well write instead of our keys, and the key that is meant.

    Attributes:
        problems: everything that is wrong so far.
    """

    def __init__(
        self, document: Document, noun: str, known_as: Mapping[str, str] | None = None
    ) -> None:
        self.document = document
        self.problems: list[Problem] = list(document.problems)
        self._noun = noun
        self._known_as = known_as or {}
        self._places: set[str] = set()
        self._redactor = Redactor()

    def wrong(self, loc: Loc, message: str, *, key: bool = False) -> None:
        """Note that something is wrong at *loc*, or with its key."""
        self.problems.append(self.document.problem(loc, message, key=key))

    def unlike(self, loc: Loc, expected: str, found: Any, way_out: str = "") -> None:
        """Note that *found* is not what was *expected*, unless the file's reader has said so."""
        if found is not BROKEN:
            shown = show(found, self._redactor)
            self.wrong(loc, f"expected {expected}, found {shown}{way_out}")

    def top(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the file's keys and values; an empty dict if it has none."""
        begin = f"{self._noun} begins with 'version: 1'"
        data = self.document.data
        if not isinstance(data, dict):
            if data is not BROKEN:
                said = "is empty" if data is None else "expected keys and values"
                self.wrong((), f"{said}; {begin}")
            return {}
        self.known((), data, keys)
        if "version" not in data:
            self.wrong((), f"missing key 'version'; {begin}")
        elif data["version"] != 1 or isinstance(data["version"], bool):
            self.unlike(("version",), "1", data["version"])
        return data

    def known(self, loc: Loc, data: Mapping[str, Any], keys: Iterable[str]) -> None:
        """Note keys of *data* that are none of *keys*."""
        names = list(keys)
        for key in data.keys() - set(names):
            meant = self._known_as.get(key, "")
            hint = f" Did you mean '{meant}'?" if meant in names else ""
            hint = hint or did_you_mean(key, names, otherwise="Known keys")
            text = f"unknown key {quoted(key)}.{hint}"
            self.problems.append(self.document.key_problem((*loc, key), text))

    def entries(self, data: Mapping[str, Any], key: str) -> Iterator[tuple[Loc, dict[str, Any]]]:
        """Yield place and data of each entry of the list *key*, which has to be there."""
        items = data.get(key, ())
        if key not in data and data:
            self.wrong((), f"missing key '{key}'")
        elif not isinstance(items, (list, tuple)):
            self.unlike((key,), "a list", items, f". Write '{key}: []' for none")
            items = ()
        for number, item in enumerate(items):
            if isinstance(item, dict):
                yield (key, number), item
            else:
                self.unlike((key, number), "keys and values", item)

    def text(self, loc: Loc, data: Mapping[str, Any], key: str, *, why: str | None = None) -> str:
        """Return the text below *key*, in one line; "" if there is none.

        Args:
            loc: the place of *data*.
            data: an entry.
            key: where the text is.
            why: what to say if it is missing; None if it may be.
        """
        value = data.get(key)
        if key not in data or (value is None and why is None):
            if why is not None:
                self.wrong(loc, f"missing key '{key}': {why}")
            return ""
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
        empty = isinstance(value, str) or value is None
        quote = f". Quote it: '{value}'" if type(value) in (int, float) else ""
        self.unlike((*loc, key), "text", value, f": {why}" if empty and why else quote)
        return ""

    def control(self, loc: Loc, data: Mapping[str, Any]) -> str:
        """Return the id of the one control that an entry is about."""
        id_ = self.text(loc, data, "control", why="name one control by its id")
        if _PATTERN_SIGNS.isdisjoint(id_) and not (id_.startswith("/") and id_.endswith("/")):
            return id_
        way_out = "; it is neither a glob nor a regular expression: write an entry for each control"
        self.unlike((*loc, "control"), "the id of one control", data["control"], way_out)
        return ""

    def targets(self, loc: Loc, data: Mapping[str, Any]) -> Selector:
        """Return the expression that says where an entry holds."""
        why = "say where it holds, as --audit-target does; 'all' is everywhere"
        if isinstance(data.get("targets"), list):
            names = [str(item) for item in data["targets"] if item is not BROKEN]
            self.unlike((*loc, "targets"), "text", data["targets"], f". Write {':'.join(names)}")
            return _EVERYWHERE
        text = self.text(loc, data, "targets", why=why)
        try:
            return Selector.parse(text) if text else _EVERYWHERE
        except SelectionError as error:
            self.wrong((*loc, "targets"), str(error))
            return _EVERYWHERE

    def moment(
        self, loc: Loc, data: Mapping[str, Any], key: str, *, why: str, end: bool
    ) -> datetime | None:
        """Return the time below *key*; see `moments.moment`."""
        text = self.text(loc, data, key, why=why)
        try:
            return moment(text, end=end) if text else None
        except ValueError as error:
            self.wrong((*loc, key), str(error))
            return None

    def place(self, loc: Loc) -> str:
        """Return file and line of an entry; the column too if another one began on that line."""
        line, column = self.document.locate(loc)
        place = f"{self.document.shown}:{line}"
        if place in self._places:
            place += f":{column}"
        self._places.add(place)
        return place
