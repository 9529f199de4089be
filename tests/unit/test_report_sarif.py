"""SARIF: valid, complete, known again from run to run, and what GitHub makes of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from lab import judges
from lab.report_sample import (
    HOSTILE,
    MARKUP,
    RUN,
    controls,
    nasty,
    results,
    rich,
    sample,
    targets,
)
from markdown_it import MarkdownIt

from pytest_sysaudit.record import Control, Result, Severity, Verdict
from pytest_sysaudit.reports import document, sarif

MARKDOWN = MarkdownIt("commonmark").enable("table")
ROOT = Control(
    id="ssh.root-login",
    title="Root cannot log in",
    severity=Severity.HIGH,
    frameworks={"cis": ("5.1.20",), "nist-800-53": tuple(f"AC-{n}" for n in range(1, 20))},
    rationale="Guessing.",
    remediation="PermitRootLogin no.",
    source="ssh/test_daemon.py::test_root",
)


def run_of(made, tmp_path, writer=sarif.write):
    """Return the one run of the report of *made*, which every test's report must be valid for."""
    writer(made, tmp_path / "r.sarif")
    log = json.loads((tmp_path / "r.sarif").read_bytes())
    assert judges.sarif(log) == []
    (run,) = log["runs"]
    return run


def single(tmp_path, control=ROOT, writer=sarif.write, parts=None, **more):
    row = {"control": control.id, "check": control.source, "target": "web1", "message": "is yes"}
    made = [Result(**{**row, "verdict": Verdict.FAIL, **more})]
    document_ = document.build(RUN, targets()[:1], [control], made, parts=parts)
    return run_of(document_, tmp_path, writer)


@pytest.mark.parametrize(
    "make",
    [sample, rich, nasty, lambda: document.build(RUN, [], [], [])],
    ids=["sample", "rich", "nasty", "empty"],
)
@pytest.mark.parametrize("writer", [sarif.write, sarif.write_github])
def test_it_is_valid_whatever_the_results_hold(make, writer, tmp_path):
    run_of(make(), tmp_path, writer)


def test_the_judge_judges():
    assert judges.sarif({"version": "2.1.0", "runs": [{"tool": {"driver": {}}}]})
    assert judges.sarif({"version": "2.0.0", "runs": []})


def test_every_row_and_every_gone_one_is_a_result(tmp_path):
    made = rich()
    run = run_of(made, tmp_path)
    kinds = Counter(result["kind"] for result in run["results"])
    verdicts = made["summary"]["verdicts"]
    assert kinds == {
        "pass": verdicts["pass"] + 1,  # of two that are gone, one passed and one failed
        "fail": verdicts["fail"] + verdicts["waived"] + 1,
        "review": verdicts["error"] + verdicts["manual"],
        "notApplicable": verdicts["not_applicable"],
    }


@pytest.mark.parametrize(
    ("verdict", "kind", "level"),
    [
        ("pass", "pass", "none"),
        ("fail", "fail", "error"),
        ("error", "review", "none"),
        ("not_applicable", "notApplicable", "none"),
        ("manual", "review", "none"),
        ("waived", "fail", "error"),
    ],
)
def test_every_verdict_has_kind_and_level(tmp_path, verdict, kind, level):
    (result,) = single(tmp_path, verdict=Verdict(verdict))["results"]
    assert (result["kind"], result["level"]) == (kind, level)
    assert ("suppressions" in result) == (verdict == "waived")
    assert result["properties"]["verdict"] == verdict


@pytest.mark.parametrize(
    ("severity", "level", "score"),
    [
        ("critical", "error", "9.5"),
        ("high", "error", "8.0"),
        ("medium", "warning", "5.5"),
        ("low", "note", "2.0"),
        ("info", "note", None),
    ],
)
def test_severity_is_level_and_score(tmp_path, severity, level, score):
    run = single(tmp_path, replace(ROOT, severity=Severity(severity)))
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["defaultConfiguration"]["level"] == run["results"][0]["level"] == level
    assert rule["properties"].get("security-severity") == score


