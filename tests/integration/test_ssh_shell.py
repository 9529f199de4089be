"""What many commands of many callers cost: few round trips, few channels, nothing mixed up."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import time
from pathlib import Path

import pytest
from lab.sshd import Secrets, Sshd, needs_sshd, ssh_target, temporary_user, wait_until
from lab.tiny import tiny_host

from pytest_sysaudit.errors import ConnectionLost, Denied, Incomplete, TimedOut
from pytest_sysaudit.transport.ssh import inside, open_ssh
from pytest_sysaudit.transport.ssh.wire import Wire

pytestmark = needs_sshd
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make users")


@pytest.fixture
def remote(sshd):
    with contextlib.closing(open_ssh(sshd.target(), Secrets(), {})) as host:
        yield host


def sessions(server: Sshd) -> int:
    """How many sessions the server has started."""
    return server.logged("Starting session:")


def test_a_batch_is_answered_in_order(sshd, remote):
    before = sessions(sshd)
    answers = remote.run_many(
        ["echo one", ["echo", "two"], "echo three >&2; exit 3", ["no-such-program"], "cat"]
    )
    assert [answer.exit_code for answer in answers] == [0, 0, 3, 127, 0]
    assert [answer.out for answer in answers] == ["one\n", "two\n", "", "", ""]
    assert answers[2].err == "three\n"
    assert answers[1].command == ["echo", "two"]
    assert remote.run_many([]) == []
    assert sessions(sshd) == before


def test_one_bad_command_of_a_batch_is_its_own_error(sshd):
    with contextlib.closing(open_ssh(sshd.target(max_output=50_000), Secrets(), {})) as host:
        answers = host.run_many(
            ["echo a", "sleep 30", "yes", ["echo", "x" * 200_000], "kill -9 $PPID", "echo z"],
            timeout=1,
        )
        assert (answers[0].out, answers[5].out) == ("a\n", "z\n")
        assert isinstance(answers[1], TimedOut)
        assert isinstance(answers[2], Incomplete)
        assert "too long to be sent" in str(answers[3])
        assert isinstance(answers[4], ConnectionLost)
        assert not answers[4].final
        assert host.run(["echo", "on"]).out == "on\n"


def test_a_slow_command_does_not_hold_up_others(sshd, remote, tmp_path):
    before = sessions(sshd)
    wait = f"touch {tmp_path}/on; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo slow"
    slow = []
    thread = threading.Thread(target=lambda: slow.append(remote.run(wait).out))
    thread.start()
    wait_until((tmp_path / "on").exists)
    time.sleep(0.3)  # it is slow now, by any measure
    assert remote.run(["echo", "quick"]).out == "quick\n"
    assert slow == []
    (tmp_path / "go").touch()
    thread.join()
    assert slow == ["slow\n"]
    assert sessions(sshd) == before + 1


def test_at_most_four_channels(sshd, remote, tmp_path):
    before = sessions(sshd)
    answers = {}

    def call(number: int) -> None:
        wait = f"touch {tmp_path}/on{number}; sleep 1; echo {number}"
        answers[number] = remote.run(wait).out

    threads = [threading.Thread(target=call, args=[number]) for number in range(7)]
    for number, thread in enumerate(threads):
        thread.start()
        if number < 4:
            wait_until((tmp_path / f"on{number}").exists)
            time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert answers == {number: f"{number}\n" for number in range(7)}
    assert sessions(sshd) == before + 3


def test_many_threads_on_few_channels(remote):
    wrong = []

    def many(number: int) -> None:
        for turn in range(10):
            word = f"{number}.{turn}"
            result = remote.run(f"printf {word}; printf e{word} >&2; exit {turn}")
            if (result.exit_code, result.out, result.err) != (turn, word, f"e{word}"):
                wrong.append(result)

    threads = [threading.Thread(target=many, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("sessions_allowed", [1, 2])
def test_few_sessions_are_enough_for_many_callers(tmp_path, sessions_allowed):
    config = [f"MaxSessions {sessions_allowed}"]
    with Sshd(tmp_path / "sshd", config=config) as server:
        host = open_ssh(server.target(), Secrets(), {})
        answers = {}

        def call(number: int) -> None:
            answers[number] = host.run(f"sleep 0.2; echo {number}").out

        threads = [threading.Thread(target=call, args=[number]) for number in range(6)]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
        host.close()
    assert answers == {number: f"{number}\n" for number in range(6)}


def test_what_is_sent_with_the_login_is_answered(sshd):
    commands = ["echo one", ["echo", "two"], "exit 3"]
    host = open_ssh(sshd.target(), Secrets(), {}, ahead=commands)
    with contextlib.closing(host):
        assert host.identity["machine_id"]
        answers = host.ahead()
    assert answers["echo one"].out == "one\n"
    assert answers["echo", "two"].out == "two\n"
    assert answers["exit 3"].exit_code == 3


@pytest.mark.root
@needs_root
def test_what_is_sent_with_the_login_runs_as_who_the_audit_becomes(tmp_path):
    rules = ["{user} ALL=(ALL:ALL) ALL"]
    with temporary_user(sudo=rules) as user, Sshd(tmp_path / "s", user=user.name) as server:
        secrets = Secrets(RIGHT=user.password, WRONG="nope")
        for password, expected in (("RIGHT", "0\n"), ("WRONG", Denied)):
            become = {"password": f"env:{password}"}
            host = open_ssh(server.target(become=become), secrets, {}, ahead=["id -u"])
            answer = host.ahead()["id -u"]
            host.close()
            if expected is Denied:
                assert isinstance(answer, Denied)
            else:
                assert answer.out == expected


@pytest.mark.root
@needs_root
@pytest.mark.parametrize("shell", ["/bin/dash", "/usr/bin/fish", "/bin/tcsh", "/bin/zsh"])
def test_batches_as_root_from_any_login_shell(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    rules = ["{user} ALL=(ALL:ALL) NOPASSWD: ALL"]
    with (
        temporary_user(shell=shell, sudo=rules) as user,
        Sshd(tmp_path / "sshd", user=user.name) as server,
        contextlib.closing(open_ssh(server.target(become={}), Secrets(), {})) as host,
    ):
        answers = host.run_many(
            ["id -u", "sleep 30", ["printf", "%s", "it's $x `y` \\n"]], timeout=1
        )
        assert answers[0].out == "0\n"
        assert isinstance(answers[1], TimedOut)
        assert "it was killed" in str(answers[1])
        assert answers[2].out == "it's $x `y` \\n"
        assert host.run(["id", "-un"], user=user.name).out == f"{user.name}\n"


@pytest.mark.root
@needs_root
@pytest.mark.slow
def test_dropbear_and_busybox():
    """Another server, another shell, no procps: the same answers."""
    with tiny_host() as machine:
        target = ssh_target("tiny", **machine.entry(user="auditor"))
        with contextlib.closing(open_ssh(target, Secrets(), {}, ahead=["echo ahead"])) as host:
            assert host.ahead()["echo ahead"].out == "ahead\n"
            data = bytes(range(256)) * 200
            assert host.run(["cat"], stdin=data).stdout == data
            assert len(host.run("head -c 3000000 /dev/zero").stdout) == 3_000_000
            answers = host.run_many(
                ["exit 3", "sleep 30 & sleep 31", "kill -9 $PPID", "echo z"], timeout=1
            )
            assert answers[0].exit_code == 3
            assert isinstance(answers[1], TimedOut)
            assert isinstance(answers[2], ConnectionLost)
            # Dropbear hangs up when its last shell is gone, perhaps while the next one begins
            assert isinstance(answers[3], ConnectionLost) or answers[3].out == "z\n"
            assert host.run("echo z").out == "z\n"
            assert host.read("/etc/os-release").startswith(b"ID=tiny")


def test_stock_paramiko_gives_the_same_answers(sshd, monkeypatch):
    """A paramiko whose insides have other names is used as it documents itself."""
    monkeypatch.setattr(inside, "_OF_AN_INSTANCE", "no_such_name")
    with contextlib.closing(open_ssh(sshd.target(), Secrets(), {}, ahead=["echo a"])) as host:
        assert host._connection.wire._ends is None
        assert host.ahead()["echo a"].out == "a\n"
        data = os.urandom(200_000)
        assert host.run(["cat"], stdin=data).stdout == data
        answers = host.run_many(["exit 3", "sleep 30", "kill -9 $PPID", "echo z"], timeout=1)
        assert answers[0].exit_code == 3
        assert isinstance(answers[1], TimedOut)
        assert isinstance(answers[2], ConnectionLost)
        assert answers[3].out == "z\n"


def test_a_first_channel_that_is_not_0_costs_one_more_login(sshd, monkeypatch):
    opened = inside.Ends._opened
    hits = []

    def other_number(self, message):
        at = message.packet.tell()
        numbers = [message.get_int() for _ in range(4)]
        message.packet.seek(at)
        if not hits:  # the first login's; it may come before its sender knows of the guess
            hits.append(1)
            numbers[1] = 7
            message = inside._message(b"\x5b", *numbers)
            message.packet.seek(1)
        opened(self, message)

    monkeypatch.setattr(inside.Ends, "_opened", other_number)
    before = sshd.logged("Accepted publickey")
    with contextlib.closing(open_ssh(sshd.target(), Secrets(), {})) as host:
        assert host.run(["echo", "in"]).out == "in\n"
    assert hits == [1]
    # sshd writes its log when it comes to it
    wait_until(lambda: sshd.logged("Accepted publickey") == before + 2, 10, "two logins")


@pytest.mark.parametrize(
    "banner", ["SSH-2.0-OpenSSH_9.2", "SSH-2.0-dropbear_2022", "SSH-2.0-Other"]
)
def test_what_is_guessed_depends_on_the_banner(sshd, monkeypatch, banner):
    monkeypatch.setattr(Wire, "_knows_banner", lambda _, *names: any(n in banner for n in names))
    with contextlib.closing(open_ssh(sshd.target(), Secrets(), {})) as host:
        assert host.run(["echo", "in"]).out == "in\n"
        assert (host._connection.wire._guessed is not None) is ("OpenSSH" in banner)


def test_login_and_first_commands_take_one_session_and_one_thread(sshd):
    before, threads = sessions(sshd), threading.active_count()
    with contextlib.closing(open_ssh(sshd.target(), Secrets(), {}, ahead=["true"])) as host:
        host.ahead()
        host.run_many([["true"]] * 50)
        host.read("/etc/hostname")
        wait_until(lambda: threading.active_count() <= threads + 1)
    assert sessions(sshd) == before + 1


def test_nothing_of_the_mark_is_seen_by_commands(remote):
    shell = next(iter(remote._executor.shells._shells[None]))
    look = "env; set; ps -ef; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; true"
    result = remote.run(look)
    assert shell._mark.encode() not in result.stdout + result.stderr


def test_new_keys_in_the_middle_of_a_transfer(tmp_path):
    with Sshd(tmp_path / "sshd", config=["RekeyLimit 1M"]) as server:
        with contextlib.closing(open_ssh(server.target(), Secrets(), {})) as host:
            data = os.urandom(2_500_000)
            assert host.run(["cat"], stdin=data).stdout == data
            assert len(host.run("head -c 8000000 /dev/zero").stdout) == 8_000_000
        assert Path(server.log).exists()


def test_errors_of_one_target_name_it(remote):
    with pytest.raises(TimedOut, match=re.escape("web1: `sleep 9` did not end within 0.2 s")):
        remote.run("sleep 9", timeout=0.2)
