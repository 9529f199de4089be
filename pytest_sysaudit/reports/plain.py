"""Making values fit for a report: valid UTF-8, no terminal codes, the same order every time."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TypeGuard

from pytest_sysaudit.audit import to_plain
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import printable


def clean(value: object) -> Plain:
    """Return *value* as JSON data that every format can hold.

    Keys of mappings are sorted, text is `printable`, and NaN and infinities, which JSON does not
    have, become text.
    """
    if isinstance(value, str):
        return value if is_clean_text(value) else clean_text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value.__class__ is dict or isinstance(value, Mapping):
        return _sorted(value)
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return clean(to_plain(value))


def _sorted(mapping: Mapping[object, object]) -> dict[str, Plain]:
    pairs = [
        (key if is_clean_text(key) else clean_text(str(key)), clean(item))
        for key, item in mapping.items()
    ]
    return dict(sorted(pairs, key=itemgetter(0)))


def is_clean_text(value: object) -> TypeGuard[str]:
    """Whether *value* is a text, no enum or other kind of one, that `clean` leaves as it is."""
    return value.__class__ is str and value.isprintable()


def clean_text(text: str) -> str:
    """Return *text* as `printable` makes it, quickly where there is nothing to do."""
    return str(text) if text.isprintable() else printable(text)


def ordered(record: Mapping[str, object], first: Sequence[str]) -> dict[str, Plain]:
    """Return *record* clean, the keys of *first* first and in that order, the rest sorted."""
    plain = clean(record)
    known = {key: plain.pop(key) for key in first if key in plain}
    return {**known, **plain}


def as_text(value: Plain) -> str:
    """Return JSON data as a person reads it: text as it is, flat data as one line an item."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and value and all(map(_is_flat, value.values())):
        return "\n".join(f"{name}: {_scalar(item)}" for name, item in value.items())
    if isinstance(value, list) and value and all(map(_is_flat, value)):
        return "\n".join(map(_scalar, value))
    return compact(value) if _is_flat(value) else json.dumps(value, ensure_ascii=False, indent=2)


def compact(value: Plain) -> str:
    """Return JSON data on one line."""
    return json.dumps(value, ensure_ascii=False)


def _is_flat(value: Plain) -> bool:
    if isinstance(value, (list, Mapping)):
        items = list(value.values()) if isinstance(value, Mapping) else value
        return all(not isinstance(item, (list, Mapping)) for item in items)
    return True


def _scalar(value: Plain) -> str:
    return value if isinstance(value, str) else compact(value)
