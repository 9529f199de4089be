"""Attestations: who answered a manual control, for how long, by which evidence."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_sysaudit.compliance.attestations import Attestations, read_attestations
from pytest_sysaudit.compliance.scope import Place, World
from pytest_sysaudit.inventory.yaml import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WEB1 = Place("web1", "ssh", ("web",))
GOOD = {
    "control": "manual.review",
    "targets": "web",
    "status": "pass",
    "by": "c.ortiz",
    "at": "2026-10-02T09:00:00Z",
    "valid_for": "90d",
    "explanation": "went through all accounts",
}
SHA256 = hashlib.sha256(b"review").hexdigest()


def read(*entries, base=Path()):
    lines = ["version: 1", "attestations:"]
    for entry in entries:
        start = "  - "
        for key, value in entry.items():
            if value is not None:
                lines.append(f"{start}{key}: {value}")
                start = "    "
    return read_attestations(parse("\n".join(lines).encode(), "att.yaml"), base)


def attestations(*changes, base=Path(), now=NOW):
    found, problems = read(*[GOOD | change for change in changes], base=base)
    assert problems == []
    return Attestations(found, now)


def answer(*changes, target=WEB1, control="manual.review", **more):
    return attestations(*changes, **more).answer(control, target)


def test_an_answer_says_who_and_when():
    found = answer({})
    assert found.verdict == "pass"
    assert found.message == (
        "c.ortiz said pass on 2026-10-02, which holds until 2026-12-31: went through all accounts"
    )
    assert found.attestation == {
        "status": "pass",
        "by": "c.ortiz",
        "at": "2026-10-02T09:00:00.000Z",
        "valid_until": "2026-12-31T09:00:00.000Z",
        "explanation": "went through all accounts",
        "evidence_file": "",
        "evidence_sha256": "",
        "place": "att.yaml:3",
        "expired": False,
    }


@pytest.mark.parametrize("status", ["pass", "fail", "not_applicable"])
def test_every_status_is_the_verdict(status):
    assert answer({"status": status}).verdict == status


def test_who_is_not_meant_gets_no_answer():
    assert answer({}, target=Place("db1")) is None
    assert answer({}, control="manual.revie") is None


def test_an_answer_that_ran_out_is_none():
    found = answer({"valid_for": "30d"})
    assert found.verdict == "manual"
    assert (
        "must judge this again: c.ortiz said pass on 2026-10-02, which held until 2026-11-01"
        in (found.message)
    )
    assert found.attestation["expired"] is True
    edge = {"valid_for": None, "valid_until": "2026-11-23T12:00Z"}
    assert answer(edge).verdict == "manual"
    assert answer(edge | {"valid_until": "2026-11-23T12:01Z"}).verdict == "pass"


def test_the_newest_answer_counts_even_if_it_ran_out():
    older = {"at": "2026-10-01 UTC", "valid_for": "1y"}
    newer = {"at": "2026-10-20 UTC", "status": "fail", "valid_for": "7d"}
    for changes in ([older, newer], [newer, older]):
        assert answer(*changes).verdict == "manual"
    again = {"at": "2026-11-20 UTC", "status": "not_applicable"}
    assert answer(older, again, newer).verdict == "not_applicable"


def test_of_two_answers_of_the_same_time_the_graver_one_counts():
    good, bad = {"status": "pass"}, {"status": "fail"}
    assert [answer(good, bad).verdict, answer(bad, good).verdict] == ["fail", "fail"]


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda path: path.write_bytes(b"review"), ""),
        (lambda path: path.write_bytes(b"another"), "has changed since: its sha256 is"),
        (lambda path: path.write_bytes(b""), "has changed since"),
        (lambda _: None, "the evidence file q4.pdf is not there"),
        (lambda path: path.mkdir(), "cannot be read"),
        (os.mkfifo, "it is not a regular file"),
    ],
)
def test_the_evidence_must_be_what_was_looked_at(tmp_path, make, fault):
    make(tmp_path / "q4.pdf")
    change = {"evidence": f"{{file: q4.pdf, sha256: {SHA256.upper()}}}"}
    found = answer(change, base=tmp_path)
    assert found.verdict == ("manual" if fault else "pass")
    assert fault in found.message
    if fault:
        assert found.attestation is None
        assert found.message.startswith("a person must judge this again: c.ortiz said pass on")
        assert found.message.endswith("(att.yaml:3)")
    else:
        assert found.attestation["evidence_sha256"] == SHA256
        assert found.attestation["evidence_file"] == "q4.pdf"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"control": "manual.*"}, "expected the id of one control"),
        (
            {"status": "passed"},
            ":5:13: attestations[0].status: expected one of pass, fail, not_appl",
        ),
        ({"status": "passed"}, "found 'passed'. Did you mean 'pass'?"),
        ({"status": None}, "missing key 'status': one of pass, fail, not_applicable"),
        ({"by": None}, "missing key 'by': say who has judged it"),
        ({"by": "''"}, "by: expected text, found '': say who has judged it"),
        ({"at": "2026-10-02"}, "at: '2026-10-02' says no time zone"),
        ({"at": None}, "missing key 'at': say when it was judged, with the time zone"),
        ({"at": "2999-01-01 UTC"}, "at: lies in the future; write when it was judged"),
        ({"explanation": None}, "missing key 'explanation': say how it was judged"),
        ({"valid_for": None}, "missing key 'valid_for': say how long the answer holds"),
        ({"valid_until": "2027-01-01 UTC"}, "both 'valid_for' and 'valid_until'"),
        ({"valid_for": "3 months"}, "valid_for: expected 90d, 12w, 6m or 1y, found '3 months'"),
        ({"valid_for": "90"}, "valid_for: expected text, found 90"),
        (
            {"valid_for": None, "valid_until": "2026-09-01 UTC"},
            "would have run out when it was giv",
        ),
        ({"updated_by": "x"}, "unknown key 'updated_by'. Did you mean 'by'?"),
        (
            {"evidence": "q4.pdf"},
            "expected a file and its hash, found 'q4.pdf'. Write {file: q4.pd",
        ),
        ({"evidence": "{file: q4.pdf}"}, "missing key 'sha256': 'sha256sum q4.pdf' prints it"),
        (
            {"evidence": "{file: q4.pdf, sha256: abc}"},
            "expected 64 hex digits: 'sha256sum q4.pdf' p",
        ),
        ({"evidence": f"{{sha256: {SHA256}}}"}, "missing key 'file'"),
        ({"evidence": "~"}, "expected a file and its hash, found nothing"),
        ({"evidence": "{fil: a}"}, "unknown key 'fil'. Did you mean 'file'?"),
    ],
)
def test_what_is_wrong_with_an_attestation(change, said):
    _, problems = read(GOOD | change)
    assert any(said in str(problem) for problem in problems), list(map(str, problems))


def row(verdict, place=None, target="web1", *, expired=False):
    told = {"place": place, "expired": expired} if place else None
    return {"control": "manual.review", "target": target, "verdict": verdict, "attestation": told}


@pytest.mark.parametrize(
    ("change", "rows", "state", "results"),
    [
        ({}, [row("pass", "att.yaml:3")] * 2, "used", 2),
        ({}, [row("waived", "att.yaml:3")], "used", 1),
        ({}, [row("manual", "att.yaml:9", expired=True)], "unused", 0),
        ({}, [], "unused", 0),
        ({}, [row("manual", target="db1")], "unused", 0),
        ({}, [row("error")], "unused", 0),
        ({}, [row("pass")], "not manual", 0),
        ({}, [row("fail", target="db1")], "unused", 0),
        ({"control": "no.such"}, [], "unknown control", 0),
        ({"targets": "web9"}, [], "unknown target", 0),
        ({"valid_for": "7d"}, [row("manual", "att.yaml:3", expired=True)], "expired", 0),
        (
            {"evidence": f"{{file: none.pdf, sha256: {SHA256}}}"},
            [row("manual")],
            "evidence changed",
            0,
        ),
    ],
)
def test_the_state_of_an_attestation(change, rows, state, results):
    world = World(
        targets={"web1": WEB1, "db1": Place("db1")},
        groups={"web": ("web1",)},
        knows=lambda id_: id_ == "manual.review",
    )
    (told,) = attestations(change).told(rows, world, 30)
    assert (told["state"], told["results"]) == (state, results)
    assert told["target"] == change.get("targets", "web")
    assert told["expires_in_days"] == (-46 if state == "expired" else 37)
