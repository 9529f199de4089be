"""OCSF: a valid compliance finding for every result."""

from __future__ import annotations

import json

import pytest
from lab import judges
from lab.report_sample import RUN, controls, nasty, rich, sample, targets

from pytest_sysaudit.record import Control, Result, Severity, Verdict
from pytest_sysaudit.reports import document, ocsf

ROOT = Control(
    id="ssh.root-login",
    title="Root cannot log in",
    severity=Severity.HIGH,
    frameworks={"cis": ("5.1.20", "5.1.21"), "nist-800-53": ("AC-6(2)",)},
    rationale="Guessing.",
    remediation="PermitRootLogin no.",
    source="ssh/test_daemon.py::test_root",
)


def events(made, tmp_path):
    """Return the lines of the report of *made*, each of which must be valid."""
    ocsf.write(made, tmp_path / "r")
    text = (tmp_path / "r").read_bytes()
    assert text.endswith(b"\n") or not text
    found = [json.loads(line) for line in text.split(b"\n")[:-1]]
    for event in found:
        assert judges.ocsf(event) == []
    return found


def single(tmp_path, control=ROOT, **more):
    row = {"control": control.id, "check": control.source, "target": "web1", "message": "is yes"}
    made = [Result(**{**row, "verdict": Verdict.FAIL, **more})]
    (event,) = events(document.build(RUN, targets()[:1], [control], made), tmp_path)
    return event


@pytest.mark.parametrize("make", [sample, rich, nasty])
def test_every_result_is_a_valid_line(make, tmp_path):
    made = make()
    assert len(events(made, tmp_path)) == len(made["results"])


def test_no_results_are_no_lines(tmp_path):
    assert events(document.build(RUN, targets(), controls(), []), tmp_path) == []


def test_the_judge_judges(tmp_path):
    event = single(tmp_path)
    for broken in (
        {**event, "severity_id": 7},
        {**event, "class_uid": 2001},
        {**event, "finding_info": {}},
        {**event, "made_up": 1},
        {**event, "resources": [{"type": "x"}]},
    ):
        assert judges.ocsf(broken)


@pytest.mark.parametrize(
    ("verdict", "status", "compliance"),
    [
        ("pass", (4, "Resolved"), (1, "Pass")),
        ("fail", (1, "New"), (3, "Fail")),
        ("error", (1, "New"), (2, "Warning")),
        ("not_applicable", (4, "Resolved"), (99, "Not Applicable")),
        ("manual", (1, "New"), (2, "Warning")),
        ("waived", (3, "Suppressed"), (3, "Fail")),
    ],
)
def test_every_verdict_has_its_status(tmp_path, verdict, status, compliance):
    event = single(tmp_path, verdict=Verdict(verdict))
    assert (event["status_id"], event["status"]) == status
    assert (event["compliance"]["status_id"], event["compliance"]["status"]) == compliance
    assert event["status_code"] == verdict
    assert (event["severity_id"], event["severity"]) == (4, "High")


@pytest.mark.parametrize(
    ("drift", "activity"),
    [(None, 1), ("new", 1), ("changed", 2), ("unchanged", 2), ("fixed", 3)],
)
def test_drift_is_the_activity(tmp_path, drift, activity):
    event = single(tmp_path, drift=drift)
    assert (event["activity_id"], event["type_uid"]) == (activity, 200300 + activity)


def test_a_finding_says_what_where_and_when(tmp_path):
    event = single(tmp_path, resource="/etc/x", started="2026-11-23T08:00:01.500Z", duration=0.25)
    assert event["start_time"] == event["time"] == 1_795_420_801_500
    assert event["end_time"] == 1_795_420_801_750
    assert event["compliance"]["requirements"] == [
        "cis 5.1.20",
        "cis 5.1.21",
        "nist-800-53 AC-6(2)",
    ]
    assert event["compliance"]["standards"] == ["cis", "nist-800-53"]
    assert event["remediation"] == {"desc": "PermitRootLogin no."}
    part, whole = event["resources"]
    assert (part["name"], part["namespace"], whole["name"]) == ("/etc/x", "web1", "web1")
    assert whole["data"]["address"] == "192.0.2.10"


def test_a_finding_is_known_again_and_an_event_is_not(tmp_path):
    first, second = single(tmp_path), single(tmp_path, verdict=Verdict.PASS, message="other")
    assert first["finding_info"]["uid"] == second["finding_info"]["uid"]
    uids = [event["metadata"]["uid"] for event in events(rich(), tmp_path)]
    assert len(set(uids)) == len(uids)
    assert all(uid.startswith(RUN["id"]) for uid in uids)


def test_evidence_and_waiver_come_along(tmp_path):
    made = rich()
    found = events(made, tmp_path)
    for row, event in zip(made["results"], found, strict=True):
        assert [e["uid"] for e in event.get("evidences", ())] == [
            name for name in row["evidence"] if name in made["evidence"]
        ]
        assert ("comment" in event) == bool(row["waiver"])
    waived = next(event for event in found if event["status"] == "Suppressed")
    assert waived["unmapped"]["waiver"]["approver"] == "m.weber"


def test_a_control_without_a_framework_is_held_to_the_checks(tmp_path):
    plain = Control(id="a", title="")
    event = single(tmp_path, plain)
    assert event["compliance"]["standards"] == ["pytest-sysaudit"]
    assert event["finding_info"]["title"] == "a"
