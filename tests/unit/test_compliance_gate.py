"""Gates: read from files and expressions, judged from a document."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sysaudit.compliance.gate import NAMES, Gate, default_gate
from pytest_sysaudit.compliance.gate_read import is_path, parse_gate, read_gate
from pytest_sysaudit.compliance.load import GateText, load
from pytest_sysaudit.errors import ComplianceError
from pytest_sysaudit.inventory.yaml import parse

LEVELS = ("critical", "high", "medium", "low", "info")


def document(*verdicts, **parts):
    """Return a document with results as ``fail.high`` or ``fail.high new``."""
    rows = []
    for text in verdicts:
        name, _, drift = text.partition(" ")
        verdict, _, level = name.partition(".")
        rows.append({"control": level or "medium", "verdict": verdict, "drift": drift or None})
    controls = [{"id": level, "severity": level} for level in LEVELS]
    return {"controls": controls, "results": rows, **parts}


def judged(expression, found):
    gate, problems = parse_gate(expression, "--audit-gate")
    assert problems == []
    return gate.judge(found)


@pytest.mark.parametrize(
    ("expression", "verdicts", "breach"),
    [
        ("fail=0", ["pass"], ""),
        ("fail=0", ["fail"], "fail: 1 found, 0 allowed"),
        ("fail=1", ["fail"], ""),
        ("fail<=1", ["fail", "fail"], "fail: 2 found, 1 allowed"),
        ("fail.critical=0, fail.medium <= 1", ["fail.medium", "fail.low"], ""),
        ("fail.critical=0", ["fail.critical"], "fail.critical: 1 found, 0 allowed"),
        ("fail.high=0", ["fail.high", "fail.high"], "fail.high: 2 found, 0 allowed"),
        ("fail.high=0", ["error"], "error (not assessed): 1 found, 0 allowed"),
        ("error=5", ["fail"], "fail: 1 found, 0 allowed"),
        ("fail=any,error=any", ["fail", "error.critical"], ""),
        ("waived=0", ["waived"], "waived: 1 found, 0 allowed"),
        ("manual.high=0", ["manual.low"], ""),
        ("not_applicable=1", ["not_applicable"] * 2, "not_applicable: 2 found, 1 allowed"),
        ("compliance>=50,fail=9", ["pass", "fail"], ""),
        ("compliance>=51,fail=9", ["pass", "fail"], "compliance: 50 % found, at least 51 % wanted"),
        ("compliance>=50", ["not_applicable"], "compliance: 0 % found, at least 50 % wanted"),
        ("compliance>=50", ["pass", "manual", "waived"], "compliance: 33 % found, at least 50 %"),
        ("only_new", ["fail unchanged", "fail changed"], ""),
        ("only_new", ["error unchanged"], "error (not assessed): 1 found, 0 allowed"),
        ("only_new", ["fail new"], "new fail: 1 found, 0 allowed"),
        ("only_new,fail.low=1", ["fail.low new", "fail.info new"], ""),
        ("only_new,fail.low=1", ["fail.high new"], "new fail.high: 1 found, 0 allowed"),
        ("fail.low=5", ["fail.critical"], "fail.critical: 1 found, 0 allowed"),
        ("fail.critical=0,fail.low=5", ["fail.high"], "fail.high: 1 found, 0 allowed"),
        ("fail.high=any", ["fail.high", "fail.info"], ""),
        ("fail.high=any", ["fail.critical"], "fail.critical: 1 found, 0 allowed"),
        ("fail.high=any,fail.low=0", ["fail.high"], ""),
        ("error.low=any", ["error.medium"], "error.medium: 1 found, 0 allowed"),
        ("fail.low=5,fail=9", ["fail.critical"], ""),
        ("only_new,error=1", ["error new"], ""),
        ("only_new,waived=0", ["waived unchanged"], "waived: 1 found, 0 allowed"),
    ],
)
def test_expressions(expression, verdicts, breach):
    judgement = judged(expression, document(*verdicts))
    assert judgement.is_broken == bool(breach)
    assert (judgement.broken[0].breach if judgement.broken else "").startswith(breach)


def test_a_gate_without_a_limit_says_so():
    assert judged("fail=any,error=any", document("fail")).to_plain()["rule"] == "no limit"


@pytest.mark.parametrize("key", ["compliance", "waivers", "attestations", "fail", "only_new"])
def test_a_key_with_nothing_behind_it_is_a_mistake(key):
    (problem,) = read_gate(parse(f"version: 1\n{key}:\n".encode(), "gate.yaml"))[1]
    assert str(problem).startswith("gate.yaml:2:")
    assert "found nothing" in str(problem)


def test_a_severity_that_is_not_named_and_not_graver_has_no_limit():
    assert not judged("fail.critical=0", document(*(["fail.info"] * 9))).is_broken


def test_states_of_waivers_and_attestations():
    states = [("expired", False), ("unknown target", True), ("unknown control", False)]
    states += [("used", True), ("unused", False), ("not needed", False)]
    waivers = [{"state": state, "expiring": soon} for state, soon in states]
    answers = [{"state": state, "expiring": False} for state in ("evidence changed", "not manual")]
    found = document("pass", waivers=waivers, attestations=answers)
    expected = {"expired": 1, "unknown": 2, "unused": 1, "not_needed": 1, "expiring": 2}
    for name, count in expected.items():
        assert judged(f"waivers.{name}={count}", found).is_broken is False
        broken = judged(f"waivers.{name}={count - 1}", found)
        assert broken.to_plain()["rule"] == f"waivers.{name}: {count} found, {count - 1} allowed"
    for name, count in {"changed": 1, "not_manual": 1, "expired": 0, "unused": 0}.items():
        assert judged(f"attestations.{name}={count}", found).is_broken is False
    assert judged("attestations.changed=0", found).is_broken


@pytest.mark.parametrize(
    ("expression", "verdicts", "unassessed"),
    [
        ("fail=0", ["error"], True),
        ("fail=0", ["error", "fail"], False),
        ("fail=1", ["error", "fail"], True),
        ("error.high=0", ["error.high"], True),
        ("waived=0", ["waived"], False),
        ("waived=0", ["waived", "error"], False),
    ],
)
def test_what_could_not_be_assessed_alone_is_told_apart(expression, verdicts, unassessed):
    assert judged(expression, document(*verdicts)).only_unassessed is unassessed


def test_what_is_beyond_the_results_breaks_any_gate():
    judgement = parse_gate("fail=any", "")[0].judge(document("pass"), beyond="other tests")
    assert judgement.is_broken
    assert not judgement.only_unassessed
    assert judgement.to_plain()["rule"] == "other tests"


def test_the_default_gate_in_the_document():
    assert default_gate().judge(document("pass")).to_plain() == {
        "broken": False,
        "rule": "fail: 0, error: 0",
        "source": "default",
        "rules": [
            {"rule": "fail: 0", "limit": 0, "found": 0, "holds": True},
            {"rule": "error: 0", "limit": 0, "found": 0, "holds": True},
        ],
    }


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("fail.critcal=0", "unknown rule 'fail.critcal'. Did you mean 'fail.critical'?"),
        ("failed=0", "unknown rule 'failed'. Did you mean 'fail'?"),
        ("only-new", "expected a rule as 'fail.critical=0' or 'only_new', found 'only-new'"),
        ("onlynew", "unknown rule 'onlynew'. Did you mean 'only_new'?"),
        ("fail", "'fail': expected a limit. Write fail<=0"),
        ("fail>=3", "Write fail<=3"),
        ("fail<3", "Write fail<=3"),
        ("compliance<=90", "Write compliance>=90"),
        ("compliance=90", "Write compliance>=90"),
        ("compliance>=101", "expected at most 100, in percent"),
        ("fail=0,fail=1", "'fail' is limited twice"),
        ("fail=0,", "a rule is empty; write 'fail=0,error=0'"),
        ("", "a rule is empty"),
        ("fail=-1", "expected a rule"),
        ("fail=zero", "expected a rule"),
        ("pass=0", "unknown rule 'pass'"),
    ],
)
def test_wrong_expressions_say_the_way_out(expression, said):
    _, problems = parse_gate(expression, "--audit-gate")
    assert said in str(problems[0])
    assert str(problems[0]).startswith("--audit-gate: ")


def test_all_that_is_wrong_with_an_expression_is_told_at_once():
    assert len(parse_gate("fial=0,eror=0,wavied=0", "x")[1]) == 3


FILE = """\
version: 1
fail: {critical: 0, high: 0, medium: 5, total: 20}
error: 3
waived: any
manual: {high: 0}
waivers: {expired: 0, unknown: 1}
attestations: {changed: 0}
compliance: {min: 80}
only_new: true
"""


def test_a_gate_file():
    gate, problems = read_gate(parse(FILE.encode(), "gate.yaml"))
    assert problems == []
    assert gate == Gate(
        "gate.yaml",
        {
            "fail": 20, "fail.critical": 0, "fail.high": 0, "fail.medium": 5, "error": 3,
            "manual.high": 0, "waivers.expired": 0, "waivers.unknown": 1,
            "attestations.changed": 0, "compliance": 80,
        },
        only_new=True,
    )  # fmt: skip
    assert set(gate.limits) <= set(NAMES)


def test_a_file_says_the_same_as_an_expression():
    text = b"version: 1\nfail: {high: 1}\nonly_new: true\n"
    from_file = read_gate(parse(text, "g.yaml"))[0]
    assert from_file.limits == parse_gate("fail.high=1,only_new", "")[0].limits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "g.yaml: is empty; a gate file begins with 'version: 1'"),
        ("version: 1\nfial: 0", "g.yaml:2:1: unknown key 'fial'. Did you mean 'fail'?"),
        ("version: 1\nfail: {hgih: 0}", "g.yaml:2:8: fail: unknown key 'hgih'. Did you mean 'hi"),
        (
            "version: 1\nfail: -1",
            "fail: expected a number, or numbers by severity, or any, found -",
        ),
        ("version: 1\nfail: true", "expected a number, or numbers by severity, or any, found true"),
        ("version: 1\nfail:", "found nothing"),
        ("version: 1\nerror: {high: 1.5}", "error.high: expected a number, or any, found 1.5"),
        ("version: 1\nwaivers: 0", "waivers: expected a number for some of expired, unknown, un"),
        ("version: 1\nwaivers: {late: 0}", "unknown key 'late'"),
        ("version: 1\ncompliance: 80", "expected a least, found 80. Write {min: 80}"),
        ("version: 1\ncompliance: {min: 120}", "expected a whole number from 0 to 100"),
        ("version: 1\nonly_new: 1", "only_new: expected true or false, found 1"),
        ("version: 2", "version: expected 1, found 2"),
        ("fail: 0", "missing key 'version'"),
        ("version: 1\nfail: 0\nfail: 1", "g.yaml:3:1: duplicate key 'fail', first on line 2"),
    ],
)
def test_wrong_files_say_place_and_way_out(text, said):
    _, problems = read_gate(parse(text.encode(), "g.yaml"))
    assert any(said in str(problem) for problem in problems), list(map(str, problems))


def test_a_path_is_told_from_an_expression(tmp_path):
    (tmp_path / "fail=0").write_text("")
    for text in ("gate.yaml", "x.yml", "./gate", "fail=0"):
        assert is_path(text, tmp_path)
    assert not is_path("fail=0,only_new", tmp_path)
    assert not is_path("fail=0", Path("/"))


def test_only_new_needs_a_baseline():
    with pytest.raises(ComplianceError, match=r"only_new needs .*: --audit-baseline results\.json"):
        load(gate=GateText("only_new", Path()))


def test_the_mistakes_of_all_files_are_told_at_once(tmp_path):
    (tmp_path / "w.yaml").write_text("version: 1\nwaivers: [{controll: a}]\n")
    (tmp_path / "a.yaml").write_text("version: 1\n")
    with pytest.raises(ComplianceError) as caught:
        load(
            [tmp_path / "w.yaml", tmp_path / "none.yaml"],
            [tmp_path / "a.yaml"],
            tmp_path / "results.json",
            GateText("fial=0", tmp_path),
        )
    text = str(caught.value)
    for said in ("'controll'", "none.yaml: no such file", "'attestations'", "results.json", "fial"):
        assert said in text
