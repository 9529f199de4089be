"""Values of fact tables as JSON data and back, types included, so that a recording can hold them.

What is no scalar is a list that begins with a number, its `Tag`. So every text in the data is a
text of the table: taking secrets out of each of them changes what the table says, and never how it
is read.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, IntEnum, auto
from functools import cache
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
from types import MappingProxyType
from typing import Any

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.evidence import faults
from pytest_sysaudit.evidence.shapes import is_secret_name
from pytest_sysaudit.record import Plain

OURS = "pytest_sysaudit"
_VERSION = 1


class Unknown(Exception):  # noqa: N818 - handled where a table is kept, never shown
    """The value holds something that cannot be written as data, or the data cannot be read."""


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


def encode(value: Any, packages: Iterable[str] = ()) -> Plain:
    """Return *value* as JSON data.

    Args:
        value: scalars, tuples, lists, sets, mappings, dates, addresses, paths, errors of ours, and
            frozen dataclasses, named tuples and enums of these.
        packages: the packages besides our own whose classes may stand in it.

    Raises:
        Unknown: it holds something else.
    """
    writer = _Writer(frozenset({OURS, *packages}))
    body = writer.plain(value)
    return [_VERSION, writer.classes, body]


def decode(plain: Plain, packages: Iterable[str] = ()) -> Any:
    """Undo `encode`.

    Only classes of *packages* and our own are made, without calling them; modules that are not
    ours are not imported.

    Raises:
        Unknown: it is no such data, or names what is not there any more.
    """
    try:
        version, classes, body = plain
        if version != _VERSION:
            raise Unknown(f"it is of version {version}")
        return _Reader(classes, frozenset({OURS, *packages})).value(body)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unknown(f"{type(error).__name__}: {error}") from error


class _Writer:
    """Writes one value; its classes are named once."""

    def __init__(self, packages: frozenset[str]) -> None:
        self.classes: list[Plain] = []
        self._packages = packages
        self._numbers: dict[type, tuple[int, tuple[tuple[str, bool], ...]]] = {}

    def plain(self, value: Any) -> Plain:
        kind = type(value)
        if kind is str:
            return _text(value)
        if kind is int or kind is bool or value is None:
            return value
        write = _WRITERS.get(kind)
        return self._special(value, kind) if write is None else write(self, value)

    def _special(self, value: Any, kind: type) -> Plain:
        if isinstance(value, (CannotAssess, NotApplicable)):
            told = faults.to_plain(value)
            return [Tag.ERROR, told["type"], _text(told["message"]), told.get("final", True)]
        if isinstance(value, Enum):
            return [Tag.MEMBER, self._number(kind)[0], value.name]
        if _is_named(kind):
            return [Tag.NAMED, self._number(kind)[0], *map(self.plain, value)]
        return self._object(value, kind)

    def _object(self, value: Any, kind: type) -> Plain:
        if not (is_dataclass(kind) and _frozen(kind)):
            raise Unknown(f"{kind.__module__}.{kind.__qualname__}")
        number, names = self._number(kind)
        found: list[Plain] = [Tag.OBJECT, number]
        for name, secret in names:
            each = getattr(value, name)
            found.append(self._named(name, each) if secret else self.plain(each))
        return found

    def _named(self, name: str, value: Any) -> Plain:
        """Write what has the name of a secret so that the redactor sees the name."""
        plain = self.plain(value)
        return {name: plain} if type(value) in (str, bytes) else plain

    def mapping(self, tag: Tag, value: Mapping[Any, Any]) -> Plain:
        found: list[Plain] = [tag]
        for key, each in value.items():
            secret = type(key) is str and _secret(key) and not _is_file(key, each)
            found += (self.plain(key), self._named(key, each) if secret else self.plain(each))
        return found

    def items(self, tag: Tag, value: Iterable[Any]) -> Plain:
        plain = self.plain
        return [tag, *[plain(each) for each in value]]

    def sorted(self, tag: Tag, value: Iterable[Any]) -> Plain:
        return [tag, *sorted(map(self.plain, value), key=_order)]

    def _number(self, kind: type) -> tuple[int, tuple[tuple[str, bool], ...]]:
        known = self._numbers.get(kind)
        if known is None:
            if _find(kind.__module__, kind.__qualname__, self._packages) is not kind:
                raise Unknown(f"{kind.__module__}.{kind.__qualname__}")
            names = tuple((each.name, _secret(each.name)) for each in _fields(kind))
            known = self._numbers[kind] = (len(self.classes), names)
            self.classes.append([kind.__module__, kind.__qualname__, [name for name, _ in names]])
        return known


class _Reader:
    """Reads one value."""

    def __init__(self, classes: list[Plain], packages: frozenset[str]) -> None:
        self._classes = [_find(module, name, packages) for module, name, _ in classes]
        self._makers = [
            _maker(kind, names) for kind, (_, _, names) in zip(self._classes, classes, strict=True)
        ]

    def value(self, plain: Plain) -> Any:
        kind = type(plain)
        if kind is list:
            return _READERS[plain[0]](self, plain)
        if kind is dict:
            (inner,) = plain.values()
            return self.value(inner)
        return plain

    def values(self, plain: list[Plain], start: int = 1) -> list[Any]:
        # by far most of a table are texts and numbers: no call for these
        return [
            self.value(each) if type(each) is list or type(each) is dict else each
            for each in plain[start:]
        ]

    def pairs(self, plain: list[Plain]) -> dict[Any, Any]:
        values = self.values(plain)
        return dict(zip(values[::2], values[1::2], strict=True))

    def object(self, plain: list[Plain]) -> Any:
        return self._makers[plain[1]](self.values(plain, 2))

    def named(self, plain: list[Plain]) -> Any:
        return tuple.__new__(self._classes[plain[1]], self.values(plain, 2))

    def member(self, plain: list[Plain]) -> Any:
        kind: Any = self._classes[plain[1]]
        return kind[plain[2]]


def _maker(kind: type, names: list[str]) -> Callable[[list[Any]], Any]:
    """Return what makes an object of a frozen dataclass from the values of its fields *names*.

    Fields that came since then have their defaults.
    """
    now = _fields(kind)
    order = [each.name for each in now]
    new, put = object.__new__, object.__setattr__

    def make(values: list[Any]) -> Any:
        made: Any = new(kind)
        for name, value in zip(order, values, strict=True):
            put(made, name, value)
        return made

    def make_older(values: list[Any]) -> Any:
        known = dict(zip(names, values, strict=True))
        return make([known[f.name] if f.name in known else _default(f) for f in now])

    # a name may have been taken for a secret: then the place of the field tells which it is
    return make if len(names) == len(order) else make_older


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    raise Unknown(f"it has no field {field.name!r}")


def _find(module: str, name: str, packages: frozenset[str]) -> Any:
    """Return the class *name* of *module*; it is one that data may name.

    Raises:
        Unknown: it is not.
    """
    package = module.partition(".")[0]
    if package not in packages:
        raise Unknown(f"{module}.{name}: not of the table's package")
    if package == OURS and module not in sys.modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise Unknown(f"there is no module {module}") from error
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type) and (_frozen(found) or _is_named(found) or issubclass(found, Enum)):
        return found
    raise Unknown(f"{module}.{name}")


def _fields(kind: type) -> tuple[Field[Any], ...]:
    return fields(kind) if is_dataclass(kind) else ()


def _frozen(kind: type) -> bool:
    return bool(getattr(getattr(kind, "__dataclass_params__", None), "frozen", False))


def _is_named(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _is_file(key: str, value: Any) -> bool:
    """Whether *key* is a path that ends in a word such as "password", and no name of a secret."""
    return "/" in key and type(value) is str and any(map(str.isspace, value))


@cache
def _secret(name: str) -> bool:
    return is_secret_name(name)


def _order(plain: Plain) -> tuple[str, str]:
    return (type(plain).__name__, plain if type(plain) is str else json.dumps(plain))


def _text(text: str) -> Plain:
    """Return *text*; what UTF-8 cannot hold is written another way."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return [Tag.TEXT, text.encode("utf-8", "surrogatepass").decode("latin-1")]
    return text


