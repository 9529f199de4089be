"""The HDF report: what Heimdall's own reader shows of every verdict, alone and beside others."""

from __future__ import annotations

import json
import random
from itertools import combinations

import pytest
from lab import heimdall
from lab.report_sample import HOSTILE, RUN, controls, nasty, results, rich, sample, targets

from pytest_sysaudit.record import Control, Result, Severity, Verdict, worst
from pytest_sysaudit.reports import document, hdf
from pytest_sysaudit.reports.status import STATUSES

WEB1 = {"name": "web1", "kind": "ssh", "groups": ["a", "b"], "identity": {"address": "192.0.2.1"}}
WEB2 = {**WEB1, "name": "web2"}
CONTROL = Control(
    id="ssh.root-login",
    title="Root cannot log in",
    severity=Severity.HIGH,
    frameworks={"cis": ("5.1.20",), "nist-800-53": ("AC-6(2)", "CM-7"), "cci": ("CCI-000770",)},
    rationale="Guessing.",
    remediation="PermitRootLogin no.",
    source="ssh/test_daemon.py::test_root",
    source_sha256="ab" * 32,
)
WAIVER = {
    "by": "waivers.yaml",
    "reason": "replaced next month",
    "raw": "fail",
    "approver": "m.weber",
    "ticket": "SEC-114",
    "expires": "2026-12-01T00:00:00Z",
    "place": "waivers.yaml:12",
    "target": "prod",
    "resource": "",
}
ATTESTED = {
    "status": "pass",
    "by": "c.ortiz",
    "at": "2026-10-02T09:00:00Z",
    "valid_until": "2026-12-31T09:00:00Z",
    "explanation": "went through all accounts",
    "evidence_file": "q4.pdf",
    "evidence_sha256": "0" * 64,
    "place": "attestations.yaml:3",
    "expired": False,
}


def row(verdict=Verdict.FAIL, **more) -> Result:
    known = {"control": CONTROL.id, "check": CONTROL.source, "target": "web1", "verdict": verdict}
    known |= {"waiver": WAIVER} if verdict is Verdict.WAIVED else {}
    return Result(**{**known, "message": f"said of {verdict}", **more})


def made(*rows: Result, on=(WEB1,), of=(CONTROL,)) -> dict:
    systems = [{**target, "reachable": True, "reason": ""} for target in on]
    return document.build(RUN, systems, list(of), rows)


def loaded(built: dict) -> dict:
    return json.loads(hdf.render(built))


def single(*rows: Result, of=CONTROL) -> dict:
    """Return the only control of the file."""
    (control,) = loaded(made(*rows, of=[of]))["profiles"][0]["controls"]
    return control


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    if heimdall.NO_NODE:
        pytest.skip(heimdall.NO_NODE)
    return heimdall.unpack(tmp_path_factory.mktemp("inspecjs"))


@pytest.fixture
def shown(reader, tmp_path):
    """Return what Heimdall's table shows of a document."""

    def show(built: dict) -> list[dict]:
        hdf.write(built, tmp_path / "r.json")
        read = heimdall.read(reader, tmp_path / "r.json")
        assert (read["kind"], read["errors"]) == ("exec-json", {})
        return read["shown"]

    return show


@pytest.mark.parametrize("make", [sample, rich, nasty, lambda: document.build({}, [], [], [])])
def test_heimdall_reads_it_and_shows_every_control_of_every_target(shown, make):
    built = make()
    places = {(r["target"], r["control"]) for r in built["results"]}
    assert len(shown(built)) == len(places)


def test_the_reader_refuses_what_is_no_exec_json(reader, tmp_path):
    without = loaded(sample())
    del without["profiles"][0]["sha256"]
    (tmp_path / "r.json").write_text(json.dumps(without))
    assert heimdall.read(reader, tmp_path / "r.json")["kind"] == ""


def test_every_verdict_and_every_mix_of_verdicts_shows_as_its_worst(shown):
    """63 controls at once: every set of verdicts that the rows of a control can have."""
    mixes = [mix for size in range(1, 7) for mix in combinations(Verdict, size)]
    of = [Control(id="-".join(mix), title="t") for mix in mixes]
    rows = [
        row(verdict, control=control.id, resource=verdict)
        for control, mix in zip(of, mixes, strict=True)
        for verdict in mix
    ]
    expected = {
        c.id: STATUSES[worst(m)].hdf_view
        # A failure that was waived shows as one, whatever is manual beside it.
        if not (worst(m) is Verdict.MANUAL and Verdict.WAIVED in m)
        else "Failed"
        for c, m in zip(of, mixes, strict=True)
    }
    assert {c["id"]: c["status"] for c in shown(made(*rows, of=of))} == expected


