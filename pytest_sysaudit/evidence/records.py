"""What the records of a chain say, read without trust in them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence.pack import Packed
from pytest_sysaudit.record import Plain

_TYPES: Mapping[str, type] = {
    "sha256": str,
    "size": int,
    "at": int,
    "packed": int,
    "packed_sha256": str,
}


def value_of(record: bytes) -> tuple[str, dict[str, Any]]:
    """Return the kind of *record* and what it holds.

    Raises:
        EvidenceError: it is no record.
    """
    # json would look for other encodings first, which takes as long as reading a short record
    plain = record[:2] == b'{"' and record.isascii()
    try:
        found = json.loads(record.decode("ascii") if plain else record)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"is no JSON: {error}") from error
    if not isinstance(found, dict) or len(found) != 1:
        raise EvidenceError("expected a JSON object with one key")
    ((kind, value),) = found.items()
    if not isinstance(value, dict):
        raise EvidenceError(f"expected a JSON object under {kind!r}")
    return kind, value


#: What each observation says, and what it may say beside it.
_ALWAYS: Mapping[str, tuple[type, ...]] = {
    "kind": (str,),
    "target": (str,),
    "asked": (dict,),
    "started": (int, float),
}
_MAYBE: Mapping[str, tuple[type, ...]] = {
    "duration": (int, float),
    "parts": (dict,),
    "made_of": (list,),
    "cut": (list,),
    "error": (dict,),
}
_CHECKED = tuple((name, kinds, name in _ALWAYS) for name, kinds in {**_ALWAYS, **_MAYBE}.items())


def check_observation(value: Mapping[str, Plain]) -> None:
    """Check that a record says what an observation must.

    Raises:
        EvidenceError: it does not.
    """
    for name, kinds, always in _CHECKED:
        if not isinstance(value.get(name), kinds) and (always or name in value):
            raise EvidenceError(f"is no observation: {name} is {value.get(name)!r}")


def packed_of(value: Mapping[str, Plain]) -> Iterator[Packed]:
    """Yield what an observation or a note names of the pack.

    Raises:
        EvidenceError: it names it wrongly.
    """
    parts = value.get("parts") or ()
    for part in parts.values() if isinstance(parts, dict) else parts:
        if "packed" in part:
            yield packed_from(part)


def packed_from(part: Mapping[str, Plain]) -> Packed:
    """Return what *part* names of the pack.

    Raises:
        EvidenceError: it names it wrongly.
    """
    for name, kind in _TYPES.items():
        found = part.get(name)
        if type(found) is not kind or (isinstance(found, int) and found < 0):
            raise EvidenceError(f"{name}: expected {kind.__name__}, found {found!r}")
    return Packed(**{name: part[name] for name in _TYPES})


def short_of(part: Mapping[str, Plain]) -> bytes:
    """Return the content that stands in the record itself; b"" if it was left out.

    Raises:
        EvidenceError: it is not as it was written.
    """
    if "text" in part:
        return str(part["text"]).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(part.get("base64", ""), validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise EvidenceError(f"expected base64: {error}") from error


def part_size(part: Mapping[str, Plain]) -> int:
    """Return the bytes that are kept of a part."""
    return int(part["size"]) if "packed" in part else len(short_of(part))
