"""Answers of people to manual controls: read from YAML, asked for, told with their state."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pytest_sysaudit.compliance.moments import after, days_until, is_soon, written
from pytest_sysaudit.compliance.proof import fault_of
from pytest_sysaudit.compliance.reading import EntryReader
from pytest_sysaudit.compliance.scope import World, by_control
from pytest_sysaudit.errors import Problem
from pytest_sysaudit.inventory.build import Loc
from pytest_sysaudit.inventory.select import Named, Selector
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.inventory.yaml import Document
from pytest_sysaudit.record import Plain, Verdict

_KEYS = (
    *("control", "targets", "status", "by", "at"),
    *("valid_for", "valid_until", "explanation", "evidence"),
)
_KNOWN_AS = {
    "id": "control",
    "control_id": "control",
    "target": "targets",
    "hosts": "targets",
    "verdict": "status",
    "updated_by": "by",
    "attested_by": "by",
    "updated": "at",
    "date": "at",
    "frequency": "valid_for",
    "expires": "valid_until",
    "justification": "explanation",
    "reason": "explanation",
}
STATUSES = (Verdict.PASS, Verdict.FAIL, Verdict.NOT_APPLICABLE)
"""What a person can say about a control."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """What somebody found out about a control that only a person can judge.

    Attributes:
        control: the id of the control.
        targets: where it holds.
        status: what the person found.
        by: who it was.
        at: when, in UTC.
        valid_until: when the answer runs out, in UTC.
        explanation: how it was found out.
        evidence_file: what was looked at, as it is written; "" if nobody says.
        evidence_sha256: the hash that it had, in hex.
        fault: why that file is not what was looked at; "" if it is.
        place: file and line.
    """

    control: str
    targets: Selector
    status: Verdict
    by: str
    at: datetime
    valid_until: datetime
    explanation: str
    evidence_file: str = ""
    evidence_sha256: str = ""
    fault: str = ""
    place: str

    def to_plain(self) -> dict[str, Plain]:
        """Return what reports say about it."""
        return {
            "status": self.status.value,
            "by": self.by,
            "at": written(self.at),
            "valid_until": written(self.valid_until),
            "explanation": self.explanation,
            "evidence_file": self.evidence_file,
            "evidence_sha256": self.evidence_sha256,
            "place": self.place,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What the attestations of a run make of a manual control.

    Attributes:
        verdict: the attested one, or still manual.
        message: who said so and when, or why it is manual.
        attestation: what the result says about it; None if it is not to be taken.
    """

    verdict: Verdict
    message: str
    attestation: dict[str, Plain] | None


def read_attestations(document: Document, base: Path) -> tuple[list[Attestation], list[Problem]]:
    """Return the attestations of a file, and everything that is wrong with it.

    Args:
        document: the file.
        base: the folder that paths of evidence files start from: the file's own.
    """
    reader = EntryReader(document, "an attestation file", _KNOWN_AS)
    data = reader.top(("version", "attestations"))
    found = [_read(reader, loc, item, base) for loc, item in reader.entries(data, "attestations")]
    return [answer for answer in found if answer is not None], reader.problems


def _read(reader: EntryReader, loc: Loc, item: dict[str, Plain], base: Path) -> Attestation | None:
    reader.known(loc, item, _KEYS)
    control, targets = reader.control(loc, item), reader.targets(loc, item)
    status = _status(reader, loc, item)
    by = reader.text(loc, item, "by", why="say who has judged it")
    explanation = reader.text(loc, item, "explanation", why="say how it was judged")
    why = "say when it was judged, with the time zone"
    at = reader.moment(loc, item, "at", why=why, end=False)
    until = _until(reader, loc, item, at)
    file, sha256 = _evidence(reader, loc, item)
    if at is None or until is None or status is None or not control:
        return None
    return Attestation(
        control=control,
        targets=targets,
        status=status,
        by=by,
        at=at,
        valid_until=until,
        explanation=explanation,
        evidence_file=file,
        evidence_sha256=sha256,
        fault=fault_of(base / Path(file).expanduser(), sha256) if file and sha256 else "",
        place=reader.place(loc),
    )


def _status(reader: EntryReader, loc: Loc, item: dict[str, Plain]) -> Verdict | None:
    names = [status.value for status in STATUSES]
    text = reader.text(loc, item, "status", why=f"one of {', '.join(names)}")
    if text in names:
        return Verdict(text)
    if text:
        hint = {"passed": "pass", "failed": "fail", "n/a": "not_applicable"}.get(text.lower(), text)
        hint = did_you_mean(hint, names)
        reader.unlike((*loc, "status"), f"one of {', '.join(names)}", text, hint and f".{hint}")
    return None


