"""What each verdict and each severity is called in every format: the one table of all writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_sysaudit.record import Severity, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One verdict in the words of every format.

    Attributes:
        word: as people read it.
        hdf_status: of a result of exec-json: ``passed``, ``failed`` or ``skipped``.
        hdf_view: what Heimdall then shows for the control.
        hdf_exception: whether the result has ``exception`` and ``backtrace``.
        hdf_no_impact: whether the control's impact is 0, which alone makes it not applicable.
        hdf_waiver: whether the control has ``waiver_data``.
        xccdf: the ``result`` of a ``rule-result``.
        xccdf_override: whether an ``override`` says who accepted the result.
        oscal_state: of the finding's target; "": no finding, an observation only.
        oscal_reason: why it has that state.
        oscal_methods: how the observation was made, or has to be made.
        oscal_risk: whether the finding has a risk that was accepted as a deviation.
        sarif_kind: of the result; only ``fail`` has a level other than ``none``.
        sarif_suppressed: whether the result has an accepted suppression.
        junit: the element within the test case; "": none.
        ckl: ``STATUS`` of a DISA checklist.
        ckl_comment: whether ``COMMENTS`` says who accepted the result.
        ocsf_status: ``status`` of the finding, and ocsf_status_id its number.
        ocsf_status_id: as OCSF counts.
        ocsf_compliance: ``compliance.status``, and ocsf_compliance_id its number.
        ocsf_compliance_id: as OCSF counts.
    """

    word: str
    hdf_status: Literal["passed", "failed", "skipped"]
    hdf_view: str
    hdf_exception: bool = False
    hdf_no_impact: bool = False
    hdf_waiver: bool = False
    xccdf: Literal["pass", "fail", "error", "notapplicable", "notchecked"]
    xccdf_override: bool = False
    oscal_state: Literal["", "satisfied", "not-satisfied"]
    oscal_reason: Literal["", "pass", "fail", "other"]
    oscal_methods: tuple[str, ...] = ("TEST",)
    oscal_risk: bool = False
    sarif_kind: Literal["pass", "fail", "review", "notApplicable"]
    sarif_suppressed: bool = False
    junit: Literal["", "failure", "error", "skipped"]
    ckl: Literal["NotAFinding", "Open", "Not_Applicable", "Not_Reviewed"]
    ckl_comment: bool = False
    ocsf_status: str
    ocsf_status_id: int
    ocsf_compliance: str
    ocsf_compliance_id: int


