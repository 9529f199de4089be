"""What runs on a host ends when the audit does: by Ctrl-C, by a time limit, by a lost line."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import uuid
from pathlib import Path

import pytest
from lab.faults import Relay
from lab.sshd import Secrets, Sshd, needs_sshd, temporary_user, wait_until

from pytest_sysaudit.errors import ConnectionLost, TimedOut
from pytest_sysaudit.transport.ssh import open_ssh

pytestmark = [
    needs_sshd,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make users and sudoers"),
    pytest.mark.skipif(shutil.which("sudo") is None, reason="needs sudo"),
]


@pytest.fixture(scope="module", params=["!use_pty", "use_pty"])
def sshd(request, tmp_path_factory):
    rules = ["{user} ALL=(ALL:ALL) NOPASSWD: ALL", f"Defaults:{{user}} {request.param}"]
    with (
        temporary_user(sudo=rules) as user,
        Sshd(tmp_path_factory.mktemp("sshd"), user=user.name) as server,
    ):
        yield server


@pytest.fixture(params=["login user", "root"])
def entry(request):
    return {} if request.param == "login user" else {"become": {}}


@pytest.fixture
def sleeping():
    """A command that only we use, and whether it runs; what is left of it is ended."""
    number = f"9{uuid.uuid4().int % 10**9}"

    def pids() -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (folder / "cmdline").read_bytes() == b"sleep\0" + number.encode() + b"\0":
                    found.append(int(folder.name))
        return found

    yield ["sleep", number], pids
    for pid in pids():
        os.kill(pid, signal.SIGKILL)


def when(holds, act):
    """Do *act* as soon as *holds*; the thread that does."""
    thread = threading.Thread(target=lambda: (wait_until(holds), act()))
    thread.start()
    return thread


def test_ctrl_c(sshd, entry, sleeping):
    command, pids = sleeping
    host = open_ssh(sshd.target(**entry), Secrets(), {})
    with contextlib.closing(host):
        thread = when(pids, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            host.run(command, timeout=60)
        thread.join()
        wait_until(lambda: not pids(), 10, "the command has ended")


def test_ctrl_c_when_it_runs_and_nobody_waits_yet(sshd, entry, sleeping, monkeypatch):
    command, pids = sleeping

    def interrupted(*_):
        wait_until(pids)
        raise KeyboardInterrupt

    host = open_ssh(sshd.target(**entry), Secrets(), {})
    with contextlib.closing(host):
        monkeypatch.setattr(host._executor, "_collect", interrupted)
        with pytest.raises(KeyboardInterrupt):
            host.run(command, timeout=60)
        wait_until(lambda: not pids(), 10, "the command has ended")


def test_close_by_another_thread(sshd, entry, sleeping):
    command, pids = sleeping
    host = open_ssh(sshd.target(**entry), Secrets(), {})
    thread = when(pids, host.close)
    with pytest.raises(ConnectionLost):
        host.run(command, timeout=60)
    thread.join()
    wait_until(lambda: not pids(), 10, "the command has ended")


def test_total_timeout(sshd, entry, sleeping):
    command, pids = sleeping
    host = open_ssh(sshd.target(total_timeout=3, **entry), Secrets(), {})
    with pytest.raises(TimedOut, match="total_timeout"):
        host.run(command, timeout=60)
    wait_until(lambda: not pids(), 10, "the command has ended")


def test_lost_line_ends_what_runs_as_root(sshd, sleeping):
    command, pids = sleeping
    with Relay((sshd.address, sshd.port)) as relay:
        address, port = relay.address
        ssh = {"known_hosts": None, "fingerprint": sshd.fingerprint}
        host = open_ssh(sshd.target(become={}, address=address, port=port, ssh=ssh), Secrets(), {})
        thread = when(pids, relay.cut)
        with contextlib.closing(host), pytest.raises(ConnectionLost):
            host.run(command, timeout=60)
        thread.join()
    wait_until(lambda: not pids(), 10, "the command has ended")


def test_what_a_command_left_behind_is_not_ended_with_the_connection(sshd, sleeping):
    """Only what is still running is ended: a number of a process may be used again."""
    command, pids = sleeping
    host = open_ssh(sshd.target(become={}), Secrets(), {})
    assert host.run(f"{' '.join(command)} >/dev/null 2>&1 &").ok
    wait_until(pids)
    host.close()
    with pytest.raises(ConnectionLost):
        host.run(["true"])
    assert len(pids()) == 1