def _until(
    reader: EntryReader, loc: Loc, item: dict[str, Plain], at: datetime | None
) -> datetime | None:
    """Return when the answer runs out."""
    given = [key for key in ("valid_for", "valid_until") if key in item]
    if len(given) != 1:
        said = "both 'valid_for' and 'valid_until'" if given else "missing key 'valid_for'"
        reader.wrong(loc, f"{said}: say how long the answer holds, as 'valid_for: 90d'")
        return None
    if given == ["valid_until"]:
        until = reader.moment(loc, item, "valid_until", why="say until when it holds", end=True)
    else:
        until = None
        period = reader.text(loc, item, "valid_for", why="90d, 12w, 6m or 1y")
        try:
            until = after(at, period) if at is not None and period else None
        except ValueError as error:
            reader.wrong((*loc, "valid_for"), str(error))
    if at is not None and at > datetime.now(UTC):  # whatever time the run judges by
        reader.wrong((*loc, "at"), "lies in the future; write when it was judged")
    elif at is not None and until is not None and until <= at:
        reader.wrong((*loc, given[0]), "the answer would have run out when it was given")
    return until


def _evidence(reader: EntryReader, loc: Loc, item: dict[str, Plain]) -> tuple[str, str]:
    """Return file and hash of what was looked at."""
    value, place = item.get("evidence"), (*loc, "evidence")
    if "evidence" not in item:
        return "", ""
    if not isinstance(value, dict):
        written = value if isinstance(value, str) else "FILE"
        way_out = f". Write {{file: {written}, sha256: ...}}"
        reader.unlike(place, "a file and its hash", value, way_out)
        return "", ""
    reader.known(place, value, ("file", "sha256"))
    file = reader.text(place, value, "file", why="name the file that was looked at")
    tool = f"'sha256sum {file or 'FILE'}' prints it"
    sha256 = reader.text(place, value, "sha256", why=tool).lower()
    if sha256 and not _SHA256.fullmatch(sha256):
        reader.wrong((*place, "sha256"), f"expected 64 hex digits: {tool}")
        return file, ""
    return file, sha256


class Attestations:
    """The attestations of a run.

    Args:
        attestations: in the order of their files.
        now: the time to judge by.
    """

    def __init__(self, attestations: Sequence[Attestation], now: datetime) -> None:
        self.all = attestations
        self._now = now
        self._by_control = by_control(attestations)

    def answer(self, control: str, target: Named) -> Answer | None:
        """Return what the newest answer to a manual control comes to; None if nobody gave one.

        Of two that were given at the same time the graver one counts.
        """
        given = [a for a in self._by_control.get(control, ()) if a.targets.matches(target)]
        if not given:
            return None
        return self._judge(max(reversed(given), key=lambda a: (a.at, a.status.gravity)))

    def _judge(self, given: Attestation) -> Answer:
        said = f"{given.by} said {given.status} on {_day(given.at)}"
        if given.valid_until <= self._now:
            why = f"a person must judge this again: {said}, which held until"
            told = {**given.to_plain(), "expired": True}
            return Answer(Verdict.MANUAL, f"{why} {_day(given.valid_until)}", told)
        if given.fault:
            why = f"a person must judge this again: {said}, but {given.fault}"
            return Answer(Verdict.MANUAL, f"{why} ({given.place})", None)
        message = f"{said}, which holds until {_day(given.valid_until)}: {given.explanation}"
        return Answer(given.status, message, {**given.to_plain(), "expired": False})

    def told(
        self, results: Iterable[Mapping[str, Plain]], world: World, soon: int
    ) -> list[dict[str, Plain]]:
        """Return what the document says about each attestation; see `Waivers.told`."""
        used: Counter[str] = Counter()
        automatic: set[str] = set()
        for row in results:
            if row["control"] not in self._by_control:
                continue
            if row["attestation"]:
                used[row["attestation"]["place"]] += not row["attestation"]["expired"]
            elif row["verdict"] not in (Verdict.MANUAL, Verdict.ERROR):
                target = world.target(row["target"])
                given = self._by_control[row["control"]]
                automatic.update(a.place for a in given if a.targets.matches(target))
        return [
            {
                "control": given.control,
                "target": given.targets.expression,
                **given.to_plain(),
                "state": self._state(given, used, automatic, world),
                "expires_in_days": days_until(given.valid_until, self._now),
                "expiring": is_soon(given.valid_until, self._now, soon),
                "results": used[given.place],
            }
            for given in self.all
        ]

    def _state(
        self, given: Attestation, used: Counter[str], automatic: set[str], world: World
    ) -> str:
        if mistake := world.mistake(given):
            return mistake
        if given.valid_until <= self._now:
            return "expired"
        if given.fault:
            return "evidence changed"
        if used[given.place]:
            return "used"
        return "not manual" if given.place in automatic else "unused"


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
