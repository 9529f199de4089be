"""Commands over ssh: exact results, deadlines that end what they ran, and no guesses."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pytest
from lab.faults import Relay
from lab.sshd import Secrets, Sshd, needs_sshd, temporary_user, wait_until

from pytest_sysaudit.errors import CannotAssess, ConnectionLost, Incomplete, TimedOut, Unreachable
from pytest_sysaudit.transport.base import ENVIRONMENT
from pytest_sysaudit.transport.ssh import open_ssh

pytestmark = needs_sshd
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make users")

EVERY_BYTE = bytes(range(256))
SHELLS = ["/bin/dash", "/bin/bash", "/usr/bin/fish", "/bin/tcsh", "/bin/mksh", "/bin/zsh"]


@pytest.fixture(scope="module")
def remote(sshd):
    transport = open_ssh(sshd.target(), Secrets(), {})
    yield transport
    transport.close()


@pytest.fixture(scope="module")
def fragile(tmp_path_factory):
    """A server that tests break."""
    with Sshd(tmp_path_factory.mktemp("fragile")) as server:
        yield server


@pytest.fixture
def mortal(fragile):
    """Opens connections that a test may break."""
    opened = []

    def connect(**entry):
        opened.append(open_ssh(fragile.target(**entry), Secrets(), {}))
        return opened[-1]

    yield connect
    for transport in opened:
        transport.close()


def runs(argument: str) -> list[int]:
    """The processes that have *argument* as an argument of their own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argument.encode() in argv:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize(
    "argv",
    [
        ["echo", "plain"],
        ["echo", "two  words", "", "'quoted'", '"twice"', "$HOME", "`id`", "$(id)", "a\\b", "!!"],
        ["printf", "%s|", "line\nbreak", "tab\t", "*", "?", "~", "#", "%s", "%%", ";", "&&", "é"],
        ["printf", "%s", "-n", "--"],
    ],
)
def test_arguments_arrive_as_they_are(remote, argv):
    result = remote.run(argv)
    here = subprocess.run(argv, capture_output=True, check=True)  # it says what is right
    assert (result.exit_code, result.stdout, result.stderr) == (0, here.stdout, b"")
    assert result.command == argv


def test_lines_are_read_by_a_shell(remote):
    result = remote.run("x=1; for i in a b; do echo $i$x; done | sort -r; echo oops >&2; exit 3")
    assert (result.exit_code, result.out, result.err) == (3, "b1\na1\n", "oops\n")


def test_environment(remote):
    told = dict(line.split("=", 1) for line in remote.run(["env"]).out.splitlines() if "=" in line)
    assert {name: told[name] for name in ENVIRONMENT} == dict(ENVIRONMENT)


def test_every_exit_code(remote):
    codes = [remote.run(f"exit {code}").exit_code for code in (*range(0, 256, 15), 1, 126, 127)]
    assert codes == [*range(0, 256, 15), 1, 126, 127]


def test_program_that_is_not_there(remote):
    result = remote.run(["no-such-program", "x"])
    assert result.exit_code == 127
    assert "not found" in result.err


@pytest.mark.parametrize(
    ("name", "number"),
    [("HUP", 1), ("INT", 2), ("KILL", 9), ("SEGV", 11), ("TERM", 15), ("BUS", 7)],
)
def test_signals(remote, name, number):
    assert remote.run(f"echo before; kill -{name} $$; sleep 5").exit_code == 128 + number


def test_shell_around_the_command_is_killed(remote):
    """What came of that one command is unknown; the next one gets another shell."""
    with pytest.raises(
        ConnectionLost, match="the shell ended before `sleep 7 & echo before"
    ) as caught:
        remote.run("sleep 7 & echo before; kill -KILL $PPID; exit 1")
    assert not caught.value.final
    assert remote.run(["echo", "next"]).out == "next\n"


