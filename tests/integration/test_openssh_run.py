"""Commands through the ssh program: exact answers, deadlines, sudo, and nothing left at the end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lab.sshd import Secrets, Sshd, needs_sshd, temporary_user, wait_until

from pytest_sysaudit.embedded.process import children
from pytest_sysaudit.errors import (
    CannotAssess,
    ConnectionLost,
    Denied,
    Incomplete,
    NotApplicable,
    TimedOut,
)
from pytest_sysaudit.transport.openssh import open_openssh

pytestmark = needs_sshd


def needs_users(test):
    """Mark a test that makes users, and runs sudo."""
    for mark in (
        pytest.mark.root,
        pytest.mark.skipif(os.geteuid() != 0, reason="makes users"),
        pytest.mark.skipif(not shutil.which("sudo"), reason="needs sudo"),
    ):
        test = mark(test)
    return test


@pytest.fixture
def host(sshd):
    with contextlib.closing(open_openssh(sshd.target(), Secrets(), {})) as opened:
        yield opened


def our_ssh() -> list[int]:
    """The ssh processes that this process has started."""
    found = []
    for pid in children(os.getpid()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "ssh":
                found.append(pid)
    return found


def test_exact_bytes_and_exit_codes(host):
    result = host.run(r"printf 'a\0\377\n\nno newline'; printf err >&2; exit 7")
    assert (result.exit_code, result.stdout, result.stderr) == (
        7,
        b"a\0\xff\n\nno newline",
        b"err",
    )
    assert host.run("kill -9 $$").exit_code == 137
    assert host.run(["cat"], stdin=bytes(range(256)) * 100).stdout == bytes(range(256)) * 100
    assert host.run(["cat"]).stdout == b""
    assert host.run("exit 255").exit_code == 255


def test_much_output(host):
    result = host.run("head -c 20000000 /dev/zero; head -c 2000000 /dev/zero >&2")
    assert (len(result.stdout), len(result.stderr)) == (20_000_000, 2_000_000)


def test_much_input(host):
    data = os.urandom(3_000_000)
    assert host.run(["cat"], stdin=data).stdout == data


def test_files(host, tmp_path):
    (tmp_path / "file").write_bytes(b"\0content")
    assert host.read(str(tmp_path / "file")) == b"\0content"
    assert host.stat(str(tmp_path / "file")).size == 8
    assert host.listdir(str(tmp_path)) == ["file"]
    with pytest.raises(NotApplicable):
        host.read(str(tmp_path / "none"))


def test_many_in_one_round_trip_and_one_process(host):
    answers = host.run_many([["echo", str(n)] for n in range(50)])
    assert [answer.out for answer in answers] == [f"{n}\n" for n in range(50)]
    assert len(our_ssh()) == 1


def test_what_is_known_to_be_asked_travels_with_the_login(sshd):
    ahead = [["echo", "one"], "echo two; exit 3"]
    with contextlib.closing(open_openssh(sshd.target(), Secrets(), {}, ahead)) as host:
        told = host.ahead()
        assert told["echo", "one"].out == "one\n"
        assert told["echo two; exit 3"].exit_code == 3
        assert host.ahead() == told


def test_deadline_kills_the_command_and_the_shell_goes_on(host):
    with pytest.raises(TimedOut, match="it was killed"):
        host.run("trap '' TERM; echo $$; sleep 61", timeout=0.4)
    assert host.run(["echo", "still here"]).out == "still here\n"
    assert host.run("pgrep -fx 'sleep 61' || true").out == ""


def test_too_much_output(sshd):
    with contextlib.closing(open_openssh(sshd.target(max_output=1000), Secrets(), {})) as host:
        with pytest.raises(Incomplete):
            host.run("yes")
        assert host.run(["true"]).ok


def test_commands_of_several_threads(host):
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = host.run(f"sleep 0.0{number % 3}; echo {number}").out

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"{number}\n" for number in range(12)}
    assert len(our_ssh()) <= 4


def test_a_command_that_kills_its_shell_costs_only_itself(host):
    with pytest.raises(ConnectionLost):
        host.run("kill -9 $PPID")
    assert host.run(["echo", "again"]).out == "again\n"


def test_a_connection_that_breaks_is_made_anew_once(sshd):
    before = sshd.logged("Accepted publickey")
    with contextlib.closing(open_openssh(sshd.target(), Secrets(), {})) as host:
        sshd.kill_sessions()
        wait_until(lambda: not our_ssh(), what="ssh has noticed")
        assert host.run(["echo", "back"]).out == "back\n"
        assert sshd.logged("Accepted publickey") == before + 2
        sshd.kill_sessions()
        wait_until(lambda: not our_ssh())
        with pytest.raises(CannotAssess, match="broke"):
            host.run(["true"])
        assert sshd.logged("Accepted publickey") == before + 2


def test_another_host_key_after_a_break_is_refused(tmp_path):
    known = tmp_path / "known_hosts"
    with Sshd(tmp_path / "sshd") as server:
        server.write_known_hosts(known)
        host = open_openssh(server.target(ssh={"known_hosts": str(known)}), Secrets(), {})
        server.change_host_key()
        server.write_known_hosts(known)
        wait_until(lambda: not our_ssh())
        with pytest.raises(ConnectionLost, match="shows another host key"):
            host.run(["true"])
        host.close()


def test_close_ends_what_runs(sshd):
    host = open_openssh(sshd.target(), Secrets(), {})
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            host.run(["sleep", "62"])
        except CannotAssess as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: _runs("sleep 62"))
    host.close()
    host.close()
    thread.join(20)
    assert errors
    wait_until(lambda: not our_ssh() and not sshd.session_pids() and not _runs("sleep 62"))


def _runs(words: str) -> bool:
    return subprocess.run(["pgrep", "-fx", words], capture_output=True, check=False).returncode == 0


PROGRAM = """
import sys, time
sys.path.insert(0, "tests")
from lab.sshd import Secrets, ssh_target
from pytest_sysaudit.transport.openssh import open_openssh
import json
host = open_openssh(ssh_target(**json.loads(sys.argv[1])), Secrets(), {})
print("open", flush=True)
host.run(["sleep", "63"])
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_the_run_is_killed(sshd, number, tmp_path):
    folder = Path(__file__).parents[2]
    argv = [sys.executable, "-c", PROGRAM, json.dumps(sshd.entry(connection="openssh"))]
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # its logs stay there when it is killed
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(argv, cwd=folder, stdout=pipe, stderr=null, env=env) as process:
        assert process.stdout.readline() == b"open\n"
        wait_until(lambda: _runs("sleep 63"))
        ours = children(process.pid)
        assert ours
        process.send_signal(number)
        process.wait(20)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ours), what="ssh ended")
    wait_until(lambda: not sshd.session_pids() and not _runs("sleep 63"), what="the host is quiet")


