"""A recording that is read: an index of it, and the rest when it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import folder as files
from pytest_sysaudit.evidence.canonical import id_of
from pytest_sysaudit.evidence.chain import HEAD, kind_of, lines
from pytest_sysaudit.evidence.observation import Stored
from pytest_sysaudit.evidence.pack import unpack
from pytest_sysaudit.evidence.records import check_observation, packed_from, short_of, value_of
from pytest_sysaudit.record import Place, Plain, Result


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

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


class Bundle:
    """What one run recorded.

    Attributes:
        folder: where it lies.
    """

    def __init__(self, folder: Path, chains: Mapping[str, bytes]) -> None:
        self.folder, self._chains = folder, chains
        self._entries: dict[str, Entry] = {}
        self._records: dict[str, list[bytes]] = {}
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
        return tuple({_place(row): row for row in self._values("result")}.values())

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
        """Return the record of the observation *id_*, as it is kept.

        Raises:
            EvidenceError: there is none, or it is broken.
        """
        entry = self._entries.get(id_)
        if entry is None:
            raise EvidenceError(f"{self.folder}: no observation {id_}")
        try:
            _, value = value_of(self._chains[entry.process][entry.at : entry.end])
            check_observation(value)
        except EvidenceError as error:
            path = files.chain_path(self.folder, entry.process)
            raise EvidenceError(f"{path}: byte {entry.at}: {error}") from error
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
            answer=value.get("answer"),
            error=value.get("error"),
            parts=Parts(self, self._entries[id_].process, value.get("parts", {})),
            made_of=tuple(value.get("made_of", ())),
            redacted=value.get("redacted", False),
            cut=tuple(value.get("cut", ())),
        )

    def part(self, id_: str, name: str) -> bytes:
        """Return the content *name* of the observation *id_*.

        Raises:
            EvidenceError: there is none, or it is broken.
        """
        parts = self.observation(id_).parts
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
        packed, path = packed_from(part), files.pack_path(self.folder, process)
        try:
            with path.open("rb") as file:
                file.seek(packed.at)
                return unpack(file.read(packed.packed), packed)
        except OSError as error:
            raise EvidenceError(f"{path}: cannot be read: {error.strerror}") from error
        except EvidenceError as error:
            raise EvidenceError(f"{path}: byte {packed.at}: {error}") from error

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


def _place(row: Mapping[str, Plain]) -> tuple[Plain, ...]:
    params = tuple(sorted(row.get("params", {}).items()))
    names = ("control", "check", "target", "resource")
    return (*(row.get(name) for name in names), params)
