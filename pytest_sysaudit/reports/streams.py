"""Writing large JSON piece by piece, so that only one record of it is in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.plain import clean

#: How JSON writes controls, which texts of a document have no more: then all of it is looked at.
_DOUBTFUL = re.compile(r"\\[bfru]")
#: `json.dumps` would make an encoder for each record.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Items:
    """A list whose items are made while it is written, one a line.

    ``optional``: an object that holds it leaves it out where it is empty.
    """

    items: Iterable[Plain]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Members:
    """An object whose members are written in this order; values may be `Items` and `Members`."""

    members: Iterable[tuple[str, Plain]]


def pieces(value: Plain) -> Iterator[bytes]:
    """Yield the JSON of *value*: data, `Items` or `Members`; text is made `printable`."""
    if isinstance(value, Members):
        yield from _object(value)
    elif isinstance(value, Items):
        yield from _list(iter(value.items))
    else:
        yield compact(value)


def compact(value: Plain) -> bytes:
    """Return JSON data on one line, whatever its texts hold."""
    try:
        text = _encode(value)
    except (TypeError, ValueError):
        text = ""
    if not text.isprintable() or not text or _DOUBTFUL.search(text):
        text = json.dumps(clean(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _object(value: Members) -> Iterator[bytes]:
    start = b"{"
    for name, member in value.members:
        rest = pieces(member)
        if isinstance(member, Items) and member.optional:
            items = iter(member.items)
            first = next(items, None)
            if first is None:
                continue
            rest = _list(items, first)
        yield start + b"\n" + compact(name) + b":"
        yield from rest
        start = b","
    yield b"{}" if start == b"{" else b"\n}"


def _list(items: Iterator[Plain], first: Plain = None) -> Iterator[bytes]:
    start = b"["
    if first is not None:
        yield b"[\n" + compact(first)
        start = b","
    for item in items:
        yield start + b"\n"
        yield from pieces(item)
        start = b","
    yield b"[]" if start == b"[" else b"\n]"