def test_output_is_binary_and_not_mixed(remote):
    script = (
        'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i+1)); done;'
        "printf no-newline >&2"
    )
    result = remote.run(script)
    assert (result.stdout, result.stderr) == (EVERY_BYTE, b"no-newline")
    assert "\\xff" in result.out


def test_input(remote):
    data = EVERY_BYTE * 5000
    assert remote.run(["cat"], stdin=data).stdout == data
    assert remote.run(["cat"]).stdout == b""
    assert remote.run(["wc", "-c"], stdin=data).out.strip() == str(len(data))


def test_input_that_nobody_reads(remote):
    assert remote.run(["true"], stdin=b"x" * 5_000_000).ok


def test_input_and_output_at_once(remote):
    """A filter that writes while it reads: neither side may wait for the other to finish."""
    data = os.urandom(4_000_000)
    assert remote.run("tee /dev/stderr", stdin=data).stderr == data


def test_much_output_on_both_streams(remote):
    result = remote.run("head -c 6000000 /dev/zero >&2; head -c 6000000 /dev/zero; echo end >&2")
    assert (len(result.stdout), len(result.stderr)) == (6_000_000, 6_000_004)


def test_too_much_output_is_incomplete_and_killed(mortal):
    host = mortal(max_output=100_000)
    word = f"y-{uuid.uuid4().hex}"
    with pytest.raises(Incomplete, match=r"wrote more than 100000 bytes \(max_output\)") as caught:
        host.run(["yes", word])
    assert "it was killed" in str(caught.value)
    assert not runs(word)
    assert len(host.run("head -c 99000 /dev/zero").stdout) == 99_000


def test_background_process_is_not_waited_for(remote):
    started = time.monotonic()
    result = remote.run("sleep 20 & echo started")
    assert (result.exit_code, result.out) == (0, "started\n")
    assert time.monotonic() - started < 15


def test_background_output_does_not_spoil_the_next_result(remote):
    remote.run("(sleep 0.2; echo late; echo late >&2) & echo now")
    result = remote.run("sleep 0.5; echo next")
    assert (result.out, result.err) == ("next\n", "")


def test_output_of_a_daemon_does_not_spoil_the_next_result(remote):
    """It is nowhere written in the command that something stays behind."""
    daemon = "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\ntime.sleep(1)\nprint('late')"
    left, *rest = remote.run_many([["python3", "-Sc", daemon], "sleep 1.5; echo next", "echo last"])
    assert (left.out, [answer.out for answer in rest]) == ("", ["next\n", "last\n"])


def test_long_command_line(remote):
    words = ["word" * 10] * 1500
    assert remote.run(["echo", *words]).out.split() == words
    with pytest.raises(CannotAssess, match="too long to be sent"):
        remote.run(["echo", "x" * 200_000])


def test_nul_is_no_argument(remote):
    with pytest.raises(ValueError, match="not a command"):
        remote.run(["echo", "a\0b"])


def test_deadline_kills_the_whole_tree(remote):
    mark = f"0{uuid.uuid4().int % 10**9}"  # "sleep 0123" is a number that only we use
    line = (
        f"sleep 9{mark} & sh -c 'sleep 8{mark}; true' & trap '' TERM; sleep 7{mark}; sleep 6{mark}"
    )
    with pytest.raises(TimedOut, match=r"did not end within 0.6 s \(command_timeout\)") as caught:
        remote.run(line, timeout=0.6)
    assert "it was killed" in str(caught.value)
    wait_until(lambda: not any(runs(f"{n}{mark}") for n in "789"), 3, "everything is dead")
    assert remote.run(["echo", "still here"]).out == "still here\n"


def test_deadline_of_the_inventory(mortal):
    with pytest.raises(TimedOut, match=r"did not end within 0\.4 s"):
        mortal(command_timeout=0.4).run(["sleep", "30"])


