"""OSCAL assessment results: valid, and every reference in them leads somewhere."""

from __future__ import annotations

import json
import uuid
from collections import Counter

import pytest
from lab import judges
from lab.report_sample import HOSTILE, RUN, controls, nasty, rich, sample, targets

from pytest_sysaudit.record import Control, Result, Severity, Verdict
from pytest_sysaudit.reports import document, oscal
from pytest_sysaudit.reports.oscal_words import identifier, line, nist_controls, plain_line, token

ROOT = Control(
    id="ssh.root-login",
    title="Root cannot log in",
    severity=Severity.HIGH,
    frameworks={"nist-800-53": ("AC-6(2)", "CM-7"), "cis": ("5.1",)},
    source="ssh/test_daemon.py::test_root",
    source_sha256="ab" * 32,
)


def assessment(made, tmp_path):
    """Return the report of *made*, which every test's report must be valid for."""
    oscal.write(made, tmp_path / "r.json")
    read = json.loads((tmp_path / "r.json").read_bytes())
    assert judges.oscal(read) == []
    return read["assessment-results"]


def single(tmp_path, control=ROOT, run=RUN, **more):
    """Return the report and the one result within it of one row."""
    row = {"control": control.id, "check": control.source, "target": "web1", "message": "is yes"}
    made = [Result(**{**row, "verdict": Verdict.FAIL, **more})]
    whole = assessment(document.build(run, targets()[:1], [control], made), tmp_path)
    return whole, whole["results"][0]


@pytest.mark.parametrize(
    "make",
    [sample, rich, nasty, lambda: document.build(RUN, [], [], [])],
    ids=["sample", "rich", "nasty", "empty"],
)
def test_it_is_valid_whatever_the_results_hold(make, tmp_path):
    assessment(make(), tmp_path)


def test_the_judge_judges(tmp_path):
    whole, result = single(tmp_path)
    result["observations"][0]["methods"] = []
    result["findings"][0]["target"]["status"]["state"] = "waived"
    result["findings"][0]["target"]["target-id"] = "no token"
    whole["metadata"]["last-modified"] = "yesterday"
    found = " ".join(judges.oscal({"assessment-results": whole}))
    for place in ("methods", "status/state", "target-id", "last-modified"):
        assert place in found


@pytest.mark.parametrize("make", [sample, rich, nasty])
def test_every_reference_leads_somewhere_and_every_uuid_is_there_once(make, tmp_path):
    whole = assessment(make(), tmp_path)
    defined = Counter(defined_in(whole))
    assert [name for name, count in defined.items() if count > 1] == []
    assert set(referred_in(whole)) <= set(defined)
    objectives = {
        part["id"]
        for objective in whole["local-definitions"]["objectives-and-methods"]
        for part in objective["parts"]
    }
    named = {f["target"]["target-id"] for f in whole["results"][0]["findings"]}
    assert named <= objectives


