"""The framed scripts do the same in every shell that may be /bin/sh, or that reads the line."""

from __future__ import annotations

import shutil
import subprocess
import threading

import pytest

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.transport.ssh.deadline import Deadline, within
from pytest_sysaudit.transport.ssh.framing import (
    PRELUDE,
    STOP,
    Ended,
    Exchange,
    Overdue,
    TooLarge,
    command_line,
    framed,
    program,
)

SHELLS = [name for name in ("dash", "bash", "busybox", "mksh", "zsh", "ksh") if shutil.which(name)]
LOGIN_SHELLS = [
    name for name in ("dash", "bash", "fish", "tcsh", "mksh", "zsh") if shutil.which(name)
]
TAG = "0123456789abcdef"
AWKWARD = ["printf", "%s|", "a b", "$x", "`y`", "it's", '"', "!!", "\\n", "a\nb", "%d", "é", ""]


class Canned:
    """A stream whose bytes come in the pieces it was given."""

    def __init__(self, *pieces: tuple[bytes, bytes]) -> None:
        self.out, self.err = bytearray(), bytearray()
        self._pieces = list(pieces)
        self.ended = False
        self.exit_code = None

    def wait(self, seconds: float) -> None:  # noqa: ARG002 - a stream has it
        if not self._pieces:
            self.ended = True
            return
        out, err = self._pieces.pop(0)
        self.out += out
        self.err += err

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def kill(self) -> None: ...


def argv_of(shell: str) -> list[str]:
    return {"busybox": ["busybox", "sh"], "zsh": ["zsh", "--emulate", "sh"]}.get(shell, [shell])


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (AWKWARD, (0, "|".join([*AWKWARD[2:], ""]).encode(), b"")),
        ("echo out; printf err >&2; exit 7", (7, b"out\n", b"err")),
        ("printf '%s' no-newline", (0, b"no-newline", b"")),
        ("kill -KILL $$", (137, b"", b"")),
        ("cat", (0, b"input\0\xff", b"")),
        (["false"], (1, b"", b"")),
        ("if", (2, b"", None)),
    ],
    ids=["awkward", "both", "no newline", "killed", "stdin", "false", "syntax error"],
)
def test_frames(shell, command, expected):
    script = f"{PRELUDE}{framed(TAG, command)}exit $sysaudit_code\n"
    argv = [*argv_of(shell), "-c", script]
    done = subprocess.run(argv, input=b"input\0\xff", capture_output=True, check=False)
    stream = Canned((done.stdout, done.stderr))
    reply = Exchange(stream, TAG, 10_000).finish(Deadline(5))
    assert (reply.exit_code, reply.out) == expected[:2]
    assert expected[2] is None or reply.err == expected[2]
    assert done.returncode == reply.exit_code
    assert (bytes(stream.out), bytes(stream.err)) == (b"", b"")


@pytest.mark.parametrize("shell", LOGIN_SHELLS)
def test_command_lines_mean_the_same_to_every_shell(shell):
    script = f"{PRELUDE}{framed(TAG, AWKWARD)}"
    done = subprocess.run([shell, "-c", command_line(script)], capture_output=True, check=False)
    reply = Exchange(Canned((done.stdout, done.stderr)), TAG, 10_000).finish(Deadline(5))
    assert reply.out == "|".join([*AWKWARD[2:], ""]).encode()


def test_frames_that_come_byte_by_byte_amid_noise():
    out = b"noise\n" + TAG.encode() + b"<\nbody" + TAG.encode() + b"> 12\nlate"
    err = b"noise" + TAG.encode() + b"< 77\n" + TAG[:9].encode() + TAG.encode() + b">\n"
    pieces = [(out[i : i + 1], err[i : i + 1]) for i in range(max(len(out), len(err)))]
    stream = Canned(*pieces)
    exchange = Exchange(stream, TAG, 10_000)
    reply = exchange.finish(Deadline(5))
    assert (reply.exit_code, reply.out, reply.err) == (12, b"body", TAG[:9].encode())
    assert exchange.pid == 77
    while not stream.ended:
        stream.wait(0)
    assert bytes(stream.out) == b"late"


BEGIN = (f"{TAG}<\n".encode(), f"{TAG}< 5\n".encode())


@pytest.mark.parametrize(
    ("pieces", "seconds", "error"),
    [
        ([], 5, Ended),
        ([BEGIN, (b"half", b"")], 5, Ended),
        ([BEGIN, (f"all{TAG}> 0\n".encode(), b"")], 5, Ended),  # the other stream has no end
        ([BEGIN, (f"{TAG}> 0".encode(), f"{TAG}>\n".encode())], 5, Ended),  # no newline: 0 or 01?
        ([BEGIN, (b"x" * 200, b"")], 5, TooLarge),
        ([BEGIN] * 3, 0, Overdue),
    ],
)
def test_what_is_not_complete_is_no_answer(pieces, seconds, error):
    with pytest.raises(error):
        Exchange(Canned(*pieces), TAG, 150).finish(Deadline(seconds))


def test_commands_that_cannot_be_sent():
    for command in ([], ["a\0"], "a\0b"):
        with pytest.raises(ValueError, match="not a command"):
            program(command)
    with pytest.raises(CannotAssess, match="too long"):
        command_line("é" * 50_000)


@pytest.mark.parametrize("shell", SHELLS)
def test_stop_ends_the_whole_family(shell):
    body = "trap '' TERM; sleep 31 & sh -c 'sleep 32; :' & wait"
    with subprocess.Popen(["sh", "-c", f"{body}; sleep 33"], start_new_session=True) as family:
        subprocess.run(
            [*argv_of(shell), "-c", f"sleep 0.3; {STOP}sysaudit_stop {family.pid}"],
            check=False,
            timeout=20,
        )
        assert family.wait(timeout=5) == -9
    argv = ["pgrep", "-s", str(family.pid), "-r", "S,R,D"]  # nobody may have reaped the dead
    assert subprocess.run(argv, capture_output=True, check=False).stdout == b""


def test_within():
    assert within(5, lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    never = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.05, never.wait)
    never.set()


@pytest.mark.parametrize(
    ("pieces", "pid"),
    [
        ([(b"", b"noise"), (b"", f"\n{TAG}< 4".encode()), (b"", b"2\n")], 42),
        ([(b"", b"noise")], None),
        ([], None),
    ],
    ids=["in pieces", "never", "nothing"],
)
def test_process_id_of_a_command_that_has_just_begun_is_waited_for(pieces, pid):
    exchange = Exchange(Canned(*pieces), TAG, 1000)
    exchange.hear(Deadline(30))
    assert exchange.pid == pid
