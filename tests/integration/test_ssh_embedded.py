"""The ssh server that stands in for a host: OpenSSH's, or a small one on paramiko."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lab.sshd import SSHD, Secrets, ssh_target, wait_until

from pytest_sysaudit.embedded.process import ChildProcess, children, kill
from pytest_sysaudit.embedded.sshd import EmbeddedSshd, find_sshd
from pytest_sysaudit.errors import TimedOut, Unreachable
from pytest_sysaudit.transport.ssh import open_ssh

PROGRAMS = [
    pytest.param(None, marks=pytest.mark.skipif(SSHD is None, reason="needs sshd"), id="openssh"),
    pytest.param("", id="paramiko"),
]


@pytest.fixture(params=PROGRAMS)
def stand_in(request, tmp_path):
    server = EmbeddedSshd(ssh_target("web1", embedded=True), tmp_path / "private", request.param)
    yield server
    server.stop()


def processes(folder: Path) -> list[str]:
    argv = ["pgrep", "-f", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()


def test_it_is_a_host_like_any_other(stand_in, tmp_path):
    overrides = stand_in.start()
    assert overrides["address"] == "127.0.0.1"
    assert overrides["become"] is None  # the host's sudo password is not for this machine
    assert f":{overrides['port']}" in stand_in.describe()
    host = open_ssh(ssh_target("web1", **overrides), Secrets(), {})
    result = host.run("echo out; echo err >&2; exit 3")
    assert (result.exit_code, result.out, result.err) == (3, "out\n", "err\n")
    assert host.run("kill -TERM $$").exit_code == 143
    assert host.run(["cat"], stdin=b"\0\xff" * 50_000).stdout == b"\0\xff" * 50_000
    assert host.run(["id", "-u"]).out == f"{os.geteuid()}\n"
    assert host.read("/etc/hostname") == Path("/etc/hostname").read_bytes()
    assert host.stat("/etc/login.defs").size == Path("/etc/login.defs").stat().st_size
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "name").touch()
    assert host.listdir(str(tmp_path / "listed")) == ["name"]
    with pytest.raises(TimedOut, match="it was killed"):
        host.run("sleep 30", timeout=0.3)
    host.close()


def test_nobody_else_gets_in(stand_in, tmp_path):
    overrides = stand_in.start()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True
    )
    overrides["ssh"]["key_file"] = str(tmp_path / "other")
    with pytest.raises(Unreachable, match="refused the login"):
        open_ssh(ssh_target("web1", **overrides), Secrets(), {})


def test_nothing_is_left(stand_in, tmp_path):
    stand_in.start()
    assert processes(tmp_path)
    stand_in.stop()
    stand_in.stop()
    assert not processes(tmp_path)


def test_it_dies_with_whoever_started_it(tmp_path):
    script = (
        "import sys, time; from pathlib import Path\n"
        "from pytest_sysaudit.embedded.process import ChildProcess\n"
        f"ChildProcess(['sleep', '987654'], Path({str(tmp_path / 'log')!r}))\n"
        "print('started', flush=True); time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        (child,) = children(parent.pid)
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{child}").exists(), 5, "the child is gone")


def test_child_survives_the_thread_that_asked_for_it(tmp_path):
    made = []
    asking = threading.Thread(
        target=lambda: made.append(ChildProcess(["sleep", "60"], tmp_path / "log"))
    )
    asking.start()
    asking.join()
    assert made[0].exit_code is None
    made[0].stop()
    assert made[0].exit_code == -signal.SIGTERM


def test_child_that_ignores_sigterm_is_killed(tmp_path):
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    child = ChildProcess(["/bin/sh", "-c", script], tmp_path / "log")
    wait_until(lambda: "ready" in child.output())
    child.stop(grace=0.3)
    assert child.exit_code == -signal.SIGKILL


def test_program_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        ChildProcess(["/no/such/program"], tmp_path / "log")


def test_program_that_does_not_start(tmp_path):
    server = EmbeddedSshd(ssh_target("web1"), tmp_path, "/bin/false")
    with pytest.raises(Unreachable, match="web1: the embedded sshd does not start"):
        server.start()


def test_killed_stand_in_can_be_stopped(stand_in):
    stand_in.start()
    kill(stand_in._child.pid)
    stand_in.stop()


def test_installed_sshd_is_found():
    assert find_sshd() == (SSHD or "")
