"""The terminal summary, as it looks in 80 columns."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from lab.report_sample import NASTY, RUN, controls, nasty, results, sample, targets

from pytest_sysaudit.record import Control, Result, Severity, Verdict
from pytest_sysaudit.reports import document
from pytest_sysaudit.reports.columns import fit, listing, one_line, width_of
from pytest_sysaudit.reports.summary import lines

ROOT = Control(id="ssh.root-login", title="t", severity=Severity.HIGH)
DISK = Control(id="health.disk-space", title="t", severity=Severity.MEDIUM)
TIME = Control(id="linux.ntp", title="t", severity=Severity.LOW)


def web(*numbers: int, reason: str = "") -> list[dict]:
    common = {"kind": "ssh", "groups": [], "identity": {}, "reason": reason}
    return [{**common, "name": f"web{n}", "reachable": not reason} for n in numbers]


def row(
    target: str, control: Control, verdict: str, message: str = "", resource: str = ""
) -> Result:
    return Result(
        control=control.id,
        check="a.py::t",
        target=target,
        verdict=Verdict(verdict),
        message=message,
        resource=resource,
    )


def shown(on: list[dict], rows: list[Result], **options) -> str:
    made = document.build(RUN, on, [ROOT, DISK, TIME], rows)
    return "\n" + "\n".join(text for text, _ in lines(made, **options)) + "\n"


def test_a_target_lists_what_failed_and_what_is_not_known():
    rows = [
        row("web1", ROOT, "fail", "permitrootlogin is yes, expected no"),
        row("web1", DISK, "error", "df: timed out after 30 s"),
        row("web1", TIME, "pass"),
        *(row("web2", control, "pass") for control in (ROOT, DISK, TIME)),
    ]
    assert (
        shown(web(1, 2), rows)
        == """
web1   1 failed, 1 not assessed, 1 passed
  F high     ssh.root-login     permitrootlogin is yes, expected no
  E medium   health.disk-space  df: timed out after 30 s
nothing failed on 1 target: web2
gate broken: fail: 1 found, 0 allowed
2 targets: 1 failed, 1 not assessed, 4 passed
"""
    )


def test_a_dead_target_is_one_line():
    rows = [row("web3", c, "error", "not assessed: refused") for c in (ROOT, DISK, TIME)]
    rows.append(row("web1", ROOT, "pass"))
    on = [*web(1), *web(3, reason="192.0.2.3:22 refused the connection")]
    assert (
        shown(on, rows)
        == """
nothing failed on 1 target: web1
web3   not reached: 192.0.2.3:22 refused the connection (3 checks not assessed)
gate broken: error (not assessed): 3 found, 0 allowed
2 targets: 3 not assessed, 1 passed
"""
    )


def test_the_same_finding_on_several_targets_is_told_once():
    rows = [row(f"web{n}", ROOT, "fail", "is yes") for n in range(1, 5)]
    rows.append(row("web2", DISK, "fail", "/ is 97 % full"))
    assert (
        shown(web(1, 2, 3, 4), rows)
        == """
On several targets
  F high     ssh.root-login     is yes
    on 4 targets: web1, web2, web3, web4
web1   1 failed
web2   2 failed
  F medium   health.disk-space  / is 97 % full
web3   1 failed
web4   1 failed
gate broken: fail: 5 found, 0 allowed
4 targets: 5 failed
"""
    )


def test_one_cause_that_hides_several_controls_is_told_once():
    rows = [row("web1", c, "error", "sudo: a password is required") for c in (ROOT, DISK, TIME)]
    assert (
        shown(web(1), rows)
        == """
web1   3 not assessed
  E high     3 controls  sudo: a password is required
gate broken: error (not assessed): 3 found, 0 allowed
1 target: 3 not assessed
"""
    )


def test_resources_of_a_control_share_a_line():
    rows = [row("web1", DISK, "fail", "97 % full", path) for path in ("/", "/var", "/srv")]
    rows += [row("web1", DISK, "fail", "3 of 4 resources fail:\n/: 97 % full")]
    rows += [row("web1", DISK, "pass", resource="/tmp"), row("web1", ROOT, "fail", "is yes", "::1")]
    assert (
        shown(web(1), rows)
        == """
web1   5 failed, 1 passed
  F high     ssh.root-login     is yes (::1)
  F medium   health.disk-space  97 % full (3 resources: /)
gate broken: fail: 5 found, 0 allowed
1 target: 5 failed, 1 passed
"""
    )


def test_verbose_shows_manual_waived_and_clean_targets_too():
    rows = [
        row("web1", ROOT, "waived", "is yes"),
        row("web1", DISK, "manual", "nobody has attested this control"),
        row("web2", TIME, "pass"),
    ]
    assert (
        shown(web(1, 2), rows, verbose=1)
        == """
web1   1 manual, 1 waived
  m medium   health.disk-space  nobody has attested this control
  w high     ssh.root-login     is yes
