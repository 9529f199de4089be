"""Values without parts as JSON data and back: odd texts, bytes, dates, addresses, paths, errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum, auto
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from math import isfinite
from pathlib import PosixPath, PurePosixPath
from typing import Any

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.evidence import faults
from pytest_sysaudit.record import Plain


class Tag(IntEnum):
    """What a list in the data stands for."""

    TEXT = auto()
    TUPLE = auto()
    LIST = auto()
    SET = auto()
    FROZENSET = auto()
    DICT = auto()
    PROXY = auto()
    BYTES = auto()
    RAW_BYTES = auto()
    FLOAT = auto()
    ERROR = auto()
    OBJECT = auto()
    NAMED = auto()
    MEMBER = auto()
    TIMEDELTA = auto()
    DATETIME = auto()
    DATE = auto()
    TIME = auto()
    ADDRESS = auto()
    PATH = auto()


#: Classes whose values are made again from their text, by the number that stands for them.
_ADDRESSES = (IPv4Address, IPv6Address, IPv4Network, IPv6Network, IPv4Interface, IPv6Interface)
_PATHS = (PosixPath, PurePosixPath)


def text(value: str) -> Plain:
    """Return *value*; what UTF-8 cannot hold is written another way."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return [Tag.TEXT, value.encode("utf-8", "surrogatepass").decode("latin-1")]
    return value


def from_text(told: Plain) -> str:
    """Undo `text`."""
    if isinstance(told, str):
        return told
    raw: str = told[1]
    return raw.encode("latin-1", "replace").decode("utf-8", "surrogatepass")


def error(value: CannotAssess | NotApplicable) -> Plain:
    """Return an error of ours as data."""
    told = faults.to_plain(value)
    return [Tag.ERROR, told["type"], text(told["message"]), told.get("final", True)]


def _from_error(told: list[Plain]) -> CannotAssess | NotApplicable:
    _, kind, message, final = told
    return faults.from_plain({"type": kind, "message": from_text(message), "final": final})


def _bytes(data: bytes) -> Plain:
    """Return *data* as text, in which secrets can be found."""
    try:
        return [Tag.BYTES, data.decode()]
    except UnicodeDecodeError:
        return [Tag.RAW_BYTES, data.decode("latin-1")]


def _float(number: float) -> Plain:
    return number if isfinite(number) else [Tag.FLOAT, repr(number)]


def _moment(value: datetime) -> Plain:
    return [Tag.DATETIME, value.isoformat(), int(value.tzinfo is UTC)]


def _from_moment(told: list[Plain]) -> datetime:
    found = datetime.fromisoformat(told[1])
    return found.replace(tzinfo=UTC) if told[2] else found


def _address(value: Any) -> Plain:
    return [Tag.ADDRESS, _ADDRESSES.index(type(value)), str(value)]


def _path(value: Any) -> Plain:
    return [Tag.PATH, _PATHS.index(type(value)), text(str(value))]


WRITERS: Mapping[type, Callable[[Any], Plain]] = {
    str: text,
    bytes: _bytes,
    float: _float,
    timedelta: lambda value: [Tag.TIMEDELTA, value.days, value.seconds, value.microseconds],
    datetime: _moment,
    date: lambda value: [Tag.DATE, value.isoformat()],
    time: lambda value: [Tag.TIME, value.isoformat()],
    **dict.fromkeys(_ADDRESSES, _address),
    **dict.fromkeys(_PATHS, _path),
}
"""What writes a value, by its class."""
READERS: Mapping[int, Callable[[list[Plain]], Any]] = {
    Tag.TEXT: from_text,
    Tag.BYTES: lambda told: told[1].encode(),
    Tag.RAW_BYTES: lambda told: told[1].encode("latin-1", "replace"),
    Tag.FLOAT: lambda told: float(told[1]),
    Tag.ERROR: _from_error,
    Tag.TIMEDELTA: lambda told: timedelta(*told[1:]),
    Tag.DATETIME: _from_moment,
    Tag.DATE: lambda told: date.fromisoformat(told[1]),
    Tag.TIME: lambda told: time.fromisoformat(told[1]),
    Tag.ADDRESS: lambda told: _ADDRESSES[told[1]](told[2]),
    Tag.PATH: lambda told: _PATHS[told[1]](from_text(told[2])),
}
"""What reads it, by its tag."""
