"""Walking along a chain: each record follows the one before, and says what it should."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence.canonical import id_of
from pytest_sysaudit.evidence.chain import HEAD, RECORDS, ZEROS, lines, link
from pytest_sysaudit.evidence.pack import Packed
from pytest_sysaudit.evidence.records import check_observation, packed_of, short_of, value_of
from pytest_sysaudit.record import Plain, utc_text

#: Is handed each record that is as it was written, and what it holds.
Taker = Callable[[bytes, dict[str, Any]], None]
GONE = "the file is missing: it was removed"
_HEX = frozenset(b"0123456789abcdef")
#: What comes of a record that does not say what it should: of its numbers too.
_NO_RECORD = (EvidenceError, KeyError, TypeError, AttributeError, ValueError, OverflowError)


class Broken(EvidenceError):  # noqa: N818 - what it names is a broken link
    """A link that is broken.

    Args:
        path: the file.
        place: the line or byte in it; "" if it is the file as a whole.
        what: what was expected and found.
    """

    def __init__(self, path: Path, place: str, what: str) -> None:
        super().__init__(": ".join(filter(None, (path.name, place, what))))


@dataclass(slots=True)
class Chained:
    """What a chain holds.

    Attributes:
        path: the file.
        size: its bytes.
        whole: those of its whole records.
        records: how many these are.
        first: the hash of the first of them; "" if there is none.
        last: the hash of the last of them.
        begin: what the first says.
        ended: whether one says that it is the end.
        until: the latest time that one says, UTC ISO 8601.
        ids: of its observations, each with its line.
        named: the ids that records name, each with the line.
        packed: what records name of the pack, by where it begins, each with the line.
        seals: line, hash before it, and signature of each seal.
        notes: what it says beside observations and results.
        results: how many there are.
        cut: observations whose content is not whole.
    """

    path: Path
    size: int = 0
    whole: int = 0
    records: int = 0
    first: str = ""
    last: str = ZEROS
    begin: Mapping[str, Plain] = field(default_factory=dict)
    ended: bool = False
    until: str = ""
    ids: dict[str, int] = field(default_factory=dict)
    named: list[tuple[int, str]] = field(default_factory=list)
    packed: dict[int, tuple[int, Packed]] = field(default_factory=dict)
    seals: list[tuple[int, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    results: int = 0
    cut: int = 0


def walk(path: Path, content: bytes, *, finished: bool, take: Taker | None = None) -> Chained:
    """Follow the chain at *path* to its end.

    Args:
        path: the file.
        content: all that is in it.
        finished: whether it must end with a whole record.
        take: is handed the records; the chain may be broken behind them.

    Raises:
        Broken: at the first record that is not as it was written.
    """
    chain = Chained(path, size=len(content))
    for at, line in lines(content):
        number = chain.records + 1
        try:
            record, value = _follow(chain, number, line)
        except Broken:
            raise
        except _NO_RECORD as error:
            raise Broken(path, f"line {number}", f"is no record: {error}") from error
        chain.whole = at + len(line) + 1
        if take is not None:
            take(record, value)
    tail = content[chain.whole :]
    if tail and (finished or not _may_be_torn(chain.last, tail)):
        place = f"line {chain.records + 1} (byte {chain.whole})"
        raise Broken(path, place, f"expected a whole record, found {len(tail)} bytes of one")
    if finished and not chain.records:
        raise Broken(path, "line 1", "expected a record, found nothing")
    return chain


def _follow(chain: Chained, number: int, line: bytes) -> tuple[bytes, dict[str, Any]]:
    record = line[HEAD:]
    expected = link(chain.last, record)
    if line[:HEAD] != expected.encode("ascii") + b" ":
        found = line[: HEAD - 1].decode("ascii", "backslashreplace")
        raise Broken(
            chain.path,
            f"line {number} (byte {chain.whole})",
            f"expected the hash {expected} of what stands here and before, found {found}",
        )
    kind, value = value_of(record)
    if kind not in RECORDS or (kind == "begin") is not (number == 1):
        raise Broken(chain.path, f"line {number}", f"did not expect a record {kind!r} here")
    before, chain.last, chain.records = chain.last, expected, number
    chain.first = chain.first or expected
    _take(chain, number, kind, value, record, before)
    return record, value


def _take(  # noqa: PLR0913, PLR0917 - all that there is of one record
    chain: Chained, number: int, kind: str, value: dict[str, Any], record: bytes, before: str
) -> None:
    if kind == "observation":
        check_observation(value)
        chain.ids.setdefault(id_of(record), number)
        chain.named += _named(number, value.get("made_of", ()))
        chain.cut += bool(value.get("cut"))
        chain.until = max(chain.until, utc_text(value["started"] + value.get("duration", 0.0)))
        for part in value.get("parts", {}).values():
            short_of(part)
    elif kind == "result":
        chain.results += 1
        chain.named += _named(number, value.get("evidence", ()))
    elif kind == "begin":
        chain.begin = value
        chain.until = str(value.get("started", ""))
    elif kind == "seal":
        chain.seals.append((number, before, str(value["signature"])))
        chain.until = max(chain.until, str(value["at"]))
    elif kind == "note":
        # one line, lest it look like what is said of the recording
        chain.notes += [" ".join(str(value["text"]).split())] if "about" not in value else []
    elif kind == "end":
        chain.ended = True
        chain.until = max(chain.until, str(value.get("ended", "")))
    for packed in packed_of(value):
        _name(chain, number, packed)


def _named(number: int, ids: Sequence[Plain]) -> list[tuple[int, str]]:
    for id_ in ids:
        if not isinstance(id_, str):
            raise EvidenceError(f"expected the id of an observation, found {id_!r}")
    return [(number, str(id_)) for id_ in ids]


def _name(chain: Chained, number: int, packed: Packed) -> None:
    _, known = chain.packed.setdefault(packed.at, (number, packed))
    if known != packed:
        raise Broken(
            chain.path,
            f"line {number}",
            f"names other contents at byte {packed.at} of the pack than line "
            f"{chain.packed[packed.at][0]}",
        )


def _may_be_torn(last: str, tail: bytes) -> bool:
    """Whether *tail* may be the beginning of the record that follows the hash *last*."""
    head, record = tail[: HEAD - 1], tail[HEAD:]
    if not _HEX.issuperset(head) or tail[HEAD - 1 : HEAD] not in (b"", b" "):
        return False
    if not record:
        return True
    if not record.isascii() or not record.startswith(b'{"'[: len(record)]):
        return False
    # all of a record, but something else where its line should end
    return link(last, record[:-1]).encode("ascii") != head
