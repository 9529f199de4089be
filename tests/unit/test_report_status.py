"""The table of statuses, cell by cell."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pytest_sysaudit.record import Severity, Verdict
from pytest_sysaudit.reports.status import STATUSES, WEIGHTS, Status, Weight

VERDICTS = ["pass", "fail", "error", "not_applicable", "manual", "waived"]
TEST, ASK = ("TEST",), ("INTERVIEW", "EXAMINE")
#: A column of the table, and its cells in the order of VERDICTS.
CELLS = {
    "word": ["passed", "failed", "not assessed", "not applicable", "manual", "waived"],
    "hdf_status": ["passed", "failed", "failed", "skipped", "skipped", "failed"],
    "hdf_view": [
        *("Passed", "Failed", "Profile Error", "Not Applicable", "Not Reviewed", "Failed"),
    ],
    "hdf_exception": [False, False, True, False, False, False],
    "hdf_no_impact": [False, False, False, True, False, False],
    "hdf_waiver": [False, False, False, False, False, True],
    "xccdf": ["pass", "fail", "error", "notapplicable", "notchecked", "fail"],
    "xccdf_override": [False, False, False, False, False, True],
    "oscal_state": ["satisfied", "not-satisfied", "not-satisfied", "", "", "not-satisfied"],
    "oscal_reason": ["pass", "fail", "other", "", "", "fail"],
    "oscal_methods": [TEST, TEST, TEST, TEST, ASK, TEST],
    "oscal_risk": [False, False, False, False, False, True],
    "sarif_kind": ["pass", "fail", "review", "notApplicable", "review", "fail"],
    "sarif_suppressed": [False, False, False, False, False, True],
    "junit": ["", "failure", "error", "skipped", "skipped", "skipped"],
    "ckl": ["NotAFinding", "Open", "Not_Reviewed", "Not_Applicable", "Not_Reviewed", "Open"],
    "ckl_comment": [False, False, False, False, False, True],
    "ocsf_status": ["Resolved", "New", "New", "Resolved", "New", "Suppressed"],
    "ocsf_status_id": [4, 1, 1, 4, 1, 3],
    "ocsf_compliance": ["Pass", "Fail", "Warning", "Not Applicable", "Warning", "Fail"],
    "ocsf_compliance_id": [1, 3, 2, 99, 2, 3],
}
SEVERITIES = ["info", "low", "medium", "high", "critical"]
WEIGHT_CELLS = {
    "hdf_impact": [0.1, 0.3, 0.5, 0.7, 0.9],
    "xccdf": ["info", "low", "medium", "high", "high"],
    "sarif_level": ["note", "note", "warning", "error", "error"],
    "sarif_score": ["", "2.0", "5.5", "8.0", "9.5"],
    "ckl": ["low", "low", "medium", "high", "high"],
    "ocsf": ["Informational", "Low", "Medium", "High", "Critical"],
    "ocsf_id": [1, 2, 3, 4, 5],
}


def test_every_verdict_severity_and_column_is_in_the_tables():
    assert set(STATUSES) == {verdict.value for verdict in Verdict} == set(VERDICTS)
    assert set(WEIGHTS) == {severity.value for severity in Severity} == set(SEVERITIES)
    assert {field.name for field in fields(Status)} == set(CELLS)
    assert {field.name for field in fields(Weight)} == set(WEIGHT_CELLS)


@pytest.mark.parametrize(
    ("column", "verdict", "cell"),
    [(column, *pair) for column, row in CELLS.items() for pair in zip(VERDICTS, row, strict=True)],
)
def test_a_cell_of_the_verdicts(column, verdict, cell):
    assert getattr(STATUSES[verdict], column) == cell


@pytest.mark.parametrize(
    ("column", "severity", "cell"),
    [
        (column, *pair)
        for column, row in WEIGHT_CELLS.items()
        for pair in zip(SEVERITIES, row, strict=True)
    ],
)
def test_a_cell_of_the_severities(column, severity, cell):
    assert getattr(WEIGHTS[severity], column) == cell
