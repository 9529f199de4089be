"""The JSON schema of the inventory agrees with what `load` takes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from lab.inventories import EXAMPLE

from pytest_sysaudit.inventory.schema import generate, main, text

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema")
    schema = generate()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_committed_file_is_current():
    assert main(["--check", str(ROOT / "inventory.schema.json")]) == 0


def test_the_example_of_the_documentation_is_valid(validator):
    assert list(validator.iter_errors(yaml.safe_load(EXAMPLE))) == []


VALID = [
    {"hosts": {"a": None}},
    {"hosts": None},
    {"hosts": {"a": {"port": None, "connection": "local"}}},
    {"hosts": {"a": {"port": 22, "connection": "openssh", "ssh": {"key_file": "k"}}}},
    {"groups": {"g": None}, "hosts": {"a": {"groups": ["g"]}}},
    {"http": {"h": {"embedded": True}}},
    {"networks": {"n": {"pcap": "x"}}},
]


@pytest.mark.parametrize("parts", VALID)
def test_valid(validator, parts):
    assert list(validator.iter_errors({"version": 1, **parts})) == []


INVALID = [
    {"version": 2},
    {"hostz": {}},
    {"hosts": []},
    {"hosts": {"a b": {}}},
    {"hosts": {"a": {"adress": "x"}}},
    {"hosts": {"a": {"port": "22"}}},
    {"hosts": {"a": {"port": 0}}},
    {"hosts": {"a": {"groups": "web"}}},
    {"hosts": {"a": {"become": {"password": "hunter2"}}}},
    {"hosts": {"a": {"connection": "local", "port": 22}}},
    {"hosts": {"a": {"connection": "openssh", "ssh": {"password": "env:X"}}}},
    {"hosts": {"a": {"ssh": {"host_key_policy": "no"}}}},
    {"hosts": {"a": {"connect_timeout": 0}}},
    {"aws": {"a": {"account_id": 123456789012}}},
    {"http": {"h": {}}},
    {"http": {"h": {"base_url": "http://x", "auth": {}}}},
    {"http": {"h": {"base_url": "http://x", "allow_methods": ["get"]}}},
    {"networks": {"n": {}}},
    {"inputs": {"x": 4}},
]


@pytest.mark.parametrize("parts", INVALID, ids=json.dumps)
def test_invalid(validator, parts):
    assert list(validator.iter_errors({"version": 1, **parts}))


def test_the_version_is_needed(validator):
    assert list(validator.iter_errors({"hosts": {"a": {}}}))


def test_every_key_is_described():
    schema = generate()
    for model in (schema, *schema["$defs"].values()):
        assert model["description"]
        for name, field in model["properties"].items():
            assert field.get("description"), name


def test_a_file_that_is_not_current_is_told(tmp_path, capsys):
    path = tmp_path / "schema.json"
    assert main(["--check", str(path)]) == 1
    assert f"{path} is not current; run: python -m" in capsys.readouterr().err
    assert main([str(path)]) == 0
    assert path.read_text() == text()
    assert main(["--check", str(path)]) == 0
    path.write_text("{}")
    assert main(["--check", str(path)]) == 1
