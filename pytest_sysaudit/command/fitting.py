"""Does JSON data fit a schema: the part of JSON Schema that ours is written in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pytest_sysaudit.inventory.build import quoted

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_pattern = cache(re.compile)


class Misfits:
    """Finds where data does not fit.

    Args:
        schema: with its ``$defs``.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})

    def of(self, data: Any) -> Iterator[str]:
        """Yield what does not fit, with its place: ``results[3].verdict: expected ...``."""
        yield from self._of(data, self._schema, "")

    def _of(self, data: Any, schema: Any, place: str) -> Iterator[str]:
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            yield from self._of(data, self._definitions[schema["$ref"].rpartition("/")[2]], place)
        if "anyOf" in schema:
            misfits = [next(self._of(data, part, place), None) for part in schema["anyOf"]]
            if None not in misfits:
                yield str(misfits[0])
                return
        if fault := _fault(data, schema):
            yield f"{place or 'the document'}: {fault}"
            return
        if isinstance(data, dict):
            yield from self._object(data, schema, place)
        elif isinstance(data, list) and "items" in schema:
            for number, item in enumerate(data):
                yield from self._of(item, schema["items"], f"{place}[{number}]")

    def _object(self, data: dict[str, Any], schema: Mapping[str, Any], place: str) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in data:
                yield f"{place or 'the document'}: the key {name!r} is missing"
        known: Mapping[str, Any] = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        for name, value in data.items():
            inner = f"{place}.{name}" if place else name
            if "propertyNames" in schema:
                yield from self._of(name, schema["propertyNames"], f"{inner} (the key)")
            if name in known:
                yield from self._of(value, known[name], inner)
            elif others is False:
                yield f"{place or 'the document'}: unknown key {quoted(name)}"
            else:
                yield from self._of(value, others, inner)


def _fault(data: Any, schema: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one a keyword
    """Return why *data* itself, not what is in it, does not fit; "" if it does."""
    if "const" in schema and data != schema["const"]:
        return f"expected {schema['const']!r}, found {_short(data)}"
    if "enum" in schema and data not in schema["enum"]:
        return f"expected one of {', '.join(map(str, schema['enum']))}, found {_short(data)}"
    kinds = schema.get("type", ())
    wanted = [kinds] if isinstance(kinds, str) else [*kinds]
    if wanted and not any(_is(data, kind) for kind in wanted):
        return f"expected {' or '.join(wanted)}, found {_short(data)}"
    if isinstance(data, str):
        if len(data) < schema.get("minLength", 0):
            return "is empty"
        if "pattern" in schema and not _pattern(schema["pattern"]).search(data):
            return f"does not look like one: {_short(data)}"
    if "minimum" in schema and _is(data, "number") and data < schema["minimum"]:
        return f"expected at least {schema['minimum']}, found {data}"
    return ""


def _is(data: Any, kind: str) -> bool:
    return isinstance(data, _TYPES[kind]) and (kind == "boolean" or not isinstance(data, bool))


def _short(data: Any) -> str:
    return quoted(data) if isinstance(data, str) else quoted(repr(data)).strip("'\"")
