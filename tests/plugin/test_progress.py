"""What the terminal shows while an audit runs, on a terminal and in a log."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

import pytest

from pytest_sysaudit.hooks.board import SETTLED, Board
from pytest_sysaudit.record import Result, Verdict

INVENTORY = """\
version: 1
hosts:
  alpha: {connection: local}
  beta: {connection: local}
  gamma: {address: 127.0.0.1, port: 1, connect_timeout: 1}
"""
CHECK = """
@pytest.mark.parametrize("n", range(3))
def test_it(host, n):
    assert n != 1 or host.target.name != "beta"
"""
#: Tells of the targets in turns, as lanes do, whoever runs the checks.
IN_TURNS = """
import pytest

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.callspec.params["n"])
"""
SERIAL = ("--audit-lanes=0",)
LIVE = re.compile(r"\r(\d of 3 targets done[^\r\n]*)")


@pytest.fixture
def estate(project):
    project.inventory(INVENTORY)
    project.check(CHECK)
    return project


@pytest.fixture
def in_turns(estate):
    (estate.path / "conftest.py").write_text(IN_TURNS)
    return estate


def on_a_terminal(project, *arguments, columns=100, kill_at="", **environment):
    """Run pytest on a terminal of its own; return what it wrote there and its exit code.

    Args:
        project: whose checks.
        arguments: of pytest.
        columns: how wide the terminal is.
        kill_at: Ctrl-C is typed when the terminal shows this.
        environment: variables over those of the tests.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, columns))
    usual = {
        name: text for name, text in os.environ.items() if name not in ("CI", "NO_COLOR", "COLUMNS")
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "checks", *arguments],
        cwd=project.path,
        env={**usual, "TERM": "xterm", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            more = os.read(ours, 65536)
        except OSError:  # the terminal's other side is closed
            break
        shown += more
        if kill_at and kill_at in shown.decode(errors="replace"):
            process.send_signal(signal.SIGINT)
            kill_at = ""
    os.close(ours)
    return shown.decode(), process.wait(timeout=60)


def test_one_target_after_the_other_shows_letters(estate):
    result = estate.run(*SERIAL)
    result.stdout.re_match_lines([r"alpha +\.\.\.", r"beta +\.F\.", r"gamma +E"])
    assert "in 0." not in result.stdout.str().partition("= audit =")[0]


def test_a_log_has_a_line_for_each_target_that_is_done(in_turns):
    shown = in_turns.run(*SERIAL).stdout.str().partition("= audit =")[0]
    assert re.search(r"^beta +1 failed, 2 passed in \d+\.\d s$", shown, re.MULTILINE)
    assert re.search(
        r"^gamma +not reached: 127.0.0.1:1 refused .* \(3 checks not assessed\)$",
        shown,
        re.MULTILINE,
    )
    assert "%]" not in shown.partition("beta  ")[2]
    assert "\r" not in shown


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["lanes", "workers"])
def test_several_targets_at_once_are_lines_too(estate, arguments):
    shown = estate.run("--audit-lanes=3", *arguments).stdout.str().partition("= audit =")[0]
    assert re.search(r"^alpha +3 passed in \d+\.\d s$", shown, re.MULTILINE)
    assert re.search(r"^beta +1 failed, 2 passed in \d+\.\d s$", shown, re.MULTILINE)
    assert re.search(r"^gamma +not reached: .* \(3 checks not assessed\)$", shown, re.MULTILINE)


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["lanes", "workers"])
def test_a_terminal_has_one_line_that_changes(estate, arguments):
    shown, code = on_a_terminal(estate, "--audit-lanes=3", *arguments)
    lines = LIVE.findall(shown)
    assert code == 1
    assert lines[-1].split("  ")[0] == "3 of 3 targets done, 1 dead; 9 of 9 checks"
    assert shown.count("targets done") == len(lines)
    assert re.search(r"9 of 9 checks *\r\n", shown), "the line is ended before others write"
    assert "beta    1 failed, 2 passed" in shown.partition("= audit =")[2]


def test_without_colours_there_are_no_codes(estate):
    shown, _ = on_a_terminal(estate, "--audit-lanes=3", NO_COLOR="1")
    assert LIVE.search(shown)
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("arguments", "environment"), [(("-s",), {}), ((), {"TERM": "dumb"})], ids=["-s", "dumb"]
)
def test_where_a_line_cannot_change_there_are_lines_of_a_log(estate, arguments, environment):
    shown, _ = on_a_terminal(estate, "--audit-lanes=3", *arguments, **environment)
    assert not LIVE.search(shown)
    assert re.search(r"alpha +3 passed in", shown)


