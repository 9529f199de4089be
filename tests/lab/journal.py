"""A journal and a player in memory: what a run saw, without a bundle on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from pytest_sysaudit.evidence import trail
from pytest_sysaudit.evidence.observation import Observation, Stored
from pytest_sysaudit.evidence.redact import Redactor


class MemoryJournal:
    """Keeps what it is told, redacted, with its parts.

    Attributes:
        kept: the observations, in their order.
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        self.redactor = redactor or Redactor()
        self.kept: list[Stored] = []

    def note(self, seen: Observation) -> Stored:
        clean, parts = self._without_secrets(seen)
        made_of = any(each.redacted for each in self.kept if each.id in seen.made_of)
        stored = Stored(
            **clean,
            parts=parts,
            id=_id(clean, parts),
            redacted=seen.redacted or made_of or self._changed(seen, clean, parts),
        )
        self.kept.append(stored)
        trail.used(stored.id, redacted=stored.redacted)
        return replace(stored, parts={})

    def of(self, kind: str) -> list[Stored]:
        """What was kept of one kind."""
        return [each for each in self.kept if each.kind == kind]

    def by_id(self, ids: Iterable[str]) -> list[Stored]:
        """The observations *ids*, in this order; each was kept."""
        known = {each.id: each for each in self.kept}
        return [known[id_] for id_ in ids]

    def player(self) -> MemoryPlayer:
        """A player of what was kept so far."""
        return MemoryPlayer(self.kept)

    def _without_secrets(self, seen: Observation) -> tuple[dict[str, Any], dict[str, bytes]]:
        clean = {field.name: getattr(seen, field.name) for field in fields(Observation)}
        value, _ = clean.pop("value"), clean.pop("redacted")
        parts = {name: self._part(data) for name, data in clean.pop("parts").items()}
        for name in ("asked", "answer", "error"):
            clean[name] = self.redactor.plain(clean[name])
        if value is not None:
            parts["value"] = _json(self.redactor.plain(value))
        return clean, parts

    def _part(self, data: bytes) -> bytes:
        try:
            return self.redactor.text(data.decode()).encode()
        except UnicodeDecodeError:
            return data

    def _changed(
        self, seen: Observation, clean: Mapping[str, Any], parts: Mapping[str, bytes]
    ) -> bool:
        before = dict(seen.parts)
        if seen.value is not None:
            before["value"] = _json(seen.value)
        same = all(clean[name] == getattr(seen, name) for name in ("asked", "answer", "error"))
        return not same or dict(parts) != before


class MemoryPlayer:
    """Tells what was kept, in its order.

    Attributes:
        asked: everything that was asked for, as (kind, target, asked).
    """

    def __init__(self, kept: Iterable[Stored]) -> None:
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []
        self._kept: dict[bytes, list[Stored]] = {}
        self._next: dict[bytes, int] = {}
        for each in kept:
            self._kept.setdefault(_place(each.kind, each.target, each.asked), []).append(each)

    def find(self, kind: str, target: str, asked: Mapping[str, Any]) -> Stored | None:
        self.asked.append((kind, target, asked))
        place = _place(kind, target, asked)
        found = self._kept.get(place)
        if found is None:
            return None
        at = self._next.get(place, 0)
        self._next[place] = min(at + 1, len(found) - 1)
        trail.used(found[at].id, redacted=found[at].redacted)
        return found[at]

    def every(self, kind: str, target: str, asked: Mapping[str, Any]) -> list[Stored]:
        self.asked.append((kind, target, asked))
        return self._kept.get(_place(kind, target, asked), [])


def _place(kind: str, target: str, asked: Mapping[str, Any]) -> bytes:
    return _json([kind, target, asked])


def _id(clean: Mapping[str, Any], parts: Mapping[str, bytes]) -> str:
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    return hashlib.sha256(_json([clean, hashes])).hexdigest()[:16]


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
