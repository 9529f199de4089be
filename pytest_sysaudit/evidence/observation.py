"""One thing that was seen of a target: what was asked, what came, when; and who keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.record import Plain

#: What an observation can be of. ``target``: opening it; ``row``: a row of a keyed fact table.
KINDS = ("target", "command", "file", "table", "row", "api", "http", "tls", "capture")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen, as it came: secrets are taken out where it is kept.

    Attributes:
        kind: one of `KINDS`.
        target: the target's name.
        asked: JSON data that tells it from others of its kind and target, as
            ``{"command": ["id", "-u"], "user": null}``; a replay looks it up by this.
        started: seconds since the epoch, by this machine's clock.
        duration: seconds.
        answer: JSON data, small, as ``{"exit_code": 0}``.
        error: why there is no answer, as `faults.to_plain` gives it; None if there is one.
        parts: content by name, as it came: ``stdout``, ``body``, ``packets``. Those that are no
            text are kept as they are, but for secrets that are known.
        made_of: the ids of what it was made of.
        value: JSON data that a replay needs whole, however large: it is kept as the part
            ``value``, in which form a player gives it back; None: there is none. Secrets are taken
            out of each text in it, so what is no text stays as it is.
        redacted: whether a secret was taken out already, before it came to the journal.
    """

    kind: str
    target: str
    asked: Mapping[str, Plain]
    started: float
    duration: float = 0.0
    answer: Plain = None
    error: Mapping[str, Plain] | None = None
    parts: Mapping[str, bytes] = field(default_factory=dict)
    made_of: tuple[str, ...] = ()
    value: Plain = None
    redacted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Observation):
    """An observation as it is kept, without secrets.

    Attributes:
        id: 16 hex digits, from the hash of all that is kept of it.
        redacted: whether a secret was taken out of it; what it was made of is not meant.
        cut: the names of parts that are not whole, because they were too large.
    """

    id: str
    cut: tuple[str, ...] = ()


class Journal(Protocol):
    """Where a run writes what it saw: the only door, and where secrets are taken out."""

    def note(self, seen: Observation) -> Stored:
        """Keep *seen*, and add it to what the running check used (`trail.used`).

        Never raises: a journal that cannot write any more says so once, at the end of the run.
        The parts of what it returns are empty.
        """


class NotRecorded(CannotAssess):
    """It is not in the recording.

    Attributes:
        what: what was asked for.
    """

    def __init__(self, target: str, what: str, why: str = "") -> None:
        super().__init__(f"{target}: {what} is not in the recording{why and f' ({why})'}")
        self.what = what


class Player(Protocol):
    """What was recorded, for a replay."""

    def find(self, kind: str, target: str, asked: Mapping[str, Plain]) -> Stored | None:
        """Return what was seen when the same was asked; None if it never was.

        Who asks the same again gets what came then, in the order of the recording, at the end the
        last one again. It is added to what the running check used.
        """

    def every(self, kind: str, target: str, asked: Mapping[str, Plain]) -> Sequence[Stored]:
        """Return all that was seen when the same was asked, in that order; nobody used it yet."""
