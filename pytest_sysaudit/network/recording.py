"""Captures as observations: what was asked for, the packets, and the same again in a replay."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.evidence import faults
from pytest_sysaudit.evidence.observation import NotRecorded, Observation
from pytest_sysaudit.evidence.trail import used
from pytest_sysaudit.network import pcap
from pytest_sysaudit.network.blank import blanked
from pytest_sysaudit.network.capture import Recording
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.observation import Journal, Stored

#: When something went wrong: before the first packet, in the block of the check, at the end.
START, BLOCK, STOP = "start", "block", "stop"


def asked_of(how: str, interface: str | None, expression: str, **more: Plain) -> dict[str, Plain]:
    """Return what tells a capture from others of its network.

    Args:
        how: ``capture``, ``sample``, ``probe``, ``ask``.
        interface: as it was asked for; None: the one of the inventory.
        expression: the capture filter.
        more: what else was asked for.
    """
    return {"how": how, "interface": interface, "filter": expression, **more}


class CaptureRecorder:
    """Keeps every capture of one network."""

    def __init__(self, journal: Journal, target: str) -> None:
        self._journal, self._target = journal, target

    def keep(
        self,
        asked: Mapping[str, Plain],
        recording: Recording,
        **more: Plain,
    ) -> None:
        """Keep what was captured, without the credentials in it, and *more* in the answer."""
        packets, redacted = blanked(recording.trace)
        self._note(
            asked,
            recording.started,
            duration=recording.ended - recording.started,
            answer={
                "place": recording.place,
                "filter": recording.filter,
                "packets": len(recording.trace),
                "drops": recording.drops,
                "gaps": list(recording.gaps),
                "ended": recording.ended,
                **more,
            },
            parts={"packets": packets} if packets else {},
            redacted=redacted,
        )

    def failed(
        self, asked: Mapping[str, Plain], error: BaseException, started: float, when: str = START
    ) -> None:
        """Keep why there is no capture, and *when* that came up."""
        self._note(
            asked,
            started,
            duration=time.time() - started,
            answer={"when": when},
            error=faults.to_plain(error),
        )

    def _note(self, asked: Mapping[str, Plain], started: float, **seen: Any) -> None:
        self._journal.note(
            Observation(kind="capture", target=self._target, asked=asked, started=started, **seen)
        )


def recording_of(stored: Stored) -> Recording:
    """Return the capture in *stored*.

    Raises:
        CannotAssess: its packets cannot be read.
    """
    told = stored.answer
    data = stored.parts.get("packets", b"")
    trace = pcap.parse(data, told["place"]) if data else pcap.Trace(b"")
    gaps = tuple(told["gaps"])
    if "packets" in stored.cut:
        used(stored.id, redacted=True)  # a check that looked at it stands as it was recorded
        gaps = (*gaps, f"the recording holds only {len(trace)} of {told['packets']} packets")
    return Recording(
        place=told["place"],
        filter=told["filter"],
        trace=trace,
        drops=told["drops"],
        gaps=gaps,
        started=stored.started,
        ended=told["ended"],
    )


def raise_error(stored: Stored, *moments: str) -> None:
    """Raise what went wrong in *stored* if it did so at one of *moments*.

    Raises:
        CannotAssess, NotApplicable: as it was then.
    """
    if stored.error is not None and (stored.answer or {}).get("when") in moments:
        raise faults.from_plain(stored.error)


def missing(target: str, asked: Mapping[str, Plain]) -> NotRecorded:
    """Return the error for what was not asked when this was recorded."""
    told = ", ".join(
        f"{name}={value!r}" for name, value in asked.items() if value not in (None, "")
    )
    return NotRecorded(target, f"a capture with {told}")
