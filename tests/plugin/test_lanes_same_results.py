"""A run with lanes reports what the serial run reports, in the same order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from lab.lanes import document, junit_cases

SUITE = Path(__file__).parents[1] / "data" / "lanes_suite"


def run(folder: Path, name: str, *arguments: str) -> None:
    """Run the suite; write ``NAME.xml``, ``NAME.own.xml``, ``NAME.json`` and ``NAME.diary``."""
    command = [sys.executable, "-m", "pytest", "checks", "-p", "no:cacheprovider", "-q"]
    reports = [
        f"--junitxml={name}.xml",
        f"--audit-report=junit={name}.own.xml",
        f"--audit-report=json={name}.json",
    ]
    done = subprocess.run(
        [*command, *reports, *arguments],
        cwd=folder,
        env={**os.environ, "DIARY": str(folder / f"{name}.diary")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr


def diary(folder: Path, name: str) -> Counter[str]:
    return Counter((folder / f"{name}.diary").read_text().splitlines())


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(SUITE, tmp_path / "suite"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [(), ("--capture=sys",), ("--capture=tee-sys",), ("-s",), ("--log-level=INFO",)],
    ids=" ".join,
)
def test_lanes_change_no_result(folder, arguments):
    run(folder, "serial", "--audit-lanes=0", *arguments)
    run(folder, "lanes", *arguments)
    serial, lanes = junit_cases(folder / "serial.xml"), junit_cases(folder / "lanes.xml")
    assert len(serial) > 200
    assert serial == lanes
    assert junit_cases(folder / "serial.own.xml") == junit_cases(folder / "lanes.own.xml")
    assert document(folder / "serial.json") == document(folder / "lanes.json")
    assert diary(folder, "serial") == diary(folder, "lanes")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--audit-lanes=2",), ("-n", "2")], ids=" ".join)
def test_fewer_lanes_and_workers_change_no_result(folder, arguments):
    run(folder, "serial", "--audit-lanes=0")
    run(folder, "lanes", *arguments)
    assert document(folder / "serial.json") == document(folder / "lanes.json")
    assert junit_cases(folder / "serial.own.xml") == junit_cases(folder / "lanes.own.xml")
