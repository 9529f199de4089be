"""Keyed tables with a command of its own for each key, all of them in one round trip."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeVar

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.frame import frame_script, split_frame
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.facts.outcome import Failure
from pytest_sysaudit.transport.base import Command, CommandResult, Script

Row = TypeVar("Row")


class PerKey(KeyedTable[Row]):
    """One line and one answer for each key; what one key's command says is not mixed with others'.

    A subclass says the ``line`` of a key and what the ``row`` of its answer is.
    """

    BATCH = 100

    @classmethod
    @abstractmethod
    def line(cls, key: str) -> Command:
        """Return the read-only command that asks for *key*."""

    @classmethod
    @abstractmethod
    def row(cls, key: str, result: CommandResult) -> Row:
        """Return the row that *result* stands for.

        Raises:
            CannotAssess: it answers nothing; the same for NotApplicable.
        """

    @classmethod
    def command(cls, keys: Sequence[str]) -> str:
        """Return the script that runs the lines of *keys*."""
        text = frame_script({str(number): cls.line(key) for number, key in enumerate(keys)})
        ours = cls.__module__.partition(".")[0] == __name__.partition(".")[0]
        return Script(text) if ours else text  # what others' lines do is not known

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, Row | Failure]:
        """Return the row, or the error, of each key."""
        lines = {str(number): cls.line(key) for number, key in enumerate(keys)}
        answers = split_frame(result, lines)
        return {key: cls._one(key, answers[str(n)]) for n, key in enumerate(keys)}

    @classmethod
    def _one(cls, key: str, result: CommandResult) -> Row | Failure:
        try:
            return cls.row(key, result)
        except (CannotAssess, NotApplicable) as error:
            return error
        except (ValueError, LookupError) as error:
            lost = CannotAssess(f"{cls.NAME}: unknown format ({type(error).__name__}: {error})")
            lost.__cause__ = error
            return lost