def test_the_line_fits_a_narrow_terminal(estate):
    shown, _ = on_a_terminal(estate, "--audit-lanes=3", columns=30)
    lines = re.findall(r"\r(\d/3[^\r\n]*)", shown)
    assert lines
    assert all(len(line) < 30 for line in lines)


def test_ctrl_c_ends_the_line(in_turns):
    in_turns.check(CHECK + "    import time; time.sleep(1 if n else 0)\n")
    shown, code = on_a_terminal(in_turns, *SERIAL, kill_at="of 9 checks")
    assert code == 2
    assert re.search(r"of 9 checks[^\r\n]*\r\n", shown)
    assert re.search(r"\r\n[^\r\n]*!!!+ KeyboardInterrupt", shown)


@pytest.mark.parametrize("option", ["-v", "-q"])
def test_other_verbosities_are_pytests_own(in_turns, option):
    shown = in_turns.run(*SERIAL, option).stdout.str().partition("= audit =")[0]
    assert "targets done" not in shown
    assert "passed in" not in shown
    if option == "-v":
        assert len(re.findall(r"test_it\[alpha-\d\] PASSED", shown)) == 3
    else:
        assert re.search(r"^\.\.E", shown, re.MULTILINE)


def test_what_was_begun_is_told_when_the_run_is_ended(in_turns):
    shown = in_turns.run(*SERIAL, "-x").stdout.str().partition("= audit =")[0]
    assert re.search(r"^alpha +1 of 3 checks: 1 passed in", shown, re.MULTILINE)


def test_tests_that_are_no_checks_are_shown_as_pytest_does(in_turns):
    in_turns.check("@pytest.mark.parametrize('n', [0])\ndef test_plain(n): pass\n", "test_plain.py")
    shown = in_turns.run(*SERIAL).stdout.str()
    assert re.search(r"^checks.test_plain.py \.", shown, re.MULTILINE)


def board(checks=4, targets=2):
    places = [(f"{name}{n}", f"t{name}") for name in range(targets) for n in range(checks)]
    return Board(places), [nodeid for nodeid, _ in places]


def result(target, verdict, message=""):
    return Result(control="c", check="c", target=target, verdict=verdict, message=message)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (100, "1 of 2 targets done, 1 running; 6 of 8 checks; 0:10 left"),
        (50, "1 of 2 targets done, 1 running; 6 of 8 checks"),
        (30, "1/2 targets, 6/8 checks"),
        (10, "1/2"),
        (2, "1…"),
    ],
)
def test_the_live_line_says_what_fits(width, expected):
    found, ids = board()
    for nodeid in ids[:6]:
        found.end(nodeid, 0, 1)
    assert found.live_line(width, 30) == expected


def test_the_time_left_is_not_guessed_at_once():
    found, ids = board()
    assert "left" not in found.live_line(100, 60)
    found.end(ids[0], 0, 1)
    assert "left" not in found.live_line(100, SETTLED)
    assert found.live_line(100, 3600).endswith("; 7:00:00 left")


def test_a_check_that_is_run_again_counts_once():
    found, ids = board(checks=1)
    assert found.end(ids[0], 0, 1).name == "t0"
    assert found.end(ids[0], 1, 2) is None
    assert found.done == 1


def test_a_target_is_dead_once():
    found, ids = board()
    for nodeid in ids[:4]:
        found.count(result("t0", Verdict.ERROR, "not assessed: t0: no route to host\nmore"))
        over = found.end(nodeid, 10, 12.5)
    assert found.dead == 1
    assert (
        over.line() == "t0                   not reached: no route to host (4 checks not assessed)"
    )
    assert over.style() == "yellow"


def test_the_line_of_a_target_counts_results_and_takes_from_first_to_last():
    found, ids = board()
    found.count(result("t1", Verdict.FAIL, "x"))
    found.count(result("t1", Verdict.PASS))
    found.count(result("elsewhere", Verdict.PASS))
    for n, nodeid in enumerate(ids[4:]):
        over = found.end(nodeid, 100 + n, 101 + n)
    assert over.line() == "t1                   1 failed, 1 passed in 4.0 s"
    assert over.style() == "red"
