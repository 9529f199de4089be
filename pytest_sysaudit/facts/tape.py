"""Fact tables that are kept while a host is audited, and told again in a replay."""

from __future__ import annotations

from typing import Protocol

from pytest_sysaudit.facts.outcome import Outcome


class Tape(Protocol):
    """What `Facts` and keyed tables ask before they read, and tell after it."""

    def recall(self, table: str, user: str | None, key: str | None = None) -> Outcome | None:
        """Return what is known of *table*, or of its row *key*; None: it is to be read."""

    def keep(
        self,
        table: str,
        user: str | None,
        outcome: Outcome,
        key: str | None = None,
    ) -> str:
        """Keep *outcome*; returns the id of the observation."""
