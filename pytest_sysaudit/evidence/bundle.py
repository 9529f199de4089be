"""A recording that is read: an index of it, and the rest when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.evidence.canonical import id_of
from pytest_sysaudit.evidence.chain import HEAD, kind_of, lines
from pytest_sysaudit.evidence.observation import Stored
from pytest_sysaudit.evidence.pack import Packed, unpack
from pytest_sysaudit.evidence.records import check_observation, packed_from, short_of, value_of
from pytest_sysaudit.record import Place, Plain, Result

#: Observations are kept as they were parsed until their records have so many bytes in all; that
#: takes four to five times as much memory.
_PARSED = 16 << 20
#: So many bytes of contents are kept, none of them larger than `_LARGE`.
_CONTENTS, _LARGE = 64 << 20, 8 << 20
#: What one of them takes besides.
_BESIDES = 1 << 10


def open_bundle(folder: Path) -> Bundle:
    """Open the recording in *folder*; nothing of it is verified, and a torn last line is left out.

    Raises:
        EvidenceError: there is none.
    """
    try:
        names = files.processes(folder)
        if files.MAIN not in names:
            raise EvidenceError(
                f"{folder}: holds no recording: there is no main.chain; "
                "name the folder that --audit-evidence wrote"
            )
        chains = {name: files.chain_path(folder, name).read_bytes() for name in names}
    except OSError as error:
        raise EvidenceError(f"{folder}: cannot be read: {error.strerror}") from error
    bundle = Bundle(folder, chains)
    if not bundle.begin:
        raise EvidenceError(f"{folder}: main.chain holds no whole record")
    return bundle


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one observation stands.

    Attributes:
        process: whose chain.
        at: where its JSON begins.
        end: where it ends.
    """

    process: str
    at: int
    end: int


class Parts(Mapping[str, bytes]):
    """The contents of one observation, read when they are asked for."""

    def __init__(self, bundle: Bundle, process: str, parts: Mapping[str, Plain]) -> None:
        self._bundle, self._process, self._parts = bundle, process, parts

    def __getitem__(self, name: str) -> bytes:
        return self._bundle.content(self._process, self._parts[name])

    def __contains__(self, name: object) -> bool:
        return name in self._parts  # Mapping would read it

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


@dataclass(slots=True)
class _Content:
    """A content that was read, and where it was found to be as it was written."""

    data: bytes
    places: set[tuple[str, Packed]] = field(default_factory=set)


class _Recent:
    """The contents that were read last; may be used from several threads."""

    def __init__(self) -> None:
        self._by_hash: dict[str, _Content] = {}
        self._size = 0
        self._lock = threading.Lock()

    def get(self, process: str, packed: Packed) -> bytes | None:
        """Return the content that *packed* names, if it was read from there."""
        with self._lock:
            known = self._by_hash.get(packed.sha256)
            if known is None or (process, packed) not in known.places:
                return None
            self._by_hash[packed.sha256] = self._by_hash.pop(packed.sha256)
            return known.data

    def add(self, process: str, packed: Packed, data: bytes) -> bytes:
        """Keep *data*, which was read there; returns the same bytes for the same content."""
        if len(data) > _LARGE:
            return data
        with self._lock:
            known = self._by_hash.get(packed.sha256)
            if known is None:
                known = self._by_hash[packed.sha256] = _Content(data)
                self._size += len(data) + _BESIDES
            known.places.add((process, packed))
            while self._size > _CONTENTS:
                oldest = self._by_hash.pop(next(iter(self._by_hash)))
                self._size -= len(oldest.data) + _BESIDES
            return known.data


