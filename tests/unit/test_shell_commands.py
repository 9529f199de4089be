"""One shell that stays gives every command's exact answer, whichever shell it is."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import Future
from pathlib import Path

import pytest
from lab.localpipe import LocalPipe, LocalWay
from lab.sshd import wait_until

from pytest_sysaudit.transport.base import Script
from pytest_sysaudit.transport.shell.become import Password
from pytest_sysaudit.transport.shell.executor import Executor, Settings
from pytest_sysaudit.transport.shell.request import Again, Fate, ShellEnded, request
from pytest_sysaudit.transport.shell.script import BOOT, framed
from pytest_sysaudit.transport.shell.shell import Shell

SHELLS = {
    "dash": ["dash"],
    "bash": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
    "mksh": ["mksh"],
    "zsh": ["zsh", "--emulate", "sh"],
}
SHELLS = {name: argv for name, argv in SHELLS.items() if shutil.which(name)}
AWKWARD = ["printf", "%s|", "a b", "$x", "`y`", "it's", '"', "!!", "\\n", "a\nb", "%d", "é", ""]
LIMIT = 1 << 26


class Runner:
    """A shell that tests talk to."""

    def __init__(self, argv: list[str], limit: int = LIMIT) -> None:
        self.argv = argv
        self.shell = Shell(limit=limit, program=" ".join(argv))
        self.shell.open(lambda hearer: LocalPipe([*argv, "-c", BOOT], hearer))
        self.pipe: LocalPipe = self.shell._pipe

    def send(self, *commands, **more) -> list[Future]:
        requests = [request(command, timeout=30, **more) for command in commands]
        self.shell.submit(requests)
        self.requests = requests
        return [item.future for item in requests]

    def run(self, command, **more):
        reply = self.send(command, **more)[0].result(20)
        return reply.exit_code, reply.out, reply.err


@pytest.fixture(params=SHELLS)
def runner(request):
    made = Runner(SHELLS[request.param])
    yield made
    made.shell.close()
    made.pipe.process.wait(10)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("true", (0, b"", b"")),
        ("printf abc", (0, b"abc", b"")),
        ("echo out; printf err >&2; exit 7", (7, b"out\n", b"err")),
        (r"printf '\000\001\377\n\036'", (0, b"\0\1\xff\n\x1e", b"")),
        (AWKWARD, (0, "|".join([*AWKWARD[2:], ""]).encode(), b"")),
        ("kill -9 $$", (137, b"", b"")),
        ("sh -c 'kill -SEGV $$'; exit", (139, b"", None)),
        ("cat; echo done", (0, b"done\n", b"")),
        ('read x; echo "<$x>"', (0, b"<>\n", b"")),
        ("if then (", (2, b"", None)),
        ("echo 'unterminated", (2, b"", None)),
        ("cat <<E\nhere\nE", (0, b"here\n", b"")),
        ("echo " + "x" * 100_000, (0, b"x" * 100_000 + b"\n", b"")),
        (["false"], (1, b"", b"")),
        (["no-such-program"], (127, b"", None)),
    ],
    ids=lambda value: str(value)[:24] if not isinstance(value, tuple) else "",
)
def test_answers_are_exact(runner, command, expected):
    code, out, err = runner.run(command)
    assert out == expected[1]
    assert expected[0] is None or code == expected[0]
    assert expected[2] is None or err == expected[2]
    assert runner.run(["echo", "next"]) == (0, b"next\n", b"")


def test_a_script_of_ours_is_alone_in_the_shell_that_runs_it(runner):
    mark = runner.shell._mark.encode()
    said = [
        runner.run(Script(text))
        for text in (
            'echo "$# ${x-none}"; x=1; cd /; exit 3',
            'echo "$# ${x-none}"; pwd',
            "set",
            "if then (",
            "kill -9 \"$(sh -c 'echo $PPID')\"",
        )
    ]
    assert said[0] == (3, b"0 none\n", b"")
    assert said[1] == (0, f"0 none\n{Path.cwd()}\n".encode(), b"")
    assert said[2][0] == 0
    assert b"_c=" in said[2][1]  # it says what it knows ...
    assert mark not in said[2][1]  # ... and that is not this
    assert said[3][0] != 0
    assert said[4][0] == 137
    assert runner.run(["echo", "next"]) == (0, b"next\n", b"")


@pytest.mark.parametrize(
    ("command", "begins"),
    [
        ("id -u", "_v id -u"),
        ("  ls  /tmp ", "_v ls /tmp"),
        ("awk -F: '$3 == 0 {print $1}' /etc/passwd", "_v awk -F: '$3 == 0 {print $1}' /etc/passwd"),
        ("test -e /etc/x", "_o 'test -e /etc/x'"),
        (Script('echo "$x"'), "_o 'echo \"$x\"'"),
        *((text, "_v /bin/sh -c ") for text in ("a | b", "a; b", "a > b", "A=b c", "ls *", "ls ~")),
        *(
            (text, "_v /bin/sh -c ")
            for text in ("a $b", "a `b`", "a\nb", "a # b", "! a", "(a)", "")
        ),
        *((text, "_v /bin/sh -c ") for text in ("kill 1", "cd /", "exit 3", "ulimit -n", "time a")),
        *((text, "_v /bin/sh -c ") for text in ('"a b"', "a\\ b", "{ a", "a {b,c}", "a [b]", "a&")),
    ],
)
def test_a_shell_is_started_only_for_what_needs_one(command, begins):
    assert framed(command, b"").decode().startswith(begins)
    assert b"/bin/sh -c" in framed("a; b", b"data")


def test_words_of_the_shell_are_no_way_out(runner):
    for word in ("exit", "return", "break", "exec"):
        runner.run([word, "3"])  # not found; mksh runs it, in a shell of its own
        assert runner.run(["echo", word]) == (0, f"{word}\n".encode(), b"")


def test_too_many_arguments_are_refused_by_the_host():
    runner = Runner(["dash"])
    code, out, err = runner.run(["true", *["y" * 100_000] * 30])
    assert (code, out) == (126, b"")
    assert b"too long" in err
    assert runner.run(["echo", "next"]) == (0, b"next\n", b"")
    runner.shell.close()


def test_much_output_on_either_stream(runner):
    code, out, err = runner.run("head -c 20000000 /dev/zero; echo end >&2")
    assert (code, len(out), err) == (0, 20_000_000, b"end\n")
    code, out, err = runner.run("head -c 5000000 /dev/zero >&2; echo x")
    assert (code, out, len(err)) == (0, b"x\n", 5_000_000)


def test_lines_of_both_streams_stay_apart(runner):
    _, out, err = runner.run(
        "i=0; while [ $i -lt 2000 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done"
    )
    assert out == b"".join(b"o%d\n" % i for i in range(2000))
    assert err == b"".join(b"e%d\n" % i for i in range(2000))


def test_binary_output_and_input(runner, tmp_path):
    data = os.urandom(1_000_000)
    (tmp_path / "data").write_bytes(data)
    assert runner.run(["cat", f"{tmp_path}/data"])[1] == data
    fed = data[:100_000] + b"'\\\n\0\x1e%s" + bytes(range(256)) * 50
    assert (
        hashlib.sha256(runner.run(["cat"], stdin=fed)[1]).digest() == hashlib.sha256(fed).digest()
    )
    assert runner.run(["true"], stdin=data) == (0, b"", b"")  # nobody reads it
    assert runner.run("read x; cat >/dev/null; exit 3", stdin=b"a\nb\n") == (3, b"", b"")


def test_commands_do_not_see_the_mark(runner):
    mark = runner.shell._mark.encode()
    look = "env; set; cat /proc/self/environ /proc/$PPID/environ /proc/[0-9]*/cmdline 2>/dev/null"
    for command in (look, f"ps -ef 2>/dev/null; {look}"):
        _, out, err = runner.run(command)
        assert out
        assert mark not in out + err


def test_many_in_one_write_are_answered_in_order(runner):
    runner.run("true")
    before = runner.pipe.written
    futures = runner.send(*(f"echo {n}; exit {n}" for n in range(100)))
    assert [future.result(20).exit_code for future in futures] == list(range(100))
    assert runner.pipe.written == before + 1


def test_threads_get_their_own_answers(runner):
    wrong = []

    def many(number: int) -> None:
        for turn in range(10):
            command = f"printf {number}.{turn}; printf e{number}.{turn} >&2; exit {turn}"
            item = request(command, timeout=30)
            runner.shell.submit([item])
            reply = item.future.result(30)
            word = f"{number}.{turn}".encode()
            if (reply.exit_code, reply.out, reply.err) != (turn, word, b"e" + word):
                wrong.append(reply)

    threads = [threading.Thread(target=many, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_what_is_ended_ends_with_all_its_children_and_the_shell_goes_on(runner, stubborn):
    mark = f"0{uuid.uuid4().int % 10**9}"
    sleeps = f"sleep 9{mark} & sh -c 'sleep 8{mark}; :'; sleep 7{mark}; sleep 6{mark}"
    line = f"{stubborn}echo part; {sleeps}"
    runner.run("true")
    worker, (future, after) = runner.shell._worker, runner.send(line, ["echo", "next"])
    wait_until(lambda: runs(f"8{mark}"))
    runner.shell.end(runner.requests[0], Fate.OVERDUE)
    future.result(20)
    assert runner.requests[0].stopped
    assert after.result(20).out == b"next\n"
    wait_until(lambda: not any(runs(f"{n}{mark}") for n in "9876"), 5, "all are dead")
    assert runner.run("true")[0] == 0
    assert runner.shell._worker == worker


def runs(argument: str) -> bool:
    """Whether some process has *argument*."""
    return any(
        argument.encode() in argv(folder).split(b"\0") for folder in Path("/proc").glob("[0-9]*")
    )


def argv(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""


def test_what_is_not_begun_is_not_run(runner, tmp_path):
    # exec: what is started just as the rest is ended would be a stray, and the shell given up
    first, second, third = runner.send(
        "sleep 0.3", f"touch {tmp_path}/x; exec sleep 20", "echo third"
    )
    runner.shell.end(runner.requests[1], Fate.UNWANTED)
    assert first.result(20).exit_code == 0
    assert second.result(20).exit_code != 0
    assert third.result(20).out == b"third\n"


def test_too_much_output_is_ended_and_not_kept(request):
    runner = Runner(["dash"], limit=100_000)
    request.addfinalizer(runner.shell.close)
    future = runner.send("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")[0]
    assert len(future.result(20).out) <= 100_000
    assert runner.requests[0].fate is Fate.LARGE
    assert runner.run("head -c 99000 /dev/zero") == (0, bytes(99_000), b"")


def test_killed_shell_loses_only_what_it_ran(runner):
    head, *rest = runner.send("sleep 9 & kill -9 $PPID", *(["echo", str(n)] for n in range(20)))
    with pytest.raises(ShellEnded):
        head.result(10)
    for future in rest:
        with pytest.raises(Again):
            future.result(10)
    with pytest.raises(OSError, match="has ended"):
        runner.send("true")


def test_background_process_is_not_waited_for(runner):
    assert runner.run("sleep 20 & echo started") == (0, b"started\n", b"")


def test_end_of_the_line_ends_what_runs(runner):
    number = f"9{uuid.uuid4().int % 10**9}"
    runner.send(["sleep", number])
    wait_until(lambda: runs(number))
    runner.pipe.close()
    wait_until(lambda: not runs(number), 10, "it has ended")
    runner.pipe.process.wait(10)


def test_quiet_end_leaves_nothing(runner):
    pid = runner.pipe.process.pid
    runner.run("true")
    runner.shell.close()
    runner.pipe.process.wait(10)
    argv = ["pgrep", "-s", str(pid)]
    wait_until(lambda: not subprocess.run(argv, capture_output=True, check=False).stdout, 5)


def test_more_than_fits_ahead_is_held_back_and_can_still_be_ended(runner):
    """A pipe holds 64 KB: more than that behind a command that hangs, and nobody would listen."""
    head, *rest = runner.send("sleep 60", *("echo " + "x" * 9000 for _ in range(30)))
    wait_until(lambda: runner.requests[0].begun is not None)
    runner.shell.end(runner.requests[0], Fate.OVERDUE)
    assert head.result(20).exit_code != 0
    assert [len(future.result(20).out) for future in rest] == [9001] * 30


#: Leaves a process of its own session behind, with no & for anybody to see.
DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(1.5)
for stream in (1, 2): os.write(stream, b'foreign')
"""


