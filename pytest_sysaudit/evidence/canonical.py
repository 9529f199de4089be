"""JSON with one form only, and the hashes that are made of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping

from pytest_sysaudit.record import Plain

#: Hex digits of the id of an observation.
ID_DIGITS = 16

_encoder = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def canonical(value: Plain) -> bytes:
    """Return *value* as JSON in ASCII, keys sorted, without white space.

    What JSON does not have (NaN, bytes, sets) is written as text.
    """
    try:
        return _encoder.encode(value).encode("ascii")
    except (TypeError, ValueError):
        return _encoder.encode(_plain(value)).encode("ascii")


def sha256(data: bytes) -> str:
    """Return the SHA-256 of *data* in hex."""
    return hashlib.sha256(data).hexdigest()


def id_of(record: bytes) -> str:
    """Return the id of the observation that *record* keeps."""
    return hashlib.sha256(record).hexdigest()[:ID_DIGITS]


def _plain(value: object) -> Plain:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return sorted(map(str, value)) if isinstance(value, (set, frozenset)) else str(value)