@needs_users
def test_sudo_without_a_password(tmp_path):
    with (
        temporary_user(sudo=["{user} ALL=(ALL:ALL) NOPASSWD: ALL"]) as user,
        Sshd(tmp_path / "sshd", user=user.name) as server,
    ):
        target = server.target(become={"user": "root"})
        with contextlib.closing(open_openssh(target, Secrets(), {})) as host:
            assert host.run(["id", "-un"]).out == "root\n"
            assert host.run(["id", "-un"], user=user.name).out == f"{user.name}\n"
            assert host.read("/etc/shadow").startswith(b"root:")
            with pytest.raises(TimedOut):
                host.run(["sleep", "64"], timeout=0.4)
            assert not _runs("sleep 64")
        wait_until(lambda: not our_ssh())


@needs_users
def test_sudo_with_a_password(tmp_path):
    with (
        temporary_user(sudo=["{user} ALL=(ALL:ALL) ALL"]) as user,
        Sshd(tmp_path / "sshd", user=user.name) as server,
    ):
        target = server.target(become={"user": "root", "password": "env:SUDO"})
        secrets = Secrets(SUDO=user.password)
        with contextlib.closing(open_openssh(target, secrets, {})) as host:
            assert host.run(["id", "-un"]).out == "root\n"
        with contextlib.closing(open_openssh(target, Secrets(SUDO="wrong"), {})) as host:
            for _ in range(2):
                with pytest.raises(Denied, match="typed once"):
                    host.run(["id"])


@pytest.mark.parametrize("shell", ["bash", "fish", "tcsh", "mksh", "zsh"])
@needs_users
def test_login_shells(tmp_path, shell):
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"needs {shell}")
    with (
        temporary_user(shell=path) as user,
        Sshd(tmp_path / "sshd", user=user.name) as server,
        contextlib.closing(open_openssh(server.target(), Secrets(), {})) as host,
    ):
        assert host.run("echo \"it's\" '$HOME'").out == "it's $HOME\n"


def test_no_thread_is_left(sshd):
    open_openssh(sshd.target(), Secrets(), {}).close()
    wait_until(lambda: "openssh" not in [thread.name for thread in threading.enumerate()])


def test_the_turn_is_given_away_while_one_logs_in(sshd):
    greenlet = pytest.importorskip("greenlet")

    class Turn:
        given = 0

        def call(self, call):
            self.given += 1
            return call()

        def until(self, future, timeout):
            self.given += 1
            return future.result(timeout)

    turn, opened = Turn(), []
    lane = greenlet.greenlet(lambda: opened.append(open_openssh(sshd.target(), Secrets(), {})))
    lane.sysaudit_turn = turn
    lane.switch()
    opened[0].close()
    assert turn.given >= 2