def test_deadline_holds_against_slow_drops(remote):
    """Output that keeps coming is no reason to wait longer."""
    with pytest.raises(TimedOut):
        remote.run("while :; do echo drop; sleep 0.1; done", timeout=0.7)


def test_total_timeout_ends_everything(mortal):
    host = mortal(total_timeout=1.5)
    with pytest.raises(TimedOut, match=r"took more than 1.5 s in all \(total_timeout\)"):
        host.run(["sleep", "30"])
    with pytest.raises(TimedOut, match=r"not tried, .* \(total_timeout\)"):
        host.run(["true"])


def test_connection_killed_in_the_middle(fragile, mortal, tmp_path):
    """The command that ran is lost and not run again; the next one gets a new connection, once."""
    host = mortal()
    before = fragile.logged("Accepted publickey")

    def cut(mark):
        wait_until((tmp_path / mark).exists)
        fragile.kill_sessions()

    for mark, final in (("first", False), ("second", True)):
        cutter = threading.Thread(target=cut, args=[mark])
        cutter.start()
        with pytest.raises(ConnectionLost, match="broke while running `echo half") as caught:
            host.run(f"echo half; echo x >>{tmp_path}/{mark}; sleep 30", timeout=25)
        cutter.join()
        assert caught.value.final is final
        assert (tmp_path / mark).read_text() == "x\n"
        if not final:
            assert host.run(["echo", "again"]).out == "again\n"
    for again in (lambda: host.run(["true"]), lambda: host.read("/etc/hostname")):
        with pytest.raises(ConnectionLost, match="not tried, for the connection is gone") as caught:
            again()
        assert caught.value.final
    assert fragile.logged("Accepted publickey") == before + 1


def test_connection_killed_between_commands(fragile, mortal):
    host = mortal()
    for _ in range(2):
        assert host.run(["echo", "works"]).out == "works\n"
        fragile.kill_sessions()
        wait_until(lambda: not host.connected)
    with pytest.raises(ConnectionLost, match="broke, and broke again"):
        host.run(["true"])


def test_what_was_queued_when_the_connection_broke_runs_on_the_new_one(fragile, mortal, tmp_path):
    host = mortal()

    def cut():
        wait_until((tmp_path / "running").exists)
        fragile.kill_sessions()

    cutter = threading.Thread(target=cut)
    cutter.start()
    running = f"touch {tmp_path}/running; sleep 30"
    answers = host.run_many(["echo before", running, *(["echo", str(n)] for n in range(5))])
    cutter.join()
    assert answers[0].out == "before\n"
    assert isinstance(answers[1], ConnectionLost)
    assert not answers[1].final
    assert [answer.out for answer in answers[2:]] == [f"{n}\n" for n in range(5)]


def test_new_connection_to_a_host_that_shows_another_key_is_refused(tmp_path):
    with Sshd(tmp_path / "sshd") as server:
        known = {"known_hosts": str(server.known_hosts), "host_key_policy": "accept-new"}
        host = open_ssh(server.target(ssh=known), Secrets(), {})
        server.change_host_key()
        server.known_hosts.unlink()  # so it would be taken as new
        with pytest.raises(ConnectionLost, match="shows another host key"):
            host.run(["true"])
        with pytest.raises(ConnectionLost, match="not tried"):
            host.run(["true"])
        host.close()


def test_network_that_breaks(sshd, tmp_path):
    with Relay((sshd.address, sshd.port)) as relay:
        known = {"fingerprint": sshd.fingerprint}
        target = sshd.target(address=relay.address[0], port=relay.address[1], ssh=known)
        host = open_ssh(target, Secrets(), {})
        threading.Timer(0.3, relay.cut).start()
        with pytest.raises(ConnectionLost, match="the connection broke"):
            host.run(["sleep", "30"])
        host.close()


