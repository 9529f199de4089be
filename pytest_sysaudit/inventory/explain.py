"""Saying in plain words what pydantic found wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from pytest_sysaudit.errors import Problem
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.inventory import hints
from pytest_sysaudit.inventory.build import BROKEN, Loc, looks_secret, quoted
from pytest_sysaudit.inventory.model import SECRET_PATTERN, SECRET_RULE
from pytest_sysaudit.inventory.schema import generate
from pytest_sysaudit.inventory.yaml import Document

_TYPES = {
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "keys and values",
    "null": "nothing",
}
Schema = Mapping[str, Any]


def explain(error: ValidationError, document: Document) -> Iterator[Problem]:
    """Yield a problem for everything in *error*, but for what the document tells itself."""
    schemas = _Schemas(generate())
    redactor = Redactor()
    for item in error.errors(include_url=False):
        if item["input"] is not BROKEN:
            yield _problem(item["type"], item["loc"], item["input"], document, schemas, redactor)


def _problem(  # noqa: PLR0913, PLR0917 - one error, and what is needed to explain it
    kind: str, loc: Loc, value: Any, document: Document, schemas: _Schemas, redactor: Redactor
) -> Problem:
    parent = loc[:-1]
    if kind == "extra_forbidden":
        text = f"unknown key {quoted(str(loc[-1]))}." + _known_keys(str(loc[-1]), schemas, parent)
        return document.key_problem(loc, text)
    if kind == "missing":
        text = f"missing key '{loc[-1]}'{hints.missing(loc)}"
        return document.problem(parent, text, key=True)
    if loc[-1] == "[key]":
        text = f"{schemas.at((*loc[:-2], loc[-1]))['errorMessage']}, found {quoted(value)}"
        return document.key_problem(parent, text)
    schema = schemas.at(loc)
    if schema.get("pattern") == SECRET_PATTERN:
        return document.problem(loc, SECRET_RULE)
    if looks_secret(loc):
        return document.problem(loc, f"{_expected(schema)}, found another value")
    found = f"{show(value, redactor)}{hints.value(schema, value, loc)}"
    return document.problem(loc, f"{_expected(schema)}, found {found}")


def show(value: Any, redactor: Redactor) -> str:
    """Return *value* as a message may hold it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(redactor.text(value))
    if isinstance(value, dict):
        return "keys and values"
    return "a list" if isinstance(value, list) else str(value)


def _expected(schema: Schema) -> str:
    """Return what fits *schema*, as ``expected a whole number from 1 to 65535``."""
    if "errorMessage" in schema:
        return str(schema["errorMessage"])
    if "const" in schema:
        return f"expected {schema['const']}"
    if "enum" in schema:
        return "expected one of " + ", ".join(map(str, schema["enum"]))
    if schema.get("type") in ("integer", "number"):
        noun = "a whole number" if schema["type"] == "integer" else "a number"
        low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
        if low is not None and high is not None:
            return f"expected {noun} from {low} to {high}"
        return f"expected {noun}" + (f" above {above}" if above is not None else "")
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind  # the other one is null
    return f"expected {_TYPES.get(str(kind), 'another value')}"


def _known_keys(key: str, schemas: _Schemas, parent: Loc) -> str:
    """Return which key was meant instead of *key*, else which there are."""
    properties = schemas.at(parent).get("properties", {})
    inner = {name: schemas.at((*parent, name)).get("properties", ()) for name in properties}
    return hints.key(key, inner, parent)


class _Schemas:
    """Finds the part of a JSON schema that is about one place."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def at(self, loc: Loc) -> Schema:
        """Return the schema of the value at *loc*, or {}."""
        schema = self._plain(self._root)
        for step in loc:
            if step == "[key]":
                schema = schema.get("propertyNames", {})
            elif isinstance(step, int):
                schema = schema.get("items", {})
            else:
                own = schema.get("properties", {}).get(step)
                more = schema.get("additionalProperties")
                schema = own if own is not None else more if isinstance(more, dict) else {}
            schema = self._plain(schema)
        return schema

    def _plain(self, schema: Schema) -> Schema:
        """Follow references and leave out that the value may be nothing."""
        for choice in schema.get("anyOf", ()):
            if choice.get("type") != "null" and "required" not in choice:
                schema = choice
                break
        if "$ref" in schema:
            schema = self._root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        return schema
