"""What the checks of a run will ask of a host, as far as their source tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.asks import asks_of

if TYPE_CHECKING:
    from pytest_sysaudit.facts.asks import Tables
    from pytest_sysaudit.transport.base import Command


@dataclass(frozen=True, slots=True)
class Plan:
    """Fact tables, and rows of keyed ones, that will be asked for.

    Attributes:
        tables: names of tables without keys, sorted.
        keys: the rows of each keyed table by its name, sorted.
    """

    tables: tuple[str, ...] = ()
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def commands(self, tables: Tables) -> tuple[Command, ...]:
        """Return the read-only commands that a host can be asked before anything is known of it.

        Args:
            tables: where each table is read, as `pytest_sysaudit.facts.TABLES`.
        """
        return tuple(ask.command for ask in asks_of(tables, self.tables, self.keys))