@pytest.mark.parametrize(
    ("severity", "impact", "shows"),
    [
        (Severity.INFO, 0.1, "none"),
        (Severity.LOW, 0.3, "low"),
        (Severity.MEDIUM, 0.5, "medium"),
        (Severity.HIGH, 0.7, "high"),
        (Severity.CRITICAL, 0.9, "critical"),
    ],
)
def test_every_severity(shown, severity, impact, shows):
    of = Control(id=CONTROL.id, title="t", severity=severity)
    assert single(row(), of=of)["impact"] == impact
    assert [(c["severity"], c["status"]) for c in shown(made(row(), of=[of]))] == [
        (shows, "Failed")
    ]
    absent = made(row(Verdict.NOT_APPLICABLE), of=[of])
    assert [(c["severity"], c["status"]) for c in shown(absent)] == [(shows, "Not Applicable")]


def test_what_heimdall_shows_of_a_control(shown):
    (control,) = shown(made(row(observed={"login": "yes"}, expected={"login": "no"})))
    assert control["id"] == "ssh.root-login"
    assert control["nist"] == ["AC-6 (2)", "CM-7"]
    assert control["descriptions"] == {
        "rationale": "Guessing.",
        "check": f"ssh/test_daemon.py::test_root (SHA-256 of its text: {'ab' * 32})",
        "fix": "PermitRootLogin no.",
    }
    assert "Test: target: web1, Root cannot log in" in control["details"]
    assert "said of fail\n\nExpected:\nlogin: no\n\nObserved:\nlogin: yes" in control["details"]


def test_heimdall_shows_why_a_control_does_not_apply(shown):
    (control,) = shown(made(row(Verdict.NOT_APPLICABLE, message="there is no sshd")))
    assert control["details"].startswith("Justification:\n\nNot applicable: there is no sshd\n\nGu")


def test_a_waived_failure_stays_failed_and_says_who_accepted_it(shown):
    assert single(row(Verdict.WAIVED))["waiver_data"] == {
        "justification": "replaced next month",
        "expiration_date": "2026-12-01T00:00:00Z",
        "run": True,
        "skipped_due_to_waiver": False,
        "message": "accepted by waivers.yaml, approver: m.weber, ticket: SEC-114",
    }
    (control,) = shown(made(row(Verdict.WAIVED)))
    assert (control["status"], control["waived"]) == ("Failed", False)
    assert single(row(Verdict.FAIL))["waiver_data"] == {}


def test_a_waiver_of_an_older_json_report():
    old = {"justification": "old", "expires": "2027-01-31"}
    said = single(row(Verdict.WAIVED, waiver=old))["waiver_data"]
    assert (said["justification"], said["message"]) == ("old", "accepted by a waiver")
    assert single(row(Verdict.WAIVED, waiver=None))["waiver_data"] == {}


def test_an_attestation(shown):
    said = single(row(Verdict.PASS, attestation=ATTESTED))["attestation_data"]
    assert {name: said[name] for name in ("control_id", "frequency", "status", "updated_by")} == {
        "control_id": "ssh.root-login",
        "frequency": "90d",
        "status": "passed",
        "updated_by": "c.ortiz",
    }
    assert (said["updated"], said["evidence_file"]) == ("2026-10-02T09:00:00Z", "q4.pdf")
    (control,) = shown(made(row(Verdict.PASS, attestation=ATTESTED)))
    assert (control["status"], control["attested"]) == ("Passed", True)
    (control,) = shown(made(row(Verdict.MANUAL, attestation={**ATTESTED, "expired": True})))
    assert (control["status"], control["attested"]) == ("Not Reviewed", True)


def test_an_attestation_of_what_does_not_apply_is_not_one_of_heimdalls(shown):
    attested = row(Verdict.NOT_APPLICABLE, attestation={**ATTESTED, "status": "not_applicable"})
    assert "attestation_data" not in single(attested)
    assert [c["status"] for c in shown(made(attested))] == ["Not Applicable"]


@pytest.mark.parametrize("valid_until", [None, "never", "0001-01-01T00:00:00+12:00"])
def test_an_attestation_without_a_readable_time(valid_until):
    attested = row(Verdict.PASS, attestation={**ATTESTED, "valid_until": valid_until})
    assert single(attested)["attestation_data"]["frequency"] == "unknown"


