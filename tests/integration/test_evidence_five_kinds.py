"""A run over all five kinds of target is judged again with no network, no process and no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lab.sshd import needs_sshd

ROOT = Path(__file__).parents[2]
CHECKS = ["http", "tls", "network", "aws", "ssh/test_sshd.py", "linux/test_accounts.py"]
CHECKS += ["linux/test_file_modes.py", "health/test_resources.py"]
#: Ends a run that would reach out: every way of Python's to connect, to listen or to start.
CONFTEST = """
import sys

FORBIDDEN = {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo",
             "subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.system"}

def pytest_runtestloop(session):
    def look(event, args):
        if event in FORBIDDEN and args[0] != "uname":  # Python's platform module asks it
            sys.stderr.write(f"REACHED OUT: {event} {args}\\n")
            raise RuntimeError(event)
    sys.addaudithook(look)
"""
pytestmark = [
    needs_sshd,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="captures packets on lo: needs root"),
]


def _run(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    checks = [str(ROOT / "checks" / name) for name in CHECKS]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            "pytest.ini",
            "-p",
            "no:cacheprovider",
            *checks,
            *args,
        ],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_five_kinds(tmp_path):
    pytest.importorskip("moto")
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "pytest.ini").write_text("[pytest]\n")
    (here / "inventory.yaml").write_text((ROOT / "inventory.yaml").read_text())
    ran = _run(here, "--audit-evidence=ev", "--audit-report=json=a.json")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    (there / "conftest.py").write_text(CONFTEST)
    bundle = here / "ev"
    again = _run(
        there,
        "-p",
        "conftest",
        f"--audit-replay={bundle}",
        "--audit-report=json=b.json",
        AWS_ACCESS_KEY_ID="",
        AWS_CONFIG_FILE="/nonexistent",
        PYTHONPATH=str(there),
    )
    assert "REACHED OUT" not in again.stderr
    assert again.returncode == 1, again.stdout + again.stderr
    first, second = (json.loads(path.read_text()) for path in (here / "a.json", there / "b.json"))
    kinds = {target["kind"] for target in first["targets"]}
    assert kinds == {"local", "ssh", "aws", "http", "network"}
    judged = {row["target"] for row in first["results"] if row["verdict"] in ("pass", "fail")}
    assert judged == {target["name"] for target in first["targets"]}
    seen = {each["kind"] for each in first["evidence"].values()}
    assert seen >= {"target", "command", "table", "api", "http", "tls", "capture"}
    for document in (first, second):
        del document["run"]
    for before, after in zip(first["results"], second["results"], strict=True):
        assert before == after
    assert json.dumps(first) == json.dumps(second)


def test_the_conftest_notices(tmp_path):
    """What forbids to reach out in the test above does so."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(
        "import socket\ndef test():\n    socket.create_connection(('127.0.0.1', 9))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "REACHED OUT" in ran.stdout + ran.stderr