def defined_in(value):
    if isinstance(value, dict):
        if "uuid" in value:
            yield value["uuid"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from defined_in(item)


def referred_in(value):
    if isinstance(value, dict):
        for name, item in value.items():
            if name.endswith("-uuid"):
                yield item
            elif name == "party-uuids":
                yield from item
            elif name == "href" and item.startswith("#"):
                yield item[1:]
            else:
                yield from referred_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from referred_in(item)


@pytest.mark.parametrize(
    ("verdict", "status", "methods", "risks"),
    [
        ("pass", ("satisfied", "pass"), ["TEST"], 0),
        ("fail", ("not-satisfied", "fail"), ["TEST"], 0),
        ("error", ("not-satisfied", "other"), ["TEST"], 0),
        ("not_applicable", None, ["TEST"], 0),
        ("manual", None, ["INTERVIEW", "EXAMINE"], 0),
        ("waived", ("not-satisfied", "fail"), ["TEST"], 1),
    ],
)
def test_every_verdict_has_its_status(tmp_path, verdict, status, methods, risks):
    waiver = {"reason": "soon gone", "approver": "m.weber"} if verdict == "waived" else None
    _, result = single(tmp_path, verdict=Verdict(verdict), waiver=waiver)
    (observation,) = result["observations"]
    assert observation["methods"] == methods
    assert len(result.get("risks", [])) == risks
    if status is None:
        assert "findings" not in result
    else:
        (finding,) = result["findings"]
        assert tuple(finding["target"]["status"].values()) == status
        assert finding["target"]["target-id"] == "ssh.root-login"
        assert finding["related-observations"] == [{"observation-uuid": observation["uuid"]}]
        assert len(finding.get("related-risks", [])) == risks


def test_a_waiver_is_a_risk_that_somebody_accepted(tmp_path):
    waiver = {
        "reason": "soon gone",
        "approver": "m.weber",
        "ticket": "SEC-1",
        "expires": "2027-01-31T00:00:00Z",
    }
    whole, result = single(tmp_path, verdict=Verdict.WAIVED, waiver=waiver)
    (risk,) = result["risks"]
    assert (risk["status"], risk["statement"]) == ("deviation-approved", "soon gone")
    assert risk["deadline"] == "2027-01-31T00:00:00Z"
    assert {"SEC-1", "m.weber"} <= {prop["value"] for prop in risk["props"]}
    (entry,) = risk["risk-log"]["entries"]
    people = {party["uuid"]: party["name"] for party in whole["metadata"]["parties"]}
    assert people[entry["logged-by"][0]["party-uuid"]] == "m.weber"


def test_what_was_attested_names_who_and_until_when(tmp_path):
    whole = assessment(rich(), tmp_path)
    result = whole["results"][0]
    seen = {observation["title"]: observation for observation in result["observations"]}
    held = seen["manual.access-review on web1"]
    people = {party["uuid"]: party["name"] for party in whole["metadata"]["parties"]}
    assert held["methods"] == ["INTERVIEW", "EXAMINE"]
    assert people[held["origins"][0]["actors"][0]["actor-uuid"]] == "c.ortiz"
    assert held["expires"] == "2027-01-02T09:00:00Z"
    resources = {r["uuid"]: r for r in whole["back-matter"]["resources"]}
    proof = resources[held["relevant-evidence"][-1]["href"][1:]]
    assert proof["title"] == "reviews/2026-q4.pdf"
    assert len(proof["rlinks"][0]["hashes"][0]["value"]) == 64
    expired = seen["manual.restore-test on web1"]
    assert expired["origins"][0]["actors"][0]["type"] == "tool"
    assert "expires" not in expired
    assert len(result["attestations"]) == 3


def test_evidence_is_in_the_back_matter_with_its_hash(tmp_path):
    made = rich()
    whole = assessment(made, tmp_path)
    hashes = {
        link["hashes"][0]["value"]
        for resource in whole["back-matter"]["resources"]
        for link in resource.get("rlinks", ())
    }
    assert {seen["sha256"] for seen in made["evidence"].values()} <= hashes


def test_evidence_that_the_document_does_not_hold_is_named(tmp_path):
    _, result = single(tmp_path, evidence=("e000142",))
    assert result["observations"][0]["relevant-evidence"] == [
        {"description": "observation e000142"}
    ]


def test_targets_are_inventory_items_and_subjects(tmp_path):
    whole = assessment(sample(), tmp_path)
    items = whole["results"][0]["local-definitions"]["inventory-items"]
    names = {item["uuid"]: item["props"][0]["value"] for item in items}
    assert sorted(names.values()) == sorted(target["name"] for target in targets())
    observation = next(
        o
        for o in whole["results"][0]["observations"]
        if o["title"] == "aws.key-age on payments, region=eu-west-1"
    )
    assert names[observation["subjects"][0]["subject-uuid"]] == "payments"


def test_dead_targets_are_in_the_log(tmp_path):
    entries = assessment(sample(), tmp_path)["results"][0]["assessment-log"]["entries"]
    assert [entry["title"] for entry in entries] == [
        "The run",
        "sandbox was not reached",
        "web3 was not reached",
    ]


def test_reviewed_controls_are_those_of_nist(tmp_path):
    _, result = single(tmp_path)
    (selection,) = result["reviewed-controls"]["control-selections"]
    assert selection["include-controls"] == [{"control-id": "ac-6.2"}, {"control-id": "cm-7"}]


def test_findings_keep_their_uuid_and_observations_are_of_a_run(tmp_path):
    _, first = single(tmp_path)
    _, second = single(tmp_path, run={**RUN, "id": "other"}, message="otherwise")
    assert first["findings"][0]["uuid"] == second["findings"][0]["uuid"]
    assert first["observations"][0]["uuid"] != second["observations"][0]["uuid"]


@pytest.mark.parametrize(
    ("framework", "number", "ids"),
    [
        ("nist-800-53", "AC-6(2)", ["ac-6.2"]),
        ("nist-800-53", "AC-6 (10)", ["ac-6.10"]),
        ("nist-800-53r5", "CM-07(03)", ["cm-7.3"]),
        ("NIST-SP-800-53", "SC-8a", ["sc-8"]),
        ("nist-800-171", "3.1.1", []),
        ("cis", "AC-6", []),
        ("nist-800-53", "whatever", []),
    ],
)
def test_nist_numbers_become_ids_of_its_catalogue(framework, number, ids):
    assert list(nist_controls({"frameworks": {framework: [number]}})) == ids


@pytest.mark.parametrize(
    ("text", "made"),
    [("ssh.root-login", "ssh.root-login"), ("1.2", "_1.2"), ("a b/ü", "a_b_ü"), ("", "_")],
)
def test_tokens(text, made):
    assert token(text) == made


@pytest.mark.parametrize(
    ("text", "plain", "marked"),
    [
        (" a\n b ", "a b", "a b"),
        ("", "none", "none"),
        ("\ufeff", "none", "none"),
        (None, "none", "none"),
        ("1. <b>*x*", "1. <b>*x*", "1\\. \\<b\\>\\*x\\*"),
        ("\x1b[31mred\x07", "red\\x07", "red\\\\x07"),
    ],
)
def test_lines(text, plain, marked):
    assert (plain_line(text), line(text)) == (plain, marked)


def test_long_lines_are_cut():
    assert len(plain_line("x" * 10_000)) < 550


def test_identifiers_are_uuids_of_version_5():
    space = uuid.uuid5(uuid.NAMESPACE_URL, "https://pytest-sysaudit.invalid/ns/oscal")
    for parts in (("a",), ("a", "b"), (HOSTILE, "\n")):
        assert identifier(*parts) == str(uuid.uuid5(space, "\n".join(parts)))
    assert identifier("a", "\ud83d")


def test_all_controls_are_activities_and_objectives(tmp_path):
    local = assessment(sample(), tmp_path)["local-definitions"]
    assert len(local["activities"]) == len(local["objectives-and-methods"]) == len(controls())