def test_a_rule_tells_why_and_how(tmp_path):
    (rule,) = single(tmp_path)["tool"]["driver"]["rules"]
    assert rule["id"] == "ssh.root-login"
    assert rule["name"] == "SshRootLogin"
    assert rule["shortDescription"]["text"] == "Root cannot log in"
    assert rule["fullDescription"]["text"] == "Guessing."
    assert rule["help"]["text"] == "Why: Guessing.\n\nFix: PermitRootLogin no."
    assert "## Fix\n\nPermitRootLogin no." in rule["help"]["markdown"]
    assert rule["properties"]["tags"][:3] == ["security", "ssh", "cis:5.1.20"]
    assert len(rule["properties"]["tags"]) == 10  # as many as GitHub keeps
    assert len(rule["properties"]["frameworks"]["nist-800-53"]) == 19


def test_a_result_names_its_rule_by_index(tmp_path):
    run = run_of(rich(), tmp_path)
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])


def test_every_result_has_a_place_in_a_file(tmp_path):
    """GitHub rejects the whole file for one result without."""
    for result in run_of(rich(), tmp_path)["results"] + run_of(nasty(), tmp_path)["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].isascii()
        assert place["region"]["startLine"] == 1
        assert result["message"]["text"]


def test_a_file_is_named_from_the_root_of_the_project(tmp_path):
    found = sample()
    found["run"]["files"] = {"http/test_csp.py": "checks/http/test_csp.py"}
    sarif.write(found, tmp_path / "a")
    (run,) = json.loads((tmp_path / "a").read_text())["runs"]
    places = [
        r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]
    ]
    assert "checks/http/test_csp.py" in places
    assert "http/test_csp.py" not in places


def test_a_place_is_target_and_resource(tmp_path):
    params = {"region": "eu-west-1"}
    (result,) = single(tmp_path, resource="arn:a", params=params)["results"]
    (where,) = result["locations"]
    assert where["physicalLocation"]["artifactLocation"]["uri"] == "ssh/test_daemon.py"
    assert where["logicalLocations"] == [
        {
            "name": "web1",
            "fullyQualifiedName": "web1/region=eu-west-1/arn:a",
            "kind": "ssh target",
        },
        {"name": "arn:a", "kind": "resource"},
    ]
    assert result["message"]["text"].startswith("web1, region=eu-west-1, arn:a: is yes")


@pytest.mark.parametrize(
    ("check", "uri"),
    [
        ("/a b/t\u00fcr.py::test_x", "a%20b/t%C3%BCr.py"),
        ("a/b.py", "a/b.py"),
        ("", "ssh.root-login"),
        ("a?b#c.py::x", "a%3Fb%23c.py"),
    ],
)
def test_the_file_of_a_check_is_a_relative_uri(tmp_path, check, uri):
    (result,) = single(tmp_path, check=check)["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_a_target_that_is_gone_has_no_kind(tmp_path):
    gone = run_of(rich(), tmp_path)["results"][-2:]
    kinds = [result["locations"][0]["logicalLocations"][0]["kind"] for result in gone]
    assert kinds == ["target", "ssh target"]


def test_fingerprints_are_about_the_thing_and_not_the_finding(tmp_path):
    def prints(**more):
        return single(tmp_path, **more)["results"][0]["partialFingerprints"]

    first = prints()
    same = prints(message="other", verdict=Verdict.PASS, check="moved/test_x.py::test_y")
    assert same == first
    for other in ({"target": "web2"}, {"resource": "x"}, {"params": {"a": "b"}}):
        assert prints(**other)["sysaudit/v1"] != first["sysaudit/v1"]
        # with one hash for all, GitHub would make one alert of them
        assert prints(**other)["primaryLocationLineHash"] != first["primaryLocationLineHash"]


def test_no_two_results_have_the_same_fingerprint(tmp_path):
    for make in (rich, nasty):
        prints = [
            result["partialFingerprints"]["primaryLocationLineHash"]
            for result in run_of(make(), tmp_path)["results"]
        ]
        assert len(set(prints)) == len(prints)


def test_a_waiver_is_an_accepted_suppression(tmp_path):
    waiver = {"reason": "soon gone", "approver": "m.weber", "expires": "2027-01-31T00:00:00Z"}
    (result,) = single(tmp_path, verdict=Verdict.WAIVED, waiver=waiver)["results"]
    assert result["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "soon gone",
            "properties": {"approver": "m.weber", "expires": "2027-01-31T00:00:00Z"},
        }
    ]


