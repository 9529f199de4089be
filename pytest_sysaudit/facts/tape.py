"""Fact tables that are kept while a host is audited, and told again in a replay."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_sysaudit.evidence import faults
from pytest_sysaudit.evidence.observation import Journal, NotRecorded, Observation, Player, Stored
from pytest_sysaudit.evidence.redact import MASK
from pytest_sysaudit.evidence.trail import collected, passed_on, used
from pytest_sysaudit.facts import codec
from pytest_sysaudit.facts.codec_plain import from_text, text
from pytest_sysaudit.facts.outcome import Outcome
from pytest_sysaudit.record import Plain


class Tape(Protocol):
    """What `Facts` and keyed tables read through, where a run is recorded or replayed.

    Whatever a call adds to what the running check used (`evidence.trail`) is what the table, or
    the row, is to be known by.

    Attributes:
        replays: whether it tells what was recorded: asking ahead is of no use then, and who asks
            once more is told the same.
    """

    replays: bool

    def table(
        self, name: str, user: str | None, read: Callable[[], Outcome], packages: Iterable[str]
    ) -> Outcome:
        """Return what is known of the table *name*, or what *read* gives.

        Args:
            name: the table's.
            user: who reads it; None: as the inventory says.
            read: reads it.
            packages: whose classes its value may hold, besides our own.
        """

    def keep_rows(
        self,
        name: str,
        user: str | None,
        rows: Mapping[str, Outcome],
        made_of: Iterable[str],
        packages: Iterable[str],
    ) -> None:
        """Keep *rows* of the keyed table *name*, by key; they were asked for together.

        Args:
            name: the table's.
            user: who asked.
            rows: what came.
            made_of: the ids of the observations that they are made of.
            packages: as in `table`.
        """

    def row(self, name: str, user: str | None, key: str, packages: Iterable[str]) -> Outcome | None:
        """Return what is known of the row *key*; None: it is to be asked for."""

    def together(self, name: str, user: str | None, key: str) -> tuple[str, ...]:
        """Return the keys with which *key* is to be asked for, itself among them; (): any."""


#: So many keys of rows that were asked for together stand beside them.
_SHOWN = 20


class RecordingTape:
    """Notes down the tables of the target *name*."""

    replays = False

    def __init__(self, name: str, journal: Journal) -> None:
        self._target = name
        self._journal = journal

    def table(
        self, name: str, user: str | None, read: Callable[[], Outcome], packages: Iterable[str]
    ) -> Outcome:
        """Return what *read* gives, and keep it; see `Tape.table`."""
        started = time.time()
        with collected() as sources:
            outcome = read()
        error = None if outcome.error is None else faults.to_plain(outcome.error)
        value = None if error else _encoded(outcome.value, packages)
        seen = Observation(
            kind="table",
            target=self._target,
            asked={"table": name, "user": user},
            started=started,
            duration=time.time() - started,
            error=error,
            made_of=tuple(sources.ids),
            value=value,
        )
        self._journal.note(seen)
        return outcome

    def keep_rows(
        self,
        name: str,
        user: str | None,
        rows: Mapping[str, Outcome],
        made_of: Iterable[str],
        packages: Iterable[str],
    ) -> None:
        """Keep *rows*, all in one observation; see `Tape.keep_rows`."""
        value = _encoded(dict(rows), packages)
        # all of them where a replay needs them to ask again, else some for who looks at it
        shown = [*rows] if value is None else [*rows][:_SHOWN]
        seen = Observation(
            kind="row",
            target=self._target,
            asked={"table": name, "user": user},
            started=time.time(),
            answer={"keys": [*map(text, shown)], "count": len(rows)},
            made_of=tuple(made_of),
            value=value,
        )
        self._journal.note(seen)

    def row(self, name: str, user: str | None, key: str, packages: Iterable[str]) -> None:
        """Return None: nothing is known before it was asked for."""

    def together(self, name: str, user: str | None, key: str) -> tuple[str, ...]:
        """Return nothing: it does not matter."""
        del name, user, key
        return ()


def _encoded(value: object, packages: Iterable[str]) -> Plain:
    """Return *value* as JSON data, never None; None where it is kept as its commands only."""
    try:
        return codec.encode(value, packages)
    except (codec.Unknown, RecursionError):
        return None


class Decoder:
    """Makes values of recorded data: once where several hosts have the same, as those of one image.

    Of what it made it keeps what came last, from up to *limit* bytes of data.
    """

    def __init__(self, limit: int = 1 << 23) -> None:
        self._limit, self._size = limit, 0
        self._known: dict[tuple[bytes, frozenset[str]], Any] = {}

    def decode(self, data: bytes, packages: Iterable[str]) -> Any:
        """Return the value of *data*, JSON; it is shared, and must not be changed.

        Raises:
            codec.Unknown: see `codec.decode`.
        """
        key = (data, frozenset(packages))
        if key in self._known:
            return self._known[key]
        value = codec.decode(json.loads(data), packages)
        if len(data) <= self._limit:
            self._known[key] = value
            self._size += len(data)
        while self._size > self._limit:
            first = next(iter(self._known))
            self._size -= len(first[0])
            del self._known[first]
        return value


@dataclass(slots=True)
class _Rows:
    """What was recorded of one keyed table: each row with its evidence, and what was no data."""

    known: dict[str, tuple[Outcome, str, bool]] = field(default_factory=dict)
    unknown: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)


class ReplayTape:
    """Tells the tables of the target *name* again.

    Args:
        name: the target's.
        player: the recording.
        decoder: of the whole run, so that targets share what is the same.
    """

    replays = True

    def __init__(self, name: str, player: Player, decoder: Decoder | None = None) -> None:
        self._target = name
        self._player = player
        self._decode = (decoder or Decoder()).decode
        self._rows: dict[tuple[str, str | None], _Rows] = {}

    def table(
        self, name: str, user: str | None, read: Callable[[], Outcome], packages: Iterable[str]
    ) -> Outcome:
        """Return the recorded table, or what *read* makes of recorded commands."""
        with collected():
            found = self._player.find("table", self._target, {"table": name, "user": user})
        if found is not None and found.error is not None:
            used(found.id, redacted=MASK in str(found.error))
            return Outcome(error=faults.from_plain(found.error))
        if found is not None and (data := found.parts.get("value")) and "value" not in found.cut:
            try:
                outcome = Outcome(value=self._decode(data, packages))
            except codec.Unknown:
                pass
            else:
                used(found.id, redacted=MASK.encode() in data)
                return outcome
        with collected() as sources:
            outcome = read()
        if found is not None:
            used(found.id, redacted=sources.redacted)
        else:
            passed_on(sources)
        if isinstance(outcome.error, NotRecorded):
            what = f"facts.{name}{f' (as {user})' if user else ''}"
            lost = NotRecorded(self._target, what, f"nor is {outcome.error.what}")
            return Outcome(error=lost)
        return outcome

    def keep_rows(
        self,
        name: str,
        user: str | None,
        rows: Mapping[str, Outcome],
        made_of: Iterable[str],
        packages: Iterable[str],
    ) -> None:
        """Find what *rows*, which were read from recorded commands, are known by."""
        del made_of, packages
        known = self._rows[name, user].unknown
        for id_ in dict.fromkeys(known[key][1] for key in rows):
            used(id_)

    def row(self, name: str, user: str | None, key: str, packages: Iterable[str]) -> Outcome | None:
        """Return the recorded row; see `Tape.row`."""
        rows = self._rows.get((name, user))
        if rows is None:
            rows = self._rows[name, user] = self._recorded(name, user, packages)
        if (found := rows.known.get(key)) is not None:
            outcome, id_, redacted = found
            used(id_, redacted=redacted)
            return outcome
        if key in rows.unknown:
            return None
        what = f"facts.{name}[{key!r}]{f' (as {user})' if user else ''}"
        return Outcome(error=NotRecorded(self._target, what))

    def together(self, name: str, user: str | None, key: str) -> tuple[str, ...]:
        """Return the keys that the recorded command asked for."""
        return self._rows[name, user].unknown[key][0]

    def _recorded(self, name: str, user: str | None, packages: Iterable[str]) -> _Rows:
        """Return all rows of one table: they were asked for in other groups than now."""
        rows = _Rows()
        asked = {"table": name, "user": user}
        for found in self._player.every("row", self._target, asked):
            self._add(rows, found, packages)
        return rows

    def _add(self, rows: _Rows, found: Stored, packages: Iterable[str]) -> None:
        data = found.parts.get("value", b"")
        if not data or "value" in found.cut:
            keys = tuple(map(from_text, found.answer["keys"]))
            if len(keys) < found.answer["count"]:
                return  # what they were asked for with is not known any more
            rows.unknown.update(dict.fromkeys(keys, (keys, found.id)))
            return
        try:
            known: Mapping[str, Outcome] = self._decode(data, packages)
        except codec.Unknown:
            return
        masked = MASK.encode() in data
        for key, outcome in known.items():
            redacted = masked and MASK in json.dumps(_encoded(outcome, packages))
            rows.known.setdefault(key, (outcome, found.id, redacted))
