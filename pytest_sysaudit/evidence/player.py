"""What was recorded, found again by what was asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property

from pytest_sysaudit.evidence.bundle import Bundle
from pytest_sysaudit.evidence.canonical import canonical
from pytest_sysaudit.evidence.observation import Stored
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.trail import running, used
from pytest_sysaudit.record import Plain

_Key = tuple[str, str, bytes]
#: So many questions are known again that nobody asked when it was recorded.
_MASKED = 4096


class BundlePlayer:
    """Answers from a recording; may be used from several threads.

    Args:
        bundle: the recording.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._turns: dict[object, int] = {}
        self._lock = threading.Lock()
        self._shapes = Redactor()
        self._masked: dict[bytes, bytes] = {}

    @cached_property
    def _found(self) -> dict[_Key, list[str]]:
        """The ids of what was seen, by what was asked, in the order of the recording."""
        found: dict[_Key, list[tuple[str, str, float]]] = {}
        for id_, entry in self._bundle.observations.items():
            value = self._bundle.value(id_)
            key = (value["kind"], value["target"], canonical(value["asked"]))
            ended = value["started"] + value.get("duration", 0.0)
            found.setdefault(key, []).append((entry.process, id_, ended))
        for times in found.values():
            if len({process for process, _, _ in times}) > 1:
                times.sort(key=lambda each: each[2])
        return {key: [id_ for _, id_, _ in times] for key, times in found.items()}

    def find(self, kind: str, target: str, asked: Mapping[str, Plain]) -> Stored | None:
        """Return what was seen when the same was asked; None if it never was.

        Who asks the same again gets what came then, in the order of the recording, at the end the
        last one again. A check that was recorded gets what itself was told, in whatever order
        others ask. It is added to what the running check used.
        """
        with self._lock:
            key = self._key(kind, target, asked)
            ids = self._found.get(key)
            if not ids:
                return None
            ids, turns = self._own(ids)
            turn = turns.get(key, 0)
            turns[key] = turn + 1
        found = self._bundle.observation(ids[min(turn, len(ids) - 1)])
        used(found.id, redacted=found.redacted, target=target)
        return found

    def _own(self, ids: list[str]) -> tuple[list[str], dict[object, int]]:
        """Return which of *ids* the running check may be given, and who counts them."""
        trail = running()
        own = [id_ for id_ in ids if id_ in trail.own] if trail is not None else []
        return (own, trail.turns) if trail is not None and own else (ids, self._turns)

    def every(self, kind: str, target: str, asked: Mapping[str, Plain]) -> tuple[Stored, ...]:
        """Return all that was seen when the same was asked, in that order; nobody used it yet."""
        ids = self._found.get(self._key(kind, target, asked), ())
        return tuple(map(self._bundle.observation, ids))

    def _key(self, kind: str, target: str, asked: Mapping[str, Plain]) -> _Key:
        key = (kind, target, canonical(asked))
        if key in self._found:
            return key
        # what looks like a secret was taken out of what was asked when it was recorded
        masked = self._masked.get(key[2])
        if masked is None:
            masked = canonical(self._shapes.plain(asked))
            if len(self._masked) < _MASKED:
                self._masked[key[2]] = masked
        return (kind, target, masked)
