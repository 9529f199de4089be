"""Accepted risks: read from YAML, asked for each failed result, told with their state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pytest_sysaudit.compliance.moments import days_until, is_soon, written
from pytest_sysaudit.compliance.reading import EntryReader
from pytest_sysaudit.compliance.scope import World, by_control
from pytest_sysaudit.errors import Problem
from pytest_sysaudit.inventory.build import Loc
from pytest_sysaudit.inventory.select import Named, Part, Selector
from pytest_sysaudit.inventory.yaml import Document
from pytest_sysaudit.record import Plain, Verdict

_KEYS = ("control", "targets", "resource", "justification", "approver", "ticket", "expires")
_KNOWN_AS = {
    "id": "control",
    "control_id": "control",
    "target": "targets",
    "hosts": "targets",
    "reason": "justification",
    "approved_by": "approver",
    "owner": "approver",
    "issue": "ticket",
    "expiration_date": "expires",
    "expiry": "expires",
    "until": "expires",
    "valid_until": "expires",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A risk that somebody has accepted for a time.

    Attributes:
        control: the id of the control.
        targets: where it holds.
        resource: the one resource that it is about; "" for all of them.
        justification: why.
        approver: who has accepted it.
        ticket: where that was decided; "" if nobody says.
        expires: when it ends, in UTC.
        file: where it is written.
        place: file and line.
        document: the file's data and places.
        loc: where in `document` it is.
    """

    control: str
    targets: Selector
    resource: str = ""
    justification: str
    approver: str
    ticket: str = ""
    expires: datetime
    file: str
    place: str
    document: Document
    loc: Loc

    def covers(self, target: Named, resource: str) -> bool:
        """Whether it holds for *resource* ("": the target as a whole) of *target*."""
        return self.resource in ("", resource) and self.targets.matches(target)

    def to_result(self) -> dict[str, Plain]:
        """Return what the result that it covers says about it."""
        return {
            "by": self.file,
            "reason": self.justification,
            "raw": Verdict.FAIL.value,
            "approver": self.approver,
            "ticket": self.ticket,
            "expires": written(self.expires),
            "place": self.place,
            "target": self.targets.expression,
            "resource": self.resource,
        }


def read_waivers(document: Document) -> tuple[list[Waiver], list[Problem]]:
    """Return the waivers of a file, and everything that is wrong with it."""
    reader = EntryReader(document, "a waiver file", _KNOWN_AS)
    data = reader.top(("version", "waivers"))
    found = [_read(reader, loc, item) for loc, item in reader.entries(data, "waivers")]
    return [waiver for waiver in found if waiver is not None], reader.problems


def _read(reader: EntryReader, loc: Loc, item: dict[str, Plain]) -> Waiver | None:
    reader.known(loc, item, _KEYS)
    control, targets = reader.control(loc, item), reader.targets(loc, item)
    resource = reader.text(loc, item, "resource")
    if item.get("resource", "") is None:  # all rows are more than somebody may have thought of
        way_out = ". Name a row, or leave the key out: then all rows are meant"
        reader.unlike((*loc, "resource"), "text", None, way_out)
    justification = reader.text(loc, item, "justification", why="say why the risk is accepted")
    approver = reader.text(loc, item, "approver", why="say who has accepted the risk")
    ticket = reader.text(loc, item, "ticket")
    why = "say until when the risk is accepted, with the time zone"
    expires = reader.moment(loc, item, "expires", why=why, end=True)
    if expires is None or not control:
        return None
    return Waiver(
        control=control,
        targets=targets,
        resource=resource,
        justification=justification,
        approver=approver,
        ticket=ticket,
        expires=expires,
        file=reader.document.shown,
        place=reader.place(loc),
        document=reader.document,
        loc=loc,
    )


def overlaps(waivers: Sequence[Waiver], targets: Iterable[Named]) -> Iterator[Problem]:
    """Yield a problem for each waiver that holds where an earlier one does.

    Args:
        waivers: those of all files.
        targets: every target that there is.
    """
    world = list(targets)
    chosen: dict[tuple[Part, ...], list[str]] = {}
    for waiver in waivers:
        if (parts := waiver.targets.parts) not in chosen:
            chosen[parts] = [t.name for t in world if waiver.targets.matches(t)]
    for same in by_control(waivers).values():
        for number, waiver in enumerate(same):
            for earlier in same[:number]:
                if where := _common(waiver, earlier, chosen):
                    message = (
                        f"{earlier.place} waives {waiver.control} on {where} already; "
                        "let one waiver hold there, and change that one to renew it"
                    )
                    yield waiver.document.problem(waiver.loc, message)
                    break


def _common(one: Waiver, other: Waiver, chosen: Mapping[tuple[Part, ...], Sequence[str]]) -> str:
    """Return where both hold, or ""."""
    if one.resource and other.resource and one.resource != other.resource:
        return ""
    if one.targets.parts == other.targets.parts:
        return one.targets.expression
    others = frozenset(chosen[other.targets.parts])
    return next((name for name in chosen[one.targets.parts] if name in others), "")


class Waivers:
    """The waivers of a run.

    Args:
        waivers: in the order of their files.
        now: the time to judge by.
    """

    def __init__(self, waivers: Sequence[Waiver], now: datetime) -> None:
        self.all = waivers
        self._now = now
        self._by_control = by_control(waivers)

    def find(self, control: str, target: Named, resource: str = "") -> Waiver | None:
        """Return the waiver that covers a failed result; None if none does."""
        for waiver in self._by_control.get(control, ()):
            if self._now < waiver.expires and waiver.covers(target, resource):
                return waiver
        return None

    def told(
        self, results: Iterable[Mapping[str, Plain]], world: World, soon: int
    ) -> list[dict[str, Plain]]:
        """Return what the document says about each waiver.

        Args:
            results: those of the document.
            world: what there is to name.
            soon: how many days before its end a waiver is told as expiring.
        """
        used: Counter[str] = Counter()
        covered: set[str] = set()
        for row in results:
            if row["control"] not in self._by_control:
                continue
            used[(row["waiver"] or {}).get("place", "")] += 1
            if row["verdict"] == Verdict.ERROR:
                continue  # nobody knows whether it is needed
            target = world.target(row["target"])
            for waiver in self._by_control[row["control"]]:
                if waiver.covers(target, row["resource"]):
                    covered.add(waiver.place)
        return [self._tell(waiver, used, covered, world, soon) for waiver in self.all]

    def _tell(
        self, waiver: Waiver, used: Counter[str], covered: set[str], world: World, soon: int
    ) -> dict[str, Plain]:
        state = world.mistake(waiver)
        if not state and waiver.expires <= self._now:
            state = "expired"
        if not state:
            ran = "not needed" if waiver.place in covered else "unused"
            state = "used" if used[waiver.place] else ran
        return {
            "control": waiver.control,
            "target": waiver.targets.expression,
            "resource": waiver.resource,
            "justification": waiver.justification,
            "approver": waiver.approver,
            "ticket": waiver.ticket,
            "expires": written(waiver.expires),
            "place": waiver.place,
            "state": state,
            "expires_in_days": days_until(waiver.expires, self._now),
            "expiring": is_soon(waiver.expires, self._now, soon),
            "results": used[waiver.place],
        }
