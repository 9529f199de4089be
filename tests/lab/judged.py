"""A check as the plugin runs it, with all that it saw: to compare a run with its replay."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pytest_sysaudit.audit import Audit, judge
from pytest_sysaudit.evidence.trail import collected
from pytest_sysaudit.record import Plain, Verdict


def checks_of(*modules: str) -> dict[str, Callable[..., Any]]:
    """The shipped checks of ``checks.aws.test_s3`` and the like, by the id of their control."""
    return dict(_checks(modules))


def _checks(modules: tuple[str, ...]) -> Iterator[tuple[str, Callable[..., Any]]]:
    for module in modules:
        for name, function in vars(importlib.import_module(module)).items():
            if name.startswith("test_"):
                mark = next(one for one in function.pytestmark if one.name == "control")
                yield mark.args[0], function


def judged(check: Callable[..., Any], given: Mapping[str, Any], **inputs: Any) -> dict[str, Plain]:
    """Run *check* with those of *given* that it asks for; return all that a report would tell.

    ``evidence``: the ids of the observations it used, in their order.
    """
    mark = next(one for one in check.pytestmark if one.name == "control")  # type: ignore[attr-defined]
    audit = Audit({**mark.kwargs.get("inputs", {}), **inputs})
    names = check.__code__.co_varnames[: check.__code__.co_argcount]
    verdict, message = Verdict.PASS, ""
    with collected() as trail:
        try:
            check(**{name: {**given, "audit": audit}[name] for name in names})
            audit.conclude()
        except Exception as error:  # noqa: BLE001 - a check may raise anything
            verdict, message = judge(error)
    rows = [(row.resource, row.verdict, row.message, dict(row.observed)) for row in audit.rows]
    return {
        "verdict": verdict,
        "message": message,
        "observed": dict(audit.observations),
        "rows": rows,
        "evidence": list(trail.ids),
        "redacted": trail.redacted,
    }