@pytest.mark.parametrize(
    ("drift", "state"),
    [("new", "new"), ("fixed", "updated"), ("changed", "updated"), ("unchanged", "unchanged")],
)
def test_drift_is_the_baseline_state(tmp_path, drift, state):
    (result, *gone) = single(tmp_path, drift=drift, parts={"drift": rich()["drift"]})["results"]
    assert result["baselineState"] == state
    assert [r["baselineState"] for r in gone] == ["absent", "absent"]


def test_without_a_baseline_no_result_has_a_state(tmp_path):
    assert not any("baselineState" in r for r in run_of(sample(), tmp_path)["results"])


def test_what_was_not_reached_is_told(tmp_path):
    (invocation,) = run_of(sample(), tmp_path)["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [note["message"]["text"] for note in invocation["toolExecutionNotifications"]] == [
        "sandbox was not reached: the credentials have run out",
        "web3 was not reached: 192.0.2.12:22 refused the connection",
    ]
    whole = document.build(RUN, [t for t in targets() if t["reachable"]], controls(), results())
    assert run_of(whole, tmp_path)["invocations"][0]["executionSuccessful"] is True


def test_hostile_text_is_no_link_and_no_markup(tmp_path):
    (result,) = single(tmp_path, message=MARKUP, resource=HOSTILE)["results"]
    assert "\\[d](javascript:alert(1))" in result["message"]["text"]
    assert set(kinds(result["message"]["markdown"])) <= {"text", "code_inline"}
    bad = replace(ROOT, title=MARKUP, rationale=f"{MARKUP}\n\n# x", remediation=HOSTILE)
    (rule,) = single(tmp_path, bad)["tool"]["driver"]["rules"]
    assert set(kinds(rule["help"]["markdown"])) <= {"text", "code_inline", "softbreak"}


def kinds(text):
    """What Markdown makes of *text*: the kinds of its inline parts, and HTML as a whole."""
    for token in MARKDOWN.parse(text):
        if token.type.startswith("html"):
            yield token.type
        yield from (child.type for child in token.children or ())


def test_github_gets_what_needs_work_worst_first(tmp_path):
    made = rich()
    run = run_of(made, tmp_path, sarif.write_github)
    verdicts = [result["properties"]["verdict"] for result in run["results"]]
    assert verdicts == ["fail"] * verdicts.count("fail") + ["error"] * verdicts.count("error")
    assert Counter(verdicts) == {v: made["summary"]["verdicts"][v] for v in ("fail", "error")}
    assert not any("suppressions" in result for result in run["results"])
    order = ["error", "warning", "note"]
    levels = [order.index(r["level"]) for r in run["results"] if r["kind"] == "fail"]
    assert levels == sorted(levels)


def test_github_gets_no_more_than_it_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(sarif, "MOST_ALERTS", 10)
    run = run_of(rich(), tmp_path, sarif.write_github)
    assert len(run["results"]) == 10
    last = run["invocations"][0]["toolExecutionNotifications"][-1]
    assert last["message"]["text"] == "65 results more, the least grave, are left out"


def test_the_same_findings_are_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        sarif.write(rich(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