_PASS = Status(
    word="passed",
    hdf_status="passed",
    hdf_view="Passed",
    xccdf="pass",
    oscal_state="satisfied",
    oscal_reason="pass",
    sarif_kind="pass",
    junit="",
    ckl="NotAFinding",
    ocsf_status="Resolved",
    ocsf_status_id=4,
    ocsf_compliance="Pass",
    ocsf_compliance_id=1,
)
_FAIL = Status(
    word="failed",
    hdf_status="failed",
    hdf_view="Failed",
    xccdf="fail",
    oscal_state="not-satisfied",
    oscal_reason="fail",
    sarif_kind="fail",
    junit="failure",
    ckl="Open",
    ocsf_status="New",
    ocsf_status_id=1,
    ocsf_compliance="Fail",
    ocsf_compliance_id=3,
)
_ERROR = Status(
    word="not assessed",
    hdf_status="failed",
    hdf_view="Profile Error",
    hdf_exception=True,
    xccdf="error",
    oscal_state="not-satisfied",
    oscal_reason="other",
    sarif_kind="review",
    junit="error",
    ckl="Not_Reviewed",
    ocsf_status="New",
    ocsf_status_id=1,
    ocsf_compliance="Warning",  # "did not yield a result due to missing information"
    ocsf_compliance_id=2,
)
_NOT_APPLICABLE = Status(
    word="not applicable",
    hdf_status="skipped",
    hdf_view="Not Applicable",
    hdf_no_impact=True,
    xccdf="notapplicable",
    oscal_state="",
    oscal_reason="",
    sarif_kind="notApplicable",
    junit="skipped",
    ckl="Not_Applicable",
    ocsf_status="Resolved",
    ocsf_status_id=4,
    ocsf_compliance="Not Applicable",
    ocsf_compliance_id=99,
)
_MANUAL = Status(
    word="manual",
    hdf_status="skipped",
    hdf_view="Not Reviewed",
    xccdf="notchecked",
    oscal_state="",
    oscal_reason="",
    oscal_methods=("INTERVIEW", "EXAMINE"),
    sarif_kind="review",
    junit="skipped",
    ckl="Not_Reviewed",
    ocsf_status="New",
    ocsf_status_id=1,
    ocsf_compliance="Warning",
    ocsf_compliance_id=2,
)
_WAIVED = Status(
    word="waived",
    hdf_status="failed",
    hdf_view="Failed",
    hdf_waiver=True,
    xccdf="fail",
    xccdf_override=True,
    oscal_state="not-satisfied",
    oscal_reason="fail",
    oscal_risk=True,
    sarif_kind="fail",
    sarif_suppressed=True,
    junit="skipped",
    ckl="Open",
    ckl_comment=True,
    ocsf_status="Suppressed",
    ocsf_status_id=3,
    ocsf_compliance="Fail",
    ocsf_compliance_id=3,
)
#: By verdict, as the document writes it.
STATUSES: Mapping[str, Status] = {
    Verdict.PASS.value: _PASS,
    Verdict.FAIL.value: _FAIL,
    Verdict.ERROR.value: _ERROR,
    Verdict.NOT_APPLICABLE.value: _NOT_APPLICABLE,
    Verdict.MANUAL.value: _MANUAL,
    Verdict.WAIVED.value: _WAIVED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One severity in the words of every format.

    Attributes:
        hdf_impact: 0 to 1; never 0, which would mean that the control does not apply.
        xccdf: ``severity`` of a ``Rule``.
        sarif_level: of a result that failed.
        sarif_score: ``security-severity`` as GitHub reads it; "": none.
        ckl: ``Severity`` of a DISA checklist.
        ocsf: ``severity``, and ocsf_id its number.
        ocsf_id: as OCSF counts.
    """

    hdf_impact: float
    xccdf: Literal["info", "low", "medium", "high"]
    sarif_level: Literal["note", "warning", "error"]
    sarif_score: str
    ckl: Literal["low", "medium", "high"]
    ocsf: str
    ocsf_id: int


#: By severity, as the document writes it.
WEIGHTS: Mapping[str, Weight] = {
    Severity.CRITICAL.value: Weight(
        hdf_impact=0.9,
        xccdf="high",
        sarif_level="error",
        sarif_score="9.5",
        ckl="high",
        ocsf="Critical",
        ocsf_id=5,
    ),
    Severity.HIGH.value: Weight(
        hdf_impact=0.7,
        xccdf="high",
        sarif_level="error",
        sarif_score="8.0",
        ckl="high",
        ocsf="High",
        ocsf_id=4,
    ),
    Severity.MEDIUM.value: Weight(
        hdf_impact=0.5,
        xccdf="medium",
        sarif_level="warning",
        sarif_score="5.5",
        ckl="medium",
        ocsf="Medium",
        ocsf_id=3,
    ),
    Severity.LOW.value: Weight(
        hdf_impact=0.3,
        xccdf="low",
        sarif_level="note",
        sarif_score="2.0",
        ckl="low",
        ocsf="Low",
        ocsf_id=2,
    ),
    Severity.INFO.value: Weight(
        hdf_impact=0.1,
        xccdf="info",
        sarif_level="note",
        sarif_score="",
        ckl="low",
        ocsf="Informational",
        ocsf_id=1,
    ),
}
