"""What all our YAML files have in common: a version, known keys, mistakes told with their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_sysaudit.errors import Problem
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.inventory.build import BROKEN, Loc, quoted
from pytest_sysaudit.inventory.explain import show
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.inventory.yaml import Document


class Reader:
    """Reads the data of one file.

    Args:
        document: the file.
        noun: what the file holds, for messages: ``a profile``.
        known_as: what one may well write instead of our keys, and the keys that are meant, with
            blanks between them.

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
        self._redactor = Redactor()

    def wrong(self, loc: Loc, message: str) -> None:
        """Note that something is wrong at *loc*."""
        self.problems.append(self.document.problem(loc, message))

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
            meant = [name for name in self._known_as.get(key, "").split() if name in names]
            hint = f" Did you mean {' or '.join(map(repr, meant))}?" if meant else ""
            hint = hint or did_you_mean(key, names, otherwise="Known keys")
            text = f"unknown key {quoted(key)}.{hint}"
            self.problems.append(self.document.key_problem((*loc, key), text))