@pytest.mark.parametrize("counts", [True, pytest.param(False, marks=pytest.mark.root)])
@pytest.mark.parametrize("name", SHELLS)
def test_what_a_command_leaves_behind_writes_into_nobody_elses_answer(name, counts):
    """Also where the kernel's newest pid is not to be had: some containers tell another one."""
    if not counts and os.geteuid() != 0:
        pytest.skip("only root can mount over /proc/loadavg")
    hidden = ["unshare", "-m", "sh", "-c", 'mount --bind /dev/null /proc/loadavg; exec "$@"', "sh"]
    shell = Shell(limit=LIMIT, program=shlex.join([*([] if counts else hidden), *SHELLS[name]]))
    shell.open(lambda hearer: LocalPipe([*SHELLS[name], "-c", BOOT], hearer))
    time.sleep(0.05)
    commands = ["true", ["cat", "/proc/loadavg"], [sys.executable, "-Sc", DAEMON]]
    rest = ["sleep 2; echo mine", "echo mine"]
    requests = [request(command, timeout=30) for command in [*commands, *rest]]
    shell.submit(requests)
    answers = [item.future.result(20) for item in requests[:3]]
    assert bool(answers[1].out) is counts
    assert (answers[2].exit_code, answers[2].out, answers[2].err) == (0, b"", b"")
    for item in requests[3:]:
        with pytest.raises(Again):
            item.future.result(20)
    assert shell.tainted
    shell.ended.result(20)


