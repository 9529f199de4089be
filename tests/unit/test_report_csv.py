"""csv: every result a row that a reader gets back, and no cell that a spreadsheet runs."""

from __future__ import annotations

import csv

import pytest
from lab.report_sample import FORMULA, RUN, nasty, rich, sample, targets

from pytest_sysaudit.record import Control, Result, Verdict
from pytest_sysaudit.reports import csv_report, document

ROOT = Control(id="a", title="T", frameworks={"cis": ("1", "2"), "pci": ("3",)}, remediation="Fix.")


def rows_of(made, tmp_path):
    csv_report.write(made, tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def single(tmp_path, **more):
    row = Result(**{"control": "a", "check": "c", "target": "web1", "verdict": Verdict.FAIL} | more)
    return rows_of(document.build(RUN, targets()[:1], [ROOT], [row]), tmp_path)[0]


@pytest.mark.parametrize("make", [sample, rich, nasty])
def test_every_result_is_a_row(make, tmp_path):
    made = make()
    rows = rows_of(made, tmp_path)
    assert len(rows) == len(made["results"])
    assert all(tuple(row) == csv_report.HEADER for row in rows)
    assert [row["verdict"] for row in rows] == [row["verdict"] for row in made["results"]]


def test_without_results_the_header_stands_alone(tmp_path):
    assert rows_of(document.build(RUN, [], [], []), tmp_path) == []
    assert (tmp_path / "r.csv").read_bytes() == ",".join(csv_report.HEADER).encode() + b"\r\n"


def test_lines_end_as_the_rfc_says(tmp_path):
    csv_report.write(sample(), tmp_path / "r.csv")
    lines = (tmp_path / "r.csv").read_bytes().split(b"\r\n")
    assert len(lines) == len(sample()["results"]) + 2
    assert lines[-1] == b""


def test_cells_hold_what_was_found(tmp_path):
    row = single(
        tmp_path,
        message='says "no",\nand more',
        params={"region": "x", "port": "1"},
        expected={"login": "no"},
        observed=["a", "b"],
        evidence=("e1", "e2"),
        waiver={
            "reason": "old",
            "approver": "m",
            "ticket": "S-1",
            "expires": "2027-01-01T00:00:00Z",
        },
        attestation={"by": "c", "at": "2026-01-01", "valid_until": "2027-01-01"},
        drift="new",
    )
    assert row == {
        "target": "web1",
        "kind": "ssh",
        "control": "a",
        "title": "T",
        "severity": "medium",
        "verdict": "fail",
        "resource": "",
        "params": "port=1, region=x",
        "message": 'says "no",\nand more',
        "expected": "login: no",
        "observed": "a\nb",
        "started": "",
        "duration": "0.0",
        "check": "c",
        "frameworks": "cis 1; cis 2; pci 3",
        "drift": "new",
        "waiver_reason": "old",
        "waiver_approver": "m",
        "waiver_ticket": "S-1",
        "waiver_expires": "2027-01-01T00:00:00Z",
        "attested_by": "c",
        "attested_at": "2026-01-01",
        "attested_until": "2027-01-01",
        "evidence": "e1 e2",
        "remediation": "Fix.",
    }


@pytest.mark.parametrize(
    "text",
    [
        *(FORMULA, "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", " =1"),
        *("\uff1d1", "\uff0b1", "\uff0d1", "\uff20a"),  # written wide
    ],
)
def test_no_cell_begins_a_formula(text, tmp_path):
    row = single(tmp_path, message=text, resource=text)
    assert row["message"] == row["resource"] == f"'{text}"


@pytest.mark.parametrize("text", ["a=1", "a\n=1", "1-1", "'=1", "(=1)"])
def test_other_cells_are_as_they_were(text, tmp_path):
    assert single(tmp_path, message=text)["message"] == text


def test_long_cells_are_cut_and_say_so(tmp_path):
    assert single(tmp_path, message="x" * 50_000)["message"].endswith("… (18000 characters more)")