class Bundle:
    """What one run recorded.

    Attributes:
        folder: where it lies.
    """

    def __init__(self, folder: Path, chains: Mapping[str, bytes]) -> None:
        self.folder, self._chains = folder, chains
        self._entries: dict[str, Entry] = {}
        self._records: dict[str, list[bytes]] = {}
        self._rows: list[dict[str, Any]] | None = None
        self._parsed: dict[str, dict[str, Any]] = {}
        self._room = _PARSED
        self._contents = _Recent()
        for process, content in chains.items():
            self._index(process, content)

    def _index(self, process: str, content: bytes) -> None:
        for at, line in lines(content):
            record = line[HEAD:]
            kind = kind_of(record)
            if kind == "observation":
                place = Entry(process, at + HEAD, at + len(line))
                self._entries.setdefault(id_of(record), place)
            elif process == files.MAIN or kind in ("result", "note"):
                self._records.setdefault(kind, []).append(record)

    def check(self) -> None:
        """Check that what it says is what was written, not its contents, and keep what was parsed.

        Contents are compared with their hashes when they are asked for.

        Raises:
            EvidenceError: it is not.
        """
        from pytest_sysaudit.evidence.verify import check_chains

        rows: list[dict[str, Any]] = []

        def take(record: bytes, value: dict[str, Any]) -> None:
            kind = kind_of(record)
            if kind == "observation":
                self._keep(id_of(record), value, len(record))
            elif kind == "result":
                rows.append(value)

        check_chains(self.folder, self._chains, take)
        self._rows = rows
        self._records.pop("result", None)  # these bytes are not asked for any more

    def _keep(self, id_: str, value: dict[str, Any], size: int) -> None:
        if size <= self._room and id_ not in self._parsed:
            self._room -= size
            self._parsed[id_] = value

    def _values(self, kind: str) -> list[dict[str, Any]]:
        return [value_of(record)[1] for record in self._records.get(kind, ())]

    @cached_property
    def begin(self) -> Mapping[str, Plain]:
        """What the recording says first: ``run``, ``started``, who and with what."""
        return next(iter(self._values("begin")), {})

    @cached_property
    def ended(self) -> Mapping[str, Plain] | None:
        """What it says last; None if the run was killed."""
        return next(iter(self._values("end")), None)

    @cached_property
    def controls(self) -> Iterable[Mapping[str, Plain]]:
        """The controls that were selected."""
        return tuple(self._values("control"))

    @cached_property
    def notes(self) -> Iterable[Mapping[str, Plain]]:
        """What was cut or left out, and why: ``at``, ``text``, and ``about`` an observation."""
        return tuple(self._values("note"))

    @cached_property
    def results(self) -> Iterable[Mapping[str, Plain]]:
        """The rows of the json report; of those with the same place the last one."""
        rows = self._values("result") if self._rows is None else self._rows
        found = tuple({_place(row): row for row in rows}.values())
        self._rows = None  # they are kept here from now on, unless one of them is odd
        return found

    @cached_property
    def plan(self) -> tuple[Place, ...]:
        """Which checks were to be carried out on which targets, each once."""
        told = (place for part in self._values("plan") for place in part["places"])
        return tuple(dict.fromkeys(map(Place.from_plain, told)))

    @property
    def observations(self) -> Mapping[str, Entry]:
        """The place of each observation, by id, in the order of each chain; see `observation`."""
        return self._entries

    def value(self, id_: str) -> dict[str, Any]:
        """Return the record of the observation *id_*, as it is kept; nobody may change it.

        Raises:
            EvidenceError: there is none, or it is broken.
        """
        if (known := self._parsed.get(id_)) is not None:
            return known
        entry = self._entries.get(id_)
        if entry is None:
            raise EvidenceError(f"{self.folder}: no observation {id_}")
        try:
            _, value = value_of(self._chains[entry.process][entry.at : entry.end])
            check_observation(value)
        except EvidenceError as error:
            path = files.chain_path(self.folder, entry.process)
            raise EvidenceError(f"{path}: byte {entry.at}: {error}") from error
        self._keep(id_, value, entry.end - entry.at)
        return value

    def observation(self, id_: str) -> Stored:
        """Return the observation *id_*; its parts are read when they are asked for.

        Raises:
            EvidenceError: there is none, or it is broken.
        """
        value = self.value(id_)
        return Stored(
            id=id_,
            kind=value["kind"],
            target=value["target"],
            asked=value["asked"],
            started=value["started"],
            duration=value.get("duration", 0.0),
            answer=_copied(value.get("answer")),
            error=_copied(value.get("error")),
            parts=self._parts(id_, value),
            made_of=tuple(value.get("made_of", ())),
            redacted=value.get("redacted", False),
            cut=tuple(value.get("cut", ())),
        )

    def _parts(self, id_: str, value: Mapping[str, Plain]) -> Parts:
        return Parts(self, self._entries[id_].process, value.get("parts", {}))

    def part(self, id_: str, name: str) -> bytes:
        """Return the content *name* of the observation *id_*.

        Raises:
            EvidenceError: there is none, or it is broken.
        """
        parts = self._parts(id_, self.value(id_))
        if name not in parts:
            raise EvidenceError(f"{self.folder}: the observation {id_} has no {name}")
        return parts[name]

    def content(self, process: str, part: Mapping[str, Plain]) -> bytes:
        """Return the content that *part* of a record of *process* says or names.

        Raises:
            EvidenceError: it is broken.
        """
        if "packed" not in part:
            return short_of(part)
        packed = packed_from(part)
        if (known := self._contents.get(process, packed)) is not None:
            return known
        path = files.pack_path(self.folder, process)
        try:
            with path.open("rb") as file:
                file.seek(packed.at)
                content = unpack(file.read(packed.packed), packed)
        except OSError as error:
            raise EvidenceError(f"{path}: cannot be read: {error.strerror}") from error
        except EvidenceError as error:
            raise EvidenceError(f"{path}: byte {packed.at}: {error}") from error
        return self._contents.add(process, packed, content)

    def describe_used(self, results: Iterable[Result]) -> dict[str, Plain]:
        """Return the document's part on what *results* name; of what tells against them, more."""
        from pytest_sysaudit.evidence.describe import describe, named_by

        return describe(self, *named_by(results))

    def describe(self, ids: Iterable[str], excerpts: Collection[str] = ()) -> dict[str, Plain]:
        """Return the document's part on the observations *ids*, and what they were made of.

        Args:
            ids: the observations that results name; those that are not there are left out.
            excerpts: those of which the beginning is told.
        """
        from pytest_sysaudit.evidence.describe import describe

        return describe(self, ids, excerpts)


def _copied(value: Plain) -> Plain:
    """Return JSON data that whoever gets it may change."""
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [*map(_copied, value)] if isinstance(value, list) else value


def _place(row: Mapping[str, Plain]) -> tuple[Plain, ...]:
    params = tuple(sorted(row.get("params", {}).items()))
    names = ("control", "check", "target", "resource")
    return (*(row.get(name) for name in names), params)
