"""Let what people decided stand over what a check found: their answers, and accepted risks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_sysaudit.audit import Audit
from pytest_sysaudit.hooks.check import Check
from pytest_sysaudit.hooks.compliance import Compliance
from pytest_sysaudit.record import Verdict
from pytest_sysaudit.text import printable

if TYPE_CHECKING:
    from pytest_sysaudit.hooks.verdicts import Course


def decide(
    check: Check,
    course: Course,
    report: pytest.TestReport,
    compliance: Compliance,
    audit: Audit | None,
) -> None:
    """Replace the newest verdict in *course* by what was decided; tell pytest in *report*."""
    if report.passed or hasattr(report, "wasxfail") or not course.verdicts:
        return
    found = verdict, message = course.verdicts[-1]
    if verdict is Verdict.MANUAL and (answer := compliance.answer(check)) is not None:
        verdict, message, course.attestation = answer.verdict, answer.message, answer.attestation
    if verdict is Verdict.FAIL and (report.when == "call" or course.attestation):
        if course.from_rows and audit is not None:
            verdict, message = compliance.waive_rows(check, audit.rows) or (verdict, message)
        elif (waiver := compliance.waiver(check)) is not None:
            verdict, course.waiver = Verdict.WAIVED, waiver
    if (verdict, message) != found:
        course.verdicts[-1] = verdict, message
        course.told = message
        _tell(report, course, was_manual=found[0] is Verdict.MANUAL)


def _tell(report: pytest.TestReport, course: Course, *, was_manual: bool) -> None:
    """Give *report* the outcome that pytest knows for the newest verdict."""
    verdict, message = course.verdicts[-1]
    report.outcome = "failed" if verdict in (Verdict.FAIL, Verdict.ERROR) else "skipped"
    if verdict is Verdict.WAIVED:  # for all who ask pytest, it is a failure that was expected
        waiver = course.waiver or {}
        until = f"waived until {waiver['expires'][:10]}: {waiver['reason']}" if waiver else message
        report.wasxfail = printable(until)
    elif was_manual:
        path, line, _ = report.location
        skipped = (path, (line or 0) + 1, f"Skipped: {printable(message)}")
        report.longrepr = printable(message) if report.failed else skipped
