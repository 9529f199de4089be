"""The JSON schema of the inventory, with which an editor completes and checks it.

``python -m pytest_sysaudit.inventory.schema [--check] [PATH]`` writes it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_sysaudit.inventory.model import NAME_PATTERN, NAME_RULE, Inventory

SECTIONS = ("groups", "hosts", "aws", "http", "networks")
"""The parts of the file whose keys are names."""


def generate() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of `Inventory`."""
    schema = _plain(Inventory.model_json_schema())
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            _del_noise(field)
            if part is schema and name in SECTIONS:
                _name_keys(field)
    _conditions(schema["$defs"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-sysaudit inventory",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _plain(value: Any) -> Any:
    """Return *value* without that in which releases of pydantic differ."""
    if isinstance(value, dict):
        noise = ("additionalProperties", True)
        return {key: _plain(item) for key, item in value.items() if (key, item) != noise}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _del_noise(field: dict[str, Any]) -> None:
    """Take out of *field* what only says again what its name or its type says."""
    field.pop("title", None)
    if field.get("default") is None or isinstance(field["default"], (dict, list)):
        field.pop("default", None)


def _name_keys(field: dict[str, Any]) -> None:
    """Say in *field* that its keys are names, and that an entry may be left empty."""
    (entry,) = field.pop("patternProperties").values()
    field["propertyNames"] = {"pattern": NAME_PATTERN, "errorMessage": NAME_RULE}
    field["additionalProperties"] = {"anyOf": [entry, {"type": "null"}]}
    field["type"] = ["object", "null"]


def _conditions(models: dict[str, Any]) -> None:
    """Add what pydantic's types do not say: which keys need or exclude each other."""
    stand_in = {"required": ["embedded"], "properties": {"embedded": {"const": True}}}

    models["Http"]["anyOf"] = [{"required": ["base_url"]}, stand_in]
    models["Network"]["oneOf"] = [{"required": ["interface"]}, {"required": ["pcap"]}]
    models["HttpAuth"]["oneOf"] = [{"required": ["bearer"]}, {"required": ["basic"]}]
    unused = {"type": "null", "errorMessage": "has no meaning with connection: local"}
    untyped = {"type": "null", "errorMessage": "has no meaning with connection: openssh"}
    secrets = dict.fromkeys(("password", "key_passphrase"), untyped)
    models["Host"]["allOf"] = [
        _when("local", dict.fromkeys(("address", "port", "user", "ssh"), unused)),
        _when("openssh", {"ssh": {"properties": secrets}}),
    ]


def _when(connection: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the condition that *properties* hold for hosts of that *connection*."""
    return {
        "if": {"required": ["connection"], "properties": {"connection": {"const": connection}}},
        "then": {"properties": properties},
    }


def text() -> str:
    """Return the schema as the file holds it."""
    return json.dumps(generate(), indent=2, ensure_ascii=False) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the schema, or with ``--check`` return 1 if the file is not current."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_sysaudit.inventory.schema",
        description="Write the JSON schema of the inventory.",
    )
    parser.add_argument("--check", action="store_true", help="only tell whether it is current")
    parser.add_argument("path", nargs="?", type=Path, default=Path("inventory.schema.json"))
    options = parser.parse_args(argv)
    if not options.check:
        options.path.write_text(text(), encoding="utf-8")
        return 0
    if options.path.is_file() and options.path.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write(f"{options.path} is not current; run: {parser.prog} {options.path}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
