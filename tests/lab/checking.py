"""Run one check function by hand, with the inputs that its control marker declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_sysaudit.audit import Audit, judge
from pytest_sysaudit.record import Verdict


def verdict_of(check: Callable[..., Any], *fixtures: Any, **inputs: Any) -> tuple[Verdict, str]:
    """Call *check* with *fixtures* and an audit of its own; return verdict and message."""
    marks = {mark.name: mark for mark in check.pytestmark}  # type: ignore[attr-defined]
    audit = Audit({**marks["control"].kwargs.get("inputs", {}), **inputs})
    try:
        check(*fixtures, audit)
        audit.conclude()
    except Exception as error:  # noqa: BLE001 - a check may raise anything
        return judge(error)
    return Verdict.PASS, ""
