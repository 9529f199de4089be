"""Marks cut streams exactly, whatever comes between them, and in whatever pieces."""

from __future__ import annotations

import shutil
import subprocess
import threading

import pytest

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.transport.shell.marks import Cutter
from pytest_sysaudit.transport.shell.script import START, framed
from pytest_sysaudit.transport.shell.shells import leaves_something
from pytest_sysaudit.transport.ssh.deadline import within

MARK = b"0123456789abcdef"
LOGIN_SHELLS = [
    name for name in ("dash", "bash", "fish", "tcsh", "mksh", "zsh") if shutil.which(name)
]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"noise" + MARK + b"R12\n", [(b"noise", b"R12")]),
        (MARK + b"0\n", [(b"", b"0")]),
        (b"a\n" + MARK + b"0\nb" + MARK + b"137\n", [(b"a\n", b"0"), (b"b", b"137")]),
        (MARK[:9] + MARK + b"\n", [(MARK[:9], b"")]),
        (b"err" + MARK + b"K 5 6\nor" + MARK + b"\n", [(b"", b"K 5 6"), (b"error", b"")]),
        (b"no end" + MARK + b"0", []),
    ],
    ids=["noise", "empty", "two", "half a mark before it", "doorman in between", "no newline"],
)
def test_streams_are_cut_at_their_marks(stream, expected, size):
    cutter = Cutter(MARK, 1000)
    found = []
    for at in range(0, len(stream), size):
        found += cutter.feed(stream[at : at + size])
    assert found == expected


def test_what_is_too_much_is_counted_and_not_kept():
    cutter = Cutter(MARK, 10)
    cutter.feed(b"x" * 500)
    assert cutter.size > 400
    assert cutter.feed(MARK + b"0\n") == [(b"x" * 10, b"0")]
    assert cutter.size == 0


@pytest.mark.parametrize("shell", LOGIN_SHELLS)
def test_the_first_line_means_the_same_to_every_login_shell(shell):
    text = b"echo \"it's $0\" '`\\' && exit 5\n"
    done = subprocess.run([shell, "-c", START], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (5, b"it's /bin/sh `\\")


def test_commands_that_cannot_be_sent():
    for command in ([], ["a\0"], "a\0b"):
        with pytest.raises(ValueError, match="not a command"):
            framed(command, b"")
    with pytest.raises(CannotAssess, match="too long to be sent"):
        framed(["echo", "é" * 70_000], b"")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("sleep 5 &", True),
        ("(a &) ; b", True),
        (["sh", "-c", "daemon & wait"], True),
        ("a && b || c >&2 2>&1 <&3 &>x", False),
        (["grep", "-r", "x", "/etc"], False),
    ],
)
def test_commands_that_may_leave_something(command, expected):
    assert leaves_something(command) is expected


def test_within():
    assert within(5, lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    never = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.05, never.wait)
    never.set()
