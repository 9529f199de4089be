"""Values of fact tables as JSON data and back, types included, so that a recording can hold them.

What is no scalar is a list that begins with a number, its `Tag`. So every text in the data is a
text of the table: taking secrets out of each of them changes what the table says, and never how it
is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.evidence.shapes import is_secret_name
from pytest_sysaudit.facts import codec_plain
from pytest_sysaudit.facts.codec_classes import (
    OURS,
    Unknown,
    fields_of,
    find,
    frozen,
    maker,
    named,
)
from pytest_sysaudit.facts.codec_plain import Tag
from pytest_sysaudit.record import Plain

__all__ = ["OURS", "Unknown", "decode", "encode"]

_VERSION = 1
#: What `small_files` has in place of a password in /etc/passwd.
_HIDDEN = "(hidden)"


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
        if kind is int or kind is bool or value is None:
            return value
        if (write := codec_plain.WRITERS.get(kind)) is not None:
            return write(value)
        if (collect := _COLLECTIONS.get(kind)) is not None:
            return collect(self, value)
        return self._special(value, kind)

    def _special(self, value: Any, kind: type) -> Plain:
        if isinstance(value, (CannotAssess, NotApplicable)):
            return codec_plain.error(value)
        if isinstance(value, Enum):
            return [Tag.MEMBER, self._number(kind)[0], value.name]
        if named(kind):
            return [Tag.NAMED, self._number(kind)[0], *map(self.plain, value)]
        if not frozen(kind):
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
        secret = type(value) in (str, bytes) and value != _HIDDEN
        return {name: plain} if secret else plain

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
            if find(kind.__module__, kind.__qualname__, self._packages) is not kind:
                raise Unknown(f"{kind.__module__}.{kind.__qualname__}")
            names = tuple((each.name, _secret(each.name)) for each in fields_of(kind))
            known = self._numbers[kind] = (len(self.classes), names)
            self.classes.append([kind.__module__, kind.__qualname__, [name for name, _ in names]])
        return known


_COLLECTIONS: Mapping[type, Callable[[_Writer, Any], Plain]] = {
    tuple: lambda writer, value: writer.items(Tag.TUPLE, value),
    list: lambda writer, value: writer.items(Tag.LIST, value),
    set: lambda writer, value: writer.sorted(Tag.SET, value),
    frozenset: lambda writer, value: writer.sorted(Tag.FROZENSET, value),
    dict: lambda writer, value: writer.mapping(Tag.DICT, value),
    MappingProxyType: lambda writer, value: writer.mapping(Tag.PROXY, value),
}


class _Reader:
    """Reads one value."""

    def __init__(self, classes: list[Plain], packages: frozenset[str]) -> None:
        self._classes = [find(module, name, packages) for module, name, _ in classes]
        named_fields = [names for _, _, names in classes]
        self._makers = [*map(maker, self._classes, named_fields)]

    def value(self, plain: Plain) -> Any:
        kind = type(plain)
        if kind is list:
            read = _READERS.get(plain[0])
            return codec_plain.READERS[plain[0]](plain) if read is None else read(self, plain)
        if kind is dict:
            (inner,) = plain.values()
            return self.value(inner)
        return plain

    def values(self, plain: list[Plain], start: int = 1) -> list[Any]:
        # by far most of a table are texts and numbers: no call for these
        found = plain[start:]
        if _NESTED.isdisjoint(map(type, found)):
            return found
        return [self.value(each) if type(each) in _NESTED else each for each in found]

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


#: The types of JSON data that stand for something else.
_NESTED = frozenset({list, dict})
_READERS: Mapping[int, Callable[[_Reader, list[Plain]], Any]] = {
    Tag.TUPLE: lambda reader, told: tuple(reader.values(told)),
    Tag.LIST: lambda reader, told: reader.values(told),
    Tag.SET: lambda reader, told: set(reader.values(told)),
    Tag.FROZENSET: lambda reader, told: frozenset(reader.values(told)),
    Tag.DICT: lambda reader, told: reader.pairs(told),
    Tag.PROXY: lambda reader, told: MappingProxyType(reader.pairs(told)),
    Tag.OBJECT: lambda reader, told: reader.object(told),
    Tag.NAMED: lambda reader, told: reader.named(told),
    Tag.MEMBER: lambda reader, told: reader.member(told),
}


def _is_file(key: str, value: Any) -> bool:
    """Whether *key* is a path that ends in a word such as "password", and no name of a secret."""
    return "/" in key and type(value) is str and any(map(str.isspace, value))


@lru_cache(maxsize=4096)
def _secret(name: str) -> bool:
    return is_secret_name(name)


def _order(plain: Plain) -> tuple[str, str]:
    return (type(plain).__name__, plain if type(plain) is str else json.dumps(plain))