web2   1 passed
2 targets: 1 manual, 1 waived, 1 passed
"""
    )
    assert "ssh.root-login" not in shown(web(1, 2), rows)


def test_results_without_a_target_are_the_runs():
    assert "\nrun   1 failed\n  F high" in shown([], [row("", ROOT, "fail", "is yes")])


def test_no_results_is_said():
    broken = "gate broken: nothing was judged: the run has no result"
    assert shown([], []) == f"\n{broken}\n0 targets: no results\n"


def test_many_findings_are_cut_unless_all_are_asked_for():
    many = [Control(id=f"c{n:02d}", title="t") for n in range(15)]
    rows = [row("web1", control, "fail", f"no {control.id}") for control in many]
    made = document.build(RUN, web(1), many, rows)
    short = [text for text, _ in lines(made)]
    assert short[11] == "  and 5 more findings (-v shows all)"
    assert len(lines(made, verbose=1)) == len(short) + 4


def test_many_targets_are_cut_and_the_worst_stay():
    on = [*web(*range(100, 140)), *web(*range(200, 240), reason="refused")]
    rows = [row(t["name"], ROOT, "fail" if t["reachable"] else "error", t["name"]) for t in on]
    rows.append(row("web139", DISK, "fail", "full"))
    text = shown(on, rows)
    assert "web139   2 failed\n" in text
    assert "and 10 more targets with findings (-v shows all)\n" in text
    assert "and 10 more targets not reached (-v shows all)\n" in text
    assert "more" not in shown(on, rows, verbose=1)


@pytest.mark.parametrize(
    ("verdict", "style"), [("fail", "red"), ("error", "yellow"), ("pass", "green")]
)
def test_colours_say_the_same_as_the_words(verdict, style):
    made = document.build(RUN, web(1), [ROOT], [row("web1", ROOT, verdict, "x")])
    assert lines(made)[0][1] == lines(made)[-1][1] == style


def test_a_reason_keeps_its_way_out_and_targets_without_a_check_are_named():
    reason = "192.0.2.3:22 did not answer within 5 s (connect_timeout); " + "look there " * 10
    targets = [*web(3, reason=f"web3: {reason}".strip()), *web(9)]
    text = shown(targets, [row("web3", TIME, "error", "not assessed")])
    assert f"web3   not reached: {reason.strip()} (1 check not assessed)\n" in text
    assert "no check ran on 1 target: web9\n" in text
    assert "\n1 target: 1 not assessed" in text


@pytest.mark.parametrize("make", [sample, nasty])
@pytest.mark.parametrize("verbose", [0, 1])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_too_wide_or_holds_what_a_terminal_obeys(make, verbose, width):
    for text, style in lines(make(), width, verbose)[:-2]:
        assert width_of(text) <= (400 if "   not reached: " in text else width)
        assert text.isprintable()
        assert style in {"", "bold", "red", "yellow", "green"}


def test_the_order_in_which_results_came_leaves_no_trace():
    chance = random.Random(3)
    rows = chance.sample(results(), len(results()))
    assert lines(document.build(RUN, targets(), controls(), rows)) == lines(sample())


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("short", 5, "short"),
        ("too long", 5, "too…"),
        ("toolong", 5, "tool…"),
        ("漢字漢字", 5, "漢字…"),
        ("漢字漢字", 8, "漢字漢字"),
        ("e\u0301" * 4, 4, "e\u0301" * 4),
        ("two\nlines\tof  text", 80, "two lines of text"),
        ("a\u202eb\u200bc", 80, "a\\u202eb\\u200bc"),
        ("x", 0, ""),
        ("", 3, ""),
    ],
)
def test_fit(text, width, expected):
    assert fit(text, width) == expected
    assert width_of(fit(text, width)) <= width


def cases(verdict, *messages):
    rows = [row("web1", ROOT, verdict, message) for message in messages]
    return [replace(one, params={"n": number}) for number, one in enumerate(rows)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (cases("fail", "x is wrong"), "x is wrong\n"),
        (cases("fail", "x is wrong", "x is wrong"), "x is wrong (2 cases: n=0)\n"),
        (cases("fail", "x is wrong", "y is", "z is"), "x is wrong (3 cases: n=0)\n"),
        (cases("error", "x", "y"), "x (2 cases: n=0)\n"),
        (cases("error", "the run ended", "the run ended"), "the run ended\n"),
    ],
)
def test_a_line_for_several_parameters_says_how_many_they_are(rows, expected):
    assert expected in shown(web(1), rows)


def test_one_line_leaves_nothing_that_a_terminal_obeys():
    assert one_line(NASTY).isprintable()


@pytest.mark.parametrize(
    ("names", "width", "expected"),
    [
        ([], 10, ""),
        (["a", "b"], 10, "a, b"),
        (["alpha", "beta", "gamma"], 18, "alpha, beta, gamma"),
        (["alpha", "beta", "gamma"], 17, "alpha and 2 more"),
        (["alphabetical", "beta"], 16, "alph… and 1 more"),
    ],
)
def test_listing(names, width, expected):
    assert listing(names, width) == expected
