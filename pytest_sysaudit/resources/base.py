"""Where the answers of resources come from, and how they say that a thing is absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.base import Facts
from pytest_sysaudit.facts.keyed import KeyedTable

Row = TypeVar("Row")


class Absent(AssertionError, RuntimeError):  # noqa: N818 - it is an answer, not a fault
    """What a test asks about plainly does not exist, so there is nothing to tell of it.

    testinfra raises AssertionError in most such cases and RuntimeError in others.
    """


@dataclass(frozen=True, slots=True)
class Source:
    """Where the answers of one resource come from.

    Attributes:
        facts: returns the fact tables as the user sees them that ``host.sudo()`` chose.
        testinfra: returns testinfra's own module of the same name.
    """

    facts: Callable[[], Facts]
    testinfra: Callable[[], Any]


class Module:
    """What ``host.<name>`` is."""

    __slots__ = ("_source",)

    def __init__(self, source: Source) -> None:
        self._source = source


class Named:
    """One thing that a test asks about by its name; its class says what kind of thing.

    Attributes:
        name: as it was asked for.
    """

    __slots__ = ("_source", "name")

    def __init__(self, source: Source, name: str) -> None:
        self._source = source
        self.name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.name}>"


def row(table: KeyedTable[Row], key: str) -> Row:
    """Return ``table[key]``.

    Raises:
        Absent: there is no such thing.
        CannotAssess: as the table raises it.
    """
    try:
        return table[key]
    except NotApplicable as error:
        raise Absent(str(error)) from error
