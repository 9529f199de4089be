"""A run pays for what it uses: libraries and parts of ours that nothing asked for stay unloaded."""

from __future__ import annotations

import json

import pytest

TELL = """
import json
import sys

def pytest_unconfigure(config):
    with open(config.rootpath / "modules.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""
#: What no run without an option of ours loads.
HEAVY = {"boto3", "click", "cryptography", "jinja2", "paramiko", "psutil", "requests", "scapy"}


@pytest.mark.parametrize(
    ("text", "more", "parts"),
    [
        (
            "def test_plain():\n    assert True\n",
            {"yaml", "pydantic"},
            ("aws", "compliance", "evidence", "facts", "inventory", "reports", "transport"),
        ),
        (
            "def test_check(host):\n    assert host\n",
            set(),
            (
                *("compliance.attestations", "compliance.baseline", "compliance.waivers"),
                *("evidence.bundle", "evidence.signing", "evidence.writer", "reports.html"),
            ),
        ),
    ],
)
def test_no_more_is_loaded_than_a_run_needs(project, text, more, parts):
    (project.path / "conftest.py").write_text(TELL)
    project.check(text)
    run = project.pytester.runpytest_subprocess("-p", "no:hypothesispytest", "checks")
    assert run.ret == 0
    loaded = set(json.loads((project.path / "modules.json").read_text()))
    assert "pytest_sysaudit.plugin" in loaded
    assert not (HEAVY | more) & loaded
    starts = tuple(f"pytest_sysaudit.{part}" for part in parts)
    assert not [name for name in loaded if name.startswith(starts)]


def test_a_replay_loads_nothing_that_plans_what_to_ask(project):
    (project.path / "conftest.py").write_text(TELL)
    project.check("def test_check(local_host):\n    assert local_host.user('root').exists\n")
    for option, foresees in (("--audit-evidence", True), ("--audit-replay", False)):
        run = project.pytester.runpytest_subprocess(
            "-p", "no:hypothesispytest", option, "evidence", "checks"
        )
        assert run.ret == 0
        loaded = set(json.loads((project.path / "modules.json").read_text()))
        assert ("pytest_sysaudit.foresight" in loaded) is foresees
        assert not loaded & {"pytest_sysaudit.profiles.model", "boto3", "cryptography"}
