"""The XCCDF report: valid, accepted by oscap with its schematron rules, and rendered by it."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from lab import scap
from lab.report_sample import HOSTILE, RUN, controls, nasty, results, rich, sample, targets
from lxml import etree

from pytest_sysaudit.record import Control, Result, Severity, Verdict
from pytest_sysaudit.reports import document, xccdf
from pytest_sysaudit.reports.status import STATUSES
from pytest_sysaudit.reports.xccdf_names import AUTHORITY, time_of, xccdf_id

NS = {"x": xccdf.NAMESPACE}
WEB1 = {"name": "web1", "kind": "ssh", "groups": ["a", "b"], "identity": {"address": "192.0.2.1"}}
CONTROL = Control(
    id="ssh.root-login",
    title="Root cannot log in",
    severity=Severity.CRITICAL,
    frameworks={"cis": ("5.1.20", "5.1.21"), "cci": ("CCI-000770",)},
    rationale="Guessing.",
    remediation="PermitRootLogin no.",
    source="ssh/test_daemon.py::test_root",
)
WAIVER = {
    "by": "waivers.yaml",
    "reason": "replaced next month",
    "approver": "m.weber",
    "ticket": "SEC-114",
    "expires": "2026-12-01T00:00:00Z",
    "place": "waivers.yaml:12",
}
needs_oscap = pytest.mark.skipif(bool(scap.NO_OSCAP), reason=scap.NO_OSCAP or "")


def row(verdict=Verdict.FAIL, **more) -> Result:
    known = {"control": CONTROL.id, "check": CONTROL.source, "target": "web1", "verdict": verdict}
    known |= {"waiver": WAIVER} if verdict is Verdict.WAIVED else {}
    return Result(**{**known, **more})


def made(*rows: Result, on=(WEB1,), of=(CONTROL,), run=RUN) -> dict:
    systems = [{"reachable": True, "reason": "", **target} for target in on]
    return document.build(run, systems, list(of), rows)


def tree(built: dict):
    """Every report of these tests goes through the schema, where it is installed."""
    root = etree.fromstring(xccdf.render(built))
    if not scap.NO_OSCAP:
        scap.schema().assertValid(root)
    return root


def texts(root, path: str) -> list[str]:
    return [element.text for element in root.iterfind(path, NS)]


def complete(root):
    """Return the TestResults that hold all rows of their target."""
    return [r for r in root.iterfind("x:TestResult", NS) if r.find(".//x:override", NS) is None]


def single(*rows: Result):
    """Return the rule-result of the only row."""
    (found,) = complete(tree(made(*rows)))[0].iterfind("x:rule-result", NS)
    return found


@needs_oscap
@pytest.mark.parametrize("make", [sample, rich, nasty, lambda: document.build({}, [], [], [])])
def test_oscap_validates_it_whatever_the_results_hold(make, tmp_path):
    xccdf.write(make(), tmp_path / "r.xml")
    tree(make())
    done = scap.oscap("validate", tmp_path / "r.xml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Error" not in done.stdout


@needs_oscap
def test_oscap_refuses_what_is_not_valid(tmp_path):
    (tmp_path / "r.xml").write_bytes(
        xccdf.render(sample()).replace(b"<result>pass<", b"<result>waived<")
    )
    assert scap.oscap("validate", tmp_path / "r.xml").returncode != 0


@needs_oscap
@pytest.mark.parametrize("name", ["web1", "shop", "web3"])
def test_oscap_renders_the_result_of_a_target(name, tmp_path):
    built = rich()
    rows = [r for r in built["results"] if r["target"] == name]
    one = {
        **built,
        "targets": [t for t in built["targets"] if t["name"] == name],
        "controls": [c for c in built["controls"] if any(c["id"] == r["control"] for r in rows)],
        "results": rows,
    }
    html = rendered(one, tmp_path)
    assert f"<th>Evaluation target</th><td>{name}</td>" in html
    for control in one["controls"]:
        assert control["title"] in html
    assert html.count('class="rule-overview-leaf') == len(rows)
    assert HOSTILE not in html


def rendered(built: dict, folder: Path) -> str:
    xccdf.write(built, folder / "r.xml")
    done = scap.oscap("generate", "report", "--output", folder / "r.html", folder / "r.xml")
    assert (done.returncode, done.stderr) == (0, "")
    return (folder / "r.html").read_text()


@needs_oscap
def test_the_page_of_one_of_several_results_is_made_with_oscaps_own_stylesheet():
    page = etree.XSLT(etree.parse(str(scap.STYLESHEET)))
    root = tree(made(row(Verdict.WAIVED), row(Verdict.PASS, resource="b")))
    accepted = etree.XSLT.strparam(xccdf_id("testresult", "web1 (accepted)"))
    html = str(page(root, testresult_id=accepted))
    assert "This rule has been waived by <strong>m.weber</strong>" in html
    assert "replaced next month" in html
    web1 = etree.XSLT.strparam(xccdf_id("testresult", "web1"))
    assert "<td>web1</td>" in str(page(tree(rich()), testresult_id=web1))


@needs_oscap
def test_oscap_renders_the_complete_result_if_none_is_named(tmp_path):
    html = rendered(made(row(Verdict.WAIVED), row(Verdict.PASS, resource="b")), tmp_path)
    assert "waived by" not in html
    assert html.count('class="rule-overview-leaf') == 2


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict(verdict):
    found = single(row(verdict))
    assert found.find("x:result", NS).text == STATUSES[verdict].xccdf


@pytest.mark.parametrize(
    ("severity", "word"),
    [
        (Severity.INFO, "info"),
        (Severity.LOW, "low"),
        (Severity.MEDIUM, "medium"),
        (Severity.HIGH, "high"),
        (Severity.CRITICAL, "high"),
    ],
)
def test_every_severity(severity, word):
    root = tree(made(row(), of=[Control(id=CONTROL.id, title="t", severity=severity)]))
    assert root.find(".//x:Rule", NS).get("severity") == word
    assert root.find(".//x:rule-result", NS).get("severity") == word


@pytest.mark.parametrize("make", [sample, rich, nasty])
def test_every_row_is_a_rule_result_of_its_target(make):
    built = make()
    results_of = complete(tree(built))
    found = [len(list(r.iterfind("x:rule-result", NS))) for r in results_of]
    names = sorted({t["name"] for t in built["targets"]} | {r["target"] for r in built["results"]})
    counts = Counter(r["target"] for r in built["results"])
    assert texts_of_targets(results_of) == [name or "run" for name in names]
    assert found == [counts[name] for name in names]


def texts_of_targets(results_of) -> list[str]:
    return [r.find("x:target", NS).text for r in results_of]


def test_a_rule_says_what_is_known_of_the_control():
    rule = tree(made(row())).find(".//x:Rule", NS)
    assert rule.get("id") == f"xccdf_{AUTHORITY}_rule_ssh.root-login"
    assert {child.tag.partition("}")[2]: child.text for child in rule} == {
        "title": "Root cannot log in",
        "description": "Root cannot log in (critical)",
        "reference": "5.1.21",
        "rationale": "Guessing.",
        "ident": "CCI-000770",
        "fixtext": "PermitRootLogin no.",
        "check": rule.find("x:check", NS).text,
    }
    assert [(r.get("href"), r.text) for r in rule.iterfind("x:reference", NS)] == [
        ("urn:pytest-sysaudit:framework:cci", "CCI-000770"),
        ("urn:pytest-sysaudit:framework:cis", "5.1.20"),
        ("urn:pytest-sysaudit:framework:cis", "5.1.21"),
    ]
    place = rule.find("x:check/x:check-content-ref", NS)
    assert (place.get("href"), place.get("name")) == ("ssh/test_daemon.py", "test_root")


def test_rules_stand_in_the_group_of_their_family():
    groups = tree(made(row(), of=controls())).iterfind("x:Group", NS)
    families = {g.find("x:title", NS).text: len(g.findall("x:Rule", NS)) for g in groups}
    assert families == Counter([c.id.partition(".")[0] for c in controls()] + ["ssh"]) - Counter(
        ["ssh"]
    )


def test_only_what_has_several_rows_on_a_target_is_multiple():
    root = tree(sample())
    several = [r.get("id") for r in root.iterfind(".//x:Rule", NS) if r.get("multiple")]
    assert several == [xccdf_id("rule", "aws.s3-public")]


def test_resources_and_parameters_are_instances():
    found = single(row(resource="/etc/motd", params={"region": "eu", "resource": "x"}))
    assert [(i.get("context"), i.text) for i in found.iterfind("x:instance", NS)] == [
        ("resource", "/etc/motd"),
        ("parameter region", "eu"),
        ("parameter resource", "x"),
    ]


def test_a_row_says_message_expected_observed_and_evidence():
    found = single(
        row(
            message="is yes",
            expected={"login": "no"},
            observed={"login": "yes"},
            evidence=("e1", "e2"),
            drift="new",
        )
    )
    assert [(m.get("severity"), m.text) for m in found.iterfind("x:message", NS)] == [
        ("error", "is yes"),
        ("info", "expected: login: no"),
        ("info", "observed: login: yes"),
        ("info", "drift: new"),
        ("info", "evidence: e1, e2"),
    ]


def test_a_waived_failure_stands_twice_with_its_raw_result():
    first, second = tree(made(row(Verdict.WAIVED), row(Verdict.PASS, resource="b"))).iterfind(
        "x:TestResult", NS
    )
    (overridden,) = first.iterfind("x:rule-result", NS)
    assert texts(second, "x:rule-result/x:result") == ["fail", "pass"]
    override = overridden.find("x:override", NS)
    assert (override.get("authority"), override.get("time")) == ("m.weber", RUN["started"])
    remark = (
        "accepted until 2026-12-01T00:00:00Z, by m.weber, ticket SEC-114, place waivers.yaml:12: "
        "replaced next month"
    )
    assert [child.text for child in override] == ["fail", "fail", remark]
    assert remark in texts(second, "x:rule-result/x:message")


@pytest.mark.parametrize(
    ("waiver", "authority", "remark"),
    [
        (None, "not named", "accepted: no reason given"),
        ({"justification": "old"}, "not named", "accepted: old"),
    ],
)
def test_a_waiver_of_an_older_json_report(waiver, authority, remark):
    root = tree(made(row(Verdict.WAIVED, waiver=waiver)))
    override = root.find(".//x:override", NS)
    assert (override.get("authority"), override.find("x:remark", NS).text) == (authority, remark)


@pytest.mark.parametrize(
    ("verdicts", "default", "flat"),
    [
        ({"a.1": "pass", "a.2": "fail", "b.1": "pass"}, "75.0000", ("2", "3")),
        ({"a.1": "pass", "a.2": "error"}, "50.0000", ("1", "2")),
        ({"a.1": "waived", "a.2": "not_applicable", "a.3": "manual"}, "0.0000", ("0", "1")),
        ({"a.1": "pass", "a.2": "not_applicable"}, "100.0000", ("1", "1")),
        ({}, "0.0000", ("0", "0")),
    ],
)
def test_scores(verdicts, default, flat):
    rows = [row(Verdict(verdict), control=name) for name, verdict in verdicts.items()]
    found = complete(tree(made(*rows)))[0].findall("x:score", NS)
    assert [(s.get("system").rpartition(":")[2], s.text, s.get("maximum")) for s in found] == [
        ("default", default, "100"),
        ("flat", *flat),
    ]


def test_one_failed_row_fails_its_rule():
    rows = [row(Verdict.PASS, resource="a"), row(Verdict.FAIL, resource="b")]
    assert complete(tree(made(*rows)))[0].find("x:score", NS).text == "0.0000"


def test_who_where_and_when():
    target = {**WEB1, "identity": {"address": "192.0.2.1", "os": "Debian"}}
    root = tree(
        made(
            row(started="2026-11-23T08:00:01.000Z", duration=2.5),
            row(Verdict.PASS, resource="b", started="2026-11-23T08:00:03.000Z", duration=0.1),
            on=[target],
        )
    )
    (result,) = root.iterfind("x:TestResult", NS)
    assert result.get("start-time") == "2026-11-23T08:00:01.000Z"
    assert result.get("end-time") == "2026-11-23T08:00:03.500Z"
    identity = result.find("x:identity", NS)
    assert (identity.text, identity.get("authenticated"), identity.get("privileged")) == (
        "auditor@bastion",
        "true",
        "false",
    )
    assert texts(result, "x:target-address") == ["192.0.2.1"]
    facts = [(f.get("name").rpartition(":")[2], f.text) for f in result.iterfind(".//x:fact", NS)]
    assert facts == [
        ("host_name", "web1"),
        ("run", RUN["id"]),
        ("kind", "ssh"),
        ("group", "a"),
        ("group", "b"),
        ("reachable", "yes"),
        ("address", "192.0.2.1"),
        ("os", "Debian"),
    ]


def test_a_target_that_is_out_of_reach_says_why():
    dead = {**WEB1, "reachable": False, "reason": "refused"}
    result = complete(tree(made(row(Verdict.ERROR), on=[dead])))[0]
    facts = {
        f.get("name").rpartition(":")[2]: f.text
        for f in result.iterfind("x:target-facts/x:fact", NS)
    }
    assert (facts["reachable"], facts["reason"]) == ("no", "refused")
    assert result.find("x:identity", NS).get("authenticated") == "false"


def test_the_platform_is_linux_only_if_every_target_is_a_host():
    assert tree(made(row())).find("x:platform", NS) is not None
    assert (
        tree(made(row(), on=[WEB1, {**WEB1, "name": "b", "kind": "aws"}])).find("x:platform", NS)
        is None
    )


def test_a_run_without_times_and_versions_is_valid():
    tree(made(row(), run={"id": "x"}))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ssh.root-login", "ssh.root-login"),
        ("a_b-C.1", "a_b-C.1"),
        ("a b", "a-b-c8687a08aa5d"),
        ("", "run-e3b0c44298fc"),
        ("a-b-c8687a08aa5d", "a-b-c8687a08aa5d-05a6011fe169"),
    ],
)
def test_ids(name, expected):
    assert xccdf_id("rule", name) == f"xccdf_{AUTHORITY}_rule_{expected}"


def test_no_two_names_have_one_id():
    names = [
        "a b",
        "a  b",
        "a/b",
        "a-b",
        "a.b",
        "A b",
        "",
        "run",
        "é",
        "e\u0301",
        "\udce9",
        "x" * 99,
    ]
    ids = {xccdf_id("rule", name) for name in names}
    assert len(ids) == len(names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T09:00:00+01:00", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23", "2026-11-23T00:00:00.000Z"),
        ("2026-W48-1T08:00:00.000Z", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T08:00:00.125Z", "2026-11-23T08:00:00.125Z"),
        ("", "else"),
        (None, "else"),
        ("soon", "else"),
    ],
)
def test_times(text, expected):
    assert time_of(text, "else") == expected


def test_the_order_in_which_results_came_leaves_no_trace():
    rows = random.Random(7).sample(results(), len(results()))
    assert xccdf.render(document.build(RUN, targets(), controls(), rows)) == xccdf.render(sample())