def settings() -> Settings:
    return Settings(
        name="web1",
        me="root",
        become=None,
        password=Password(None),
        open_timeout=20,
        command_timeout=20,
        limit=LIMIT,
    )


def test_commands_after_ones_that_leave_something_run_in_new_shells():
    way = LocalWay()
    executor = Executor(way, settings())
    commands = [[sys.executable, "-Sc", DAEMON], ["echo", "mine"]] * 8
    answers = executor.run_many(commands)
    executor.close()
    assert [answer.out for answer in answers] == ["", "mine\n"] * 8
    assert len(way.pipes) >= 8


def test_processes_that_hold_nothing_of_ours_cost_no_shell(runner):
    quiet = "setsid sleep 2 </dev/null >/dev/null 2>&1 & exit 0"
    assert [future.result(20).exit_code for future in runner.send(quiet, "true")] == [0, 0]
    assert not runner.shell.tainted


@pytest.mark.parametrize("name", SHELLS)
def test_variables_of_the_login_environment_do_not_give_the_mark_away(name, monkeypatch):
    """What is exported stays exported, whatever it is set to."""
    for variable in ("n", "s", "l", "f", "k", "me", "bye"):
        monkeypatch.setenv(variable, "exported")
    runner = Runner(SHELLS[name])
    shown = runner.run("cat /proc/self/environ /proc/$PPID/environ")[1] + runner.run(["env"])[1]
    runner.shell.close()
    assert runner.shell._mark.encode() not in shown
    assert b"PATH=" in shown
