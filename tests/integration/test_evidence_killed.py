"""A run of twenty hosts that is killed leaves a recording that verifies, with all that ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab.sshd import Sshd, needs_sshd

from pytest_sysaudit.evidence.bundle import open_bundle
from pytest_sysaudit.evidence.verify import verify

pytestmark = needs_sshd

CHECKS = """
import pytest

PATHS = ["/etc/passwd", "/etc/group", "/etc/hosts", "/etc/shadow", "/etc/fstab", "/no/such"]


@pytest.mark.control("files.root")
@pytest.mark.parametrize("path", PATHS)
def test_root(host, path):
    "Files are root's."
    assert host.file(path).user == "root"


@pytest.mark.control("run.word")
@pytest.mark.parametrize("word", range(14))
def test_word(host, word):
    "It echoes."
    assert host.check_output("sleep 0.02; echo %s", str(word)) == str(word)
"""
#: What was told of a result is on the disk: whoever heard of it may rely on it.
CONFTEST = """
import json, os

told = os.open("told.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def pytest_sysaudit_result(result):
    place = [result.target, result.control, result.params, result.verdict]
    os.write(told, (json.dumps(place) + "\\n").encode())
"""
HOSTS = [f"web{number:02}" for number in range(20)]


def _project(folder: Path, sshd: Sshd) -> None:
    entry = sshd.entry()
    (folder / "inventory.yaml").write_text(
        json.dumps({"version": 1, "hosts": dict.fromkeys(HOSTS, entry)})
    )
    (folder / "checks").mkdir()
    (folder / "checks/test_it.py").write_text(CHECKS)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\n")


def _told(folder: Path) -> list[list[object]]:
    path = folder / "told.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def _start(folder: Path, *args: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "checks"]
    return subprocess.Popen(
        [*argv, "--audit-evidence", "ev", *args],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["lanes", "xdist"])
def test_kill_9_in_the_middle(tmp_path, share, args):
    with Sshd(tmp_path / "sshd", config=["MaxStartups 100"]) as sshd:
        folder = tmp_path / "project"
        folder.mkdir()
        _project(folder, sshd)
        process = _start(folder, *args)
        end = time.monotonic() + 120
        while len(_told(folder)) < share * len(HOSTS) * 20 and time.monotonic() < end:
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    told = _told(folder)
    assert 0 < len(told) < len(HOSTS) * 20
    found = verify(folder / "ev")
    assert found.ok, found
    bundle = open_bundle(folder / "ev")
    assert bundle.ended is None
    kept = [[r["target"], r["control"], r["params"], r["verdict"]] for r in bundle.results]
    assert [row for row in told if row not in kept] == []
    for row in bundle.results:  # what a result is made of was kept before it
        assert set(row["evidence"]) <= bundle.observations.keys()
    out = subprocess.run(
        [
            *(sys.executable, "-m", "pytest_sysaudit.command", "report", "convert", "ev"),
            *("--to", "json=rescued.json"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    rescued = json.loads((folder / "rescued.json").read_text())["results"]
    assert len(rescued) == len(HOSTS) * 20  # what did not end is not assessed, none is missing
    left = [row for row in rescued if "the run was killed" in row["message"]]
    assert {row["verdict"] for row in left} == {"error"}
    keys = [[r["target"], r["control"], r["params"], r["verdict"]] for r in rescued]
    assert [row for row in told if row not in keys] == []