@pytest.mark.slow
def test_network_that_goes_silent(sshd):
    """Nothing comes and nothing is refused: the deadline ends it, and the connection."""
    with Relay((sshd.address, sshd.port)) as relay:
        known = {"fingerprint": sshd.fingerprint}
        target = sshd.target(
            address=relay.address[0], port=relay.address[1], ssh=known, open_timeout=1
        )
        host = open_ssh(target, Secrets(), {})
        threading.Timer(0.2, relay.stall).start()
        with pytest.raises(TimedOut, match="it could not be killed and may still run"):
            host.run("sleep 30", timeout=0.6)
        with pytest.raises(ConnectionLost, match="the server does not answer any more"):
            host.run(["true"])
        host.close()


@pytest.mark.slow
def test_server_that_freezes(mortal, fragile):
    host = mortal(command_timeout=0.8, connect_timeout=0.5)
    fragile.freeze()
    try:
        with pytest.raises(TimedOut, match=r"within 0.8 s \(command_timeout\); it could not be"):
            host.run(["true"])
        with pytest.raises(ConnectionLost, match=r"not tried.*not answer any more, and no new"):
            host.run(["true"])
    finally:
        fragile.thaw()


def test_close_from_elsewhere_ends_a_command(mortal):
    host = mortal()
    threading.Timer(0.3, host.close).start()
    with pytest.raises(ConnectionLost):
        host.run(["sleep", "30"])


def test_two_callers_wait_for_each_other(remote):
    results = {}

    def call(number):
        results[number] = remote.run(f"echo {number}; sleep 0.05; echo {number}").out

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: f"{number}\n{number}\n" for number in range(6)}


def test_one_session_at_a_time_is_enough(tmp_path):
    with Sshd(tmp_path / "sshd", config=["MaxSessions 1"]) as server:
        host = open_ssh(server.target(), Secrets(), {})
        assert host.read("/etc/hostname") == Path("/etc/hostname").read_bytes()  # holds the session
        assert [host.run(f"echo {n}").out for n in range(5)] == [f"{n}\n" for n in range(5)]
        with pytest.raises(TimedOut, match="it was killed"):
            host.run("exec sleep 3", timeout=0.3)
        assert host.run(["echo", "next"]).out == "next\n"
        host.close()


def test_noise_of_login_files_is_no_output(tmp_path):
    """ForceCommand stands in for a login file that talks before the shell runs the command."""
    noise = 'ForceCommand echo noise; echo more noise >&2; eval "$SSH_ORIGINAL_COMMAND"'
    with Sshd(tmp_path / "sshd", config=[noise]) as server:
        host = open_ssh(server.target(), Secrets(), {})
        result = host.run("echo out; echo err >&2; exit 4")
        host.close()
    assert (result.exit_code, result.out, result.err) == (4, "out\n", "err\n")
    assert "noise" not in str(host.identity)


@pytest.mark.root
@needs_root
@pytest.mark.parametrize("shell", SHELLS)
def test_login_shells(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    argv = [
        "printf",
        "%s|",
        "a b",
        "$x",
        "`y`",
        "it's",
        '"',
        "!!",
        "\\n",
        "\\\\",
        "{a,b}",
        "~",
        "é",
    ]
    with temporary_user(shell=shell) as user, Sshd(tmp_path / "sshd", user=user.name) as server:
        host = open_ssh(server.target(), Secrets(), {})
        result = host.run(argv)
        line = host.run("[ -n \"$0\" ] && echo 'one\ntwo' && exit 9")
        host.close()
    assert result.out == "|".join([*argv[2:], ""])
    assert (line.exit_code, line.out) == (9, "one\ntwo\n")


def test_account_that_may_not_run_commands(tmp_path):
    with (
        Sshd(tmp_path / "sshd", config=["ForceCommand internal-sftp"]) as server,
        pytest.raises(Unreachable, match=r"no shell was started|runs no /bin/sh|did not end"),
    ):
        open_ssh(server.target(open_timeout=1), Secrets(), {})