def test_the_result_of_a_pass_carries_the_observed_value():
    (result,) = single(
        row(
            Verdict.PASS,
            message="",
            observed={"login": "no"},
            resource="/etc/ssh",
            params={"port": "22"},
            started="2026-11-23T08:00:01.000Z",
            duration=0.25,
            evidence=("e1",),
            drift="fixed",
        )
    )["results"]
    assert result == {
        "status": "passed",
        "code_desc": "target: web1, port=22, /etc/ssh, Root cannot log in",
        "start_time": "2026-11-23T08:00:01.000Z",
        "run_time": 0.25,
        "resource_id": "/etc/ssh",
        "verdict": "pass",
        "message": "Observed:\nlogin: no",
        "evidence": ["e1"],
        "drift": "fixed",
    }


def test_an_error_has_exception_and_backtrace():
    (result,) = single(row(Verdict.ERROR, message="timed out\nafter 30 s"))["results"]
    assert (result["status"], result["exception"]) == ("failed", "CannotAssess")
    assert result["backtrace"] == [CONTROL.source, "timed out", "after 30 s"]
    assert result["message"] == "timed out\nafter 30 s"


def test_an_error_beside_a_failure_is_told_without_hiding_it():
    failed, error = single(row(Verdict.FAIL), row(Verdict.ERROR, resource="z"))["results"]
    assert "backtrace" not in failed
    assert "backtrace" not in error
    assert error["exception"] == "CannotAssess"


def test_a_pass_beside_something_manual_does_not_make_the_control_green():
    passed, _ = single(row(Verdict.PASS, message=""), row(Verdict.MANUAL, resource="z"))["results"]
    assert (passed["status"], passed["verdict"]) == ("skipped", "pass")
    assert passed["skip_message"] == "passed, but not all is reviewed."


def test_one_target_has_the_controls_own_ids_and_several_have_theirs_with_the_target():
    ids = [c["id"] for c in loaded(made(row()))["profiles"][0]["controls"]]
    assert ids == ["ssh.root-login"]
    both = loaded(made(row(), row(target="web2"), row(target=""), on=[WEB1, WEB2]))["profiles"][0]
    assert [c["id"] for c in both["controls"]] == [
        "ssh.root-login",
        "ssh.root-login[web1]",
        "ssh.root-login[web2]",
    ]
    assert [(g["id"], g["controls"]) for g in both["groups"]] == [
        ("web1", ["ssh.root-login[web1]"]),
        ("web2", ["ssh.root-login[web2]"]),
    ]


def test_a_target_without_results_is_told():
    (profile,) = loaded(document.build(RUN, targets(), controls(), []))["profiles"]
    assert {group["id"] for group in profile["groups"]} == {t["name"] for t in targets()}
    titles = {group["id"]: group["title"] for group in profile["groups"]}
    assert titles["web3"] == (
        "ssh, 192.0.2.12, not reachable: 192.0.2.12:22 refused the connection"
    )


def test_the_checksum_is_of_the_checks_and_of_nothing_else():
    def digest(built: dict) -> str:
        return loaded(built)["profiles"][0]["sha256"]

    changed = Control(id=CONTROL.id, title="t", source_sha256="cd" * 32)
    assert digest(made(row())) == digest(made(row(Verdict.PASS), row(target="web2")))
    assert digest(made(row())) != digest(made(row(), of=[changed]))


def test_statistics_count_controls():
    rows = [row(v, control=v) for v in Verdict] + [row(Verdict.PASS, control="fail", resource="b")]
    of = [Control(id=v, title="t") for v in Verdict]
    assert loaded(made(*rows, of=of))["statistics"] == {
        "duration": 96.4,
        "controls": {
            "total": 6,
            "passed": {"total": 1},
            "skipped": {"total": 2},
            "failed": {"total": 3},
        },
    }


def test_the_run_is_passed_through():
    built = rich()
    through = loaded(built)["passthrough"]
    assert through == {
        name: built[name]
        for name in ("schema", "run", "targets", "waivers", "attestations", "drift", "summary")
    }


def test_hostile_text_is_text():
    text = hdf.render(nasty())
    messages = {r["message"] for r in nasty()["results"]}
    read = {
        result.get("message") or result["skip_message"]
        for control in json.loads(text)["profiles"][0]["controls"]
        for result in control["results"]
    }
    assert all(HOSTILE in message for message in messages)
    assert all(any(message in said for said in read) for message in messages)


def test_the_order_in_which_results_came_leaves_no_trace():
    rows = random.Random(7).sample(results(), len(results()))
    assert hdf.render(document.build(RUN, targets(), controls(), rows)) == hdf.render(sample())
