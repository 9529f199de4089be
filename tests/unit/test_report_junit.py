"""The JUnit report: valid for Jenkins' schema, countable, the same names on every target."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import junitparser
import pytest
from lab.report_sample import HOSTILE, RUN, controls, nasty, results, rich, sample, targets
from lxml import etree

from pytest_sysaudit.record import Control, Result, Severity, Verdict
from pytest_sysaudit.reports import document, junit

SCHEMA = Path(__file__).parents[1] / "data" / "junit-10.xsd"
WEB1 = {"name": "web1", "kind": "ssh", "groups": ["a", "b"], "identity": {"address": "192.0.2.1"}}
CONTROL = Control(
    id="ssh.root-login",
    title="Root cannot log in",
    severity=Severity.HIGH,
    frameworks={"cis": ("5.1.20", "5.1.21")},
    rationale="Guessing.",
    remediation="PermitRootLogin no.",
)


def tree(made: dict):
    """Every report of these tests goes through the schema."""
    root = etree.fromstring(junit.render(made))
    etree.XMLSchema(file=str(SCHEMA)).assertValid(root)
    return root


def single(**more):
    """Return the test case of one result."""
    known = {"control": CONTROL.id, "check": "ssh/test_daemon.py::test_root", "target": "web1"}
    row = Result(**{**known, "verdict": Verdict.FAIL, **more})
    target = {**WEB1, "reachable": True, "reason": ""}
    return tree(document.build(RUN, [target], [CONTROL], [row])).find(".//testcase")


@pytest.mark.parametrize("make", [sample, rich, nasty, lambda: document.build(RUN, [], [], [])])
def test_it_is_valid_whatever_the_results_hold(make):
    tree(make())


@pytest.mark.parametrize("make", [sample, rich, nasty])
def test_counts_are_those_of_the_document(make):
    made = make()
    root = tree(made)
    verdicts = Counter(row["verdict"] for row in made["results"])
    skipped = verdicts["not_applicable"] + verdicts["manual"] + verdicts["waived"]
    assert root.get("tests") == str(len(made["results"]))
    assert root.get("failures") == str(verdicts["fail"]) == str(len(root.findall(".//failure")))
    assert root.get("errors") == str(verdicts["error"]) == str(len(root.findall(".//error")))
    assert len(root.findall(".//skipped")) == skipped
    for suite in root:
        for attribute, tag in (
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            assert suite.get(attribute) == str(len(suite.findall(f".//{tag}")))
        assert suite.get("tests") == str(len(suite.findall("testcase")))


def test_junitparser_reads_it(tmp_path):
    made = sample()
    junit.write(made, tmp_path / "junit.xml")
    read = junitparser.JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    before = read.tests, read.failures, read.errors
    read.update_statistics()
    assert (read.tests, read.failures, read.errors) == before
    kinds = Counter(
        type(part).__name__ for suite in read for case in suite for part in (case.result or [])
    )
    verdicts = made["summary"]["verdicts"]
    assert kinds["Failure"] == verdicts["fail"]
    assert kinds["Error"] == verdicts["error"]


def test_hostile_text_comes_back_as_it_was():
    made = nasty()
    messages = {row["message"] for row in made["results"]}
    assert all(HOSTILE in message for message in messages)
    failure = tree(made).find(".//failure")
    assert any(failure.text.startswith(message) for message in messages)


def test_every_target_is_a_suite_even_without_results():
    made = document.build(RUN, targets(), controls(), [])
    names = [suite.get("name") for suite in tree(made)]
    assert names == sorted(target["name"] for target in targets())


def test_results_without_a_target_are_the_runs():
    made = document.build(
        RUN, [], [], [Result(control="a", check="", target="", verdict=Verdict.PASS)]
    )
    suite = tree(made)[0]
    assert (suite.get("name"), suite.get("tests")) == ("run", "1")
    assert suite.find("testcase").get("name") == "a"


def test_the_suite_says_who_and_when():
    suite = next(suite for suite in tree(sample()) if suite.get("name") == "web3")
    said = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert said == {
        "run": RUN["id"],
        "operator": "auditor@bastion",
        "kind": "ssh",
        "groups": "prod, web",
        "address": "192.0.2.12",
        "reachable": "no",
        "reason": "192.0.2.12:22 refused the connection",
    }
    assert suite.get("hostname") == "192.0.2.12"
    assert suite.get("timestamp") == "2026-11-23T08:00:04"


@pytest.mark.parametrize(
    ("more", "classname", "name"),
    [
        ({}, "ssh.test_daemon", "test_root[web1]"),
        (
            {"params": {"region": "eu-west-1"}},
            "ssh.test_daemon",
            "test_root[web1, region=eu-west-1]",
        ),
        ({"resource": "/etc/motd"}, "ssh.test_daemon", "test_root[web1, /etc/motd]"),
        ({"check": "a/b/test_c.py::TestD::test_e"}, "a.b.test_c.TestD", "test_e[web1]"),
    ],
)
def test_names_are_stable(more, classname, name):
    case = single(**more)
    assert (case.get("classname"), case.get("name")) == (classname, name)


def test_no_two_cases_have_the_same_identity():
    names = Counter((c.get("classname"), c.get("name")) for c in tree(sample()).iter("testcase"))
    assert max(names.values()) == 1


def test_a_failure_says_expected_observed_why_and_fix():
    case = single(
        message="is yes\nsecond line", expected={"login": "no"}, observed={"login": "yes"}
    )
    failure = case.find("failure")
    assert failure.get("message") == "ssh.root-login (high): is yes"
    assert failure.get("type") == "fail"
    assert failure.text == (
        "is yes\nsecond line\n\nExpected:\nlogin: no\n\nObserved:\nlogin: yes\n\n"
        "Why: Guessing.\n\nFix: PermitRootLogin no."
    )


def test_the_suite_names_the_profile():
    suite = next(suite for suite in tree(rich()) if suite.get("name") == "web1")
    said = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert said["profile"] == "cis-server-1"


def test_gitlab_finds_no_attachment_in_what_a_target_wrote():
    case = single(verdict=Verdict.PASS, observed="[[ATTACHMENT|/etc/passwd]]")
    assert "ATTACHMENT" in case.find("system-out").text
    assert "[[ATTACHMENT|" not in case.find("system-out").text


def test_a_pass_carries_control_and_observed_value():
    case = single(verdict=Verdict.PASS, observed={"login": "no"}, evidence=("e1",))
    assert [child.tag for child in case] == ["system-out"]
    assert case.find("system-out").text.splitlines() == [
        "control: ssh.root-login",
        "title: Root cannot log in",
        "severity: high",
        "verdict: pass",
        "cis: 5.1.20, 5.1.21",
        'observed: {"login": "no"}',
        'evidence: ["e1"]',
    ]


@pytest.mark.parametrize(
    ("verdict", "tag", "more", "message"),
    [
        (Verdict.ERROR, "error", {"message": "timed out"}, "timed out"),
        (Verdict.NOT_APPLICABLE, "skipped", {"message": "no sshd"}, "no sshd"),
        (Verdict.MANUAL, "skipped", {}, "manual"),
        (
            Verdict.WAIVED,
            "skipped",
            {"message": "is yes", "waiver": {"justification": "old", "expires": "2027-01-31"}},
            "waived until 2027-01-31: old; is yes",
        ),
        (Verdict.WAIVED, "skipped", {"waiver": {"a": 1}}, "waived: no reason given; waived"),
    ],
)
def test_every_verdict_has_its_element(verdict, tag, more, message):
    element = single(verdict=verdict, **more)[0]
    assert element.tag == tag
    assert element.get("type") == verdict
    assert element.get("message") == f"ssh.root-login (high): {message}"


def test_very_long_text_is_cut_and_says_so():
    case = single(message="x" * 100_000, observed="y" * 100_000)
    assert "characters more" in case.find("failure").text
    assert len(etree.tostring(case)) < 60_000


def test_the_order_in_which_results_came_leaves_no_trace():
    rows = random.Random(7).sample(results(), len(results()))
    assert junit.render(document.build(RUN, targets(), controls(), rows)) == junit.render(sample())
