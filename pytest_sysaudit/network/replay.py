"""A network as it was recorded: the same sniffer, whose captures come from the recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.evidence.trail import collected, passed_on
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.network.capture import Capture, Recording
from pytest_sysaudit.network.recording import (
    BLOCK,
    START,
    STOP,
    missing,
    raise_error,
    recording_of,
)
from pytest_sysaudit.network.sniffer import Sniffer
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.observation import Player, Stored


def replay_sniffer(target: Target, player: Player) -> Sniffer:
    """Return the sniffer of *target* as it was recorded; nothing is captured, sent or read."""
    return _Recorded(target, player)


class _Recorded(Sniffer):
    """Finds each capture by what was asked for."""

    def __init__(self, target: Target, player: Player) -> None:
        super().__init__(target)
        self._player = player

    def exercise(self) -> None:
        """Do nothing: the traffic is in the capture."""

    @contextmanager
    def _capturing(
        self,
        asked: Mapping[str, Plain],
        capture: Capture,
        interface: str | None,  # noqa: ARG002
        expression: str,  # noqa: ARG002
        bounds: Mapping[str, Any],  # noqa: ARG002
    ) -> Iterator[Capture]:
        with collected() as seen:
            known = self._found(asked)
        try:
            raise_error(known, START)
            yield capture
            # the block that went wrong then did not do so now
            raise_error(known, BLOCK, STOP)
            capture.finish(recording_of(known))
        finally:
            passed_on(seen)  # in the order of the run: a capture is kept when it has ended

    def _fill(self, seconds: float) -> None:
        """Do nothing: the time is over."""

    def _opened(self, path: str) -> Recording:
        known = self._found({"how": "open", "path": path})
        raise_error(known, START)
        return recording_of(known)

    def _probed(
        self,
        asked: Mapping[str, Plain],
        send: Any,  # noqa: ARG002
    ) -> tuple[Capture, int | None]:
        known = self._found(asked)
        raise_error(known, START)
        capture = Capture(min_packets=known.answer["sent"]).finish(recording_of(known))
        return capture, known.answer["answered_by"]

    def _found(self, asked: Mapping[str, Plain]) -> Stored:
        known = self._player.find("capture", self.target.name, asked)
        if known is None:
            raise missing(self.target.name, asked)
        return known
