"""Reading the entries of waiver and attestation files, every mistake with the way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pytest_sysaudit.compliance.moments import moment
from pytest_sysaudit.inventory.build import BROKEN, Loc
from pytest_sysaudit.inventory.reader import Reader
from pytest_sysaudit.inventory.select import SelectionError, Selector
from pytest_sysaudit.inventory.yaml import Document

#: What no id of a control holds, and a glob or a regular expression does.
_PATTERN_SIGNS = frozenset("*?[]^$|(){}\\")
_EVERYWHERE = Selector.parse("all")


class EntryReader(Reader):
    """Reads a file that is a list of entries, each about one control on some targets."""

    def __init__(
        self, document: Document, noun: str, known_as: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(document, noun, known_as)
        self._places: set[str] = set()

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