def _bytes(data: bytes) -> Plain:
    """Return *data* as text, in which secrets can be found."""
    try:
        return [Tag.BYTES, data.decode()]
    except UnicodeDecodeError:
        return [Tag.RAW_BYTES, data.decode("latin-1")]


def _float(number: float) -> Plain:
    return number if isfinite(number) else [Tag.FLOAT, repr(number)]


def _error(told: list[Plain]) -> CannotAssess | NotApplicable:
    _, kind, message, final = told
    words = message if isinstance(message, str) else _surrogates(message[1])
    return faults.from_plain({"type": kind, "message": words, "final": final})


def _surrogates(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "surrogatepass")


def _moment(value: datetime) -> Plain:
    return [Tag.DATETIME, value.isoformat(), int(value.tzinfo is UTC)]


def _from_moment(told: list[Plain]) -> datetime:
    found = datetime.fromisoformat(told[1])
    return found.replace(tzinfo=UTC) if told[2] else found


_WRITERS: Mapping[type, Callable[[_Writer, Any], Plain]] = {
    float: lambda _, value: _float(value),
    tuple: lambda writer, value: writer.items(Tag.TUPLE, value),
    list: lambda writer, value: writer.items(Tag.LIST, value),
    set: lambda writer, value: writer.sorted(Tag.SET, value),
    frozenset: lambda writer, value: writer.sorted(Tag.FROZENSET, value),
    dict: lambda writer, value: writer.mapping(Tag.DICT, value),
    MappingProxyType: lambda writer, value: writer.mapping(Tag.PROXY, value),
    bytes: lambda _, value: _bytes(value),
    timedelta: lambda _, value: [Tag.TIMEDELTA, value.days, value.seconds, value.microseconds],
    datetime: lambda _, value: _moment(value),
    date: lambda _, value: [Tag.DATE, value.isoformat()],
    time: lambda _, value: [Tag.TIME, value.isoformat()],
    **{
        kind: lambda _, value, number=number: [Tag.ADDRESS, number, str(value)]  # type: ignore[misc]
        for number, kind in enumerate(_ADDRESSES)
    },
    **{
        kind: lambda _, value, number=number: [Tag.PATH, number, _text(str(value))]  # type: ignore[misc]
        for number, kind in enumerate(_PATHS)
    },
}
_READERS: Mapping[int, Callable[[_Reader, list[Plain]], Any]] = {
    Tag.TEXT: lambda _, told: _surrogates(told[1]),
    Tag.TUPLE: lambda reader, told: tuple(reader.values(told)),
    Tag.LIST: lambda reader, told: reader.values(told),
    Tag.SET: lambda reader, told: set(reader.values(told)),
    Tag.FROZENSET: lambda reader, told: frozenset(reader.values(told)),
    Tag.DICT: lambda reader, told: reader.pairs(told),
    Tag.PROXY: lambda reader, told: MappingProxyType(reader.pairs(told)),
    Tag.BYTES: lambda _, told: told[1].encode(),
    Tag.RAW_BYTES: lambda _, told: told[1].encode("latin-1", "replace"),
    Tag.FLOAT: lambda _, told: float(told[1]),
    Tag.ERROR: lambda _, told: _error(told),
    Tag.OBJECT: lambda reader, told: reader.object(told),
    Tag.NAMED: lambda reader, told: reader.named(told),
    Tag.MEMBER: lambda reader, told: reader.member(told),
    Tag.TIMEDELTA: lambda _, told: timedelta(*told[1:]),
    Tag.DATETIME: lambda _, told: _from_moment(told),
    Tag.DATE: lambda _, told: date.fromisoformat(told[1]),
    Tag.TIME: lambda _, told: time.fromisoformat(told[1]),
    Tag.ADDRESS: lambda _, told: _ADDRESSES[told[1]](told[2]),
    Tag.PATH: lambda reader, told: _PATHS[told[1]](reader.value(told[2])),
}
