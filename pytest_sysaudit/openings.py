"""Who a target said it is when it was opened: kept in a journal, or told again by a player."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.evidence import faults
from pytest_sysaudit.evidence.observation import Observation
from pytest_sysaudit.evidence.trail import collected
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.observation import Journal, Player

T = TypeVar("T")


class Openings:
    """Keeps what came of opening each target.

    Args:
        journal: where it is kept; None: nowhere.
        player: a recording that answers in place of the targets; None: they are asked.

    Attributes:
        evidence: the id of the observation of each target's opening, by name.
    """

    def __init__(self, journal: Journal | None, player: Player | None) -> None:
        self._journal, self._player = journal, player
        self.evidence: dict[str, str] = {}

    def open(self, make: Callable[[Target], T], target: Target) -> T:
        """Return what *make* gave, and keep who the target said it is, or why there is nothing."""
        with collected():  # it is part of every result of the target, not of the first check's
            if self._player is not None:
                self._recall(self._player, target.name)
            if self._journal is None:
                return make(target)
            return self._kept(self._journal, make, target)

    def _recall(self, player: Player, name: str) -> None:
        """Raise what came in place of the target when it was recorded, if anything did."""
        known = player.find("target", name, {})
        if known is None:
            raise Unreachable(f"{name}: it is not in the recording")
        self.evidence[name] = known.id
        if known.error is not None:
            raise faults.from_plain(known.error)

    def _kept(self, journal: Journal, make: Callable[[Target], T], target: Target) -> T:
        started, error = time.time(), None
        identity: Mapping[str, Plain] = {}
        try:
            value = make(target)
            identity = dict(getattr(way(value), "identity", None) or {})
        except Exception as failure:
            error = faults.to_plain(failure)
            raise
        finally:
            kept = journal.note(
                Observation(
                    kind="target",
                    target=target.name,
                    asked={},
                    started=started,
                    duration=time.time() - started,
                    answer=identity,
                    error=error,
                )
            )
            self.evidence[target.name] = kept.id
        return value


def way(opened: Any) -> Any:
    """Return what holds the connection and knows the identity: a host's transport, else itself."""
    return opened.transport if "transport" in dir(type(opened)) else opened
