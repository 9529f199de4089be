"""The json document: the source of every report, complete, sorted and plain."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields

from pytest_sysaudit.record import Control, Plain, Result, Severity, Verdict
from pytest_sysaudit.reports.plain import clean, ordered
from pytest_sysaudit.text import plural

SCHEMA = "sysaudit-results/1"
#: What a result says about when it was made, and nothing about what was found.
TIMES = ("started", "duration")

_RUN = (
    "id",
    "started",
    "ended",
    "operator",
    "command_line",
    "versions",
    "inventory_sha256",
    "selection",
)
_TARGET = ("name", "kind", "groups", "identity", "reachable", "reason")
_CONTROL = tuple(field.name for field in fields(Control))
_RESULT = tuple(field.name for field in fields(Result))
_SUMMARY = ("total", "verdicts", "by_severity", "by_target", "by_framework", "gate")
#: The parts in their order, and the keys of their records that come first.
_SHAPES: Mapping[str, Sequence[str]] = {
    "schema": (),
    "run": _RUN,
    "targets": _TARGET,
    "controls": _CONTROL,
    "results": _RESULT,
    "summary": _SUMMARY,
}


def build(
    run: Mapping[str, Plain],
    targets: Sequence[Mapping[str, Plain]],
    controls: Sequence[Control],
    results: Sequence[Result],
    gate: Mapping[str, Plain] | None = None,
) -> dict[str, Plain]:
    """Build the document from its parts, in whatever order these come.

    Args:
        run: ``id``, ``started``, ``ended``, ``operator``, ``command_line``, ``versions``,
            ``inventory_sha256``, ``selection``, and what else is known about the run.
        targets: ``name``, ``kind``, ``groups``, ``identity``, ``reachable`` (None: never tried)
            and ``reason`` of each.
        controls: every control that was selected.
        results: every result; no row may be missing, which is for the caller to see to.
        gate: ``{"broken": bool, "rule": str}``; None, or one that says neither that it is broken
            nor which rule held, as after a run that was ended early, judges by the default gate.

    Returns:
        JSON data that is equal for equal parts.
    """
    rows = [ordered(result.to_plain(), _RESULT) for result in sorted(results, key=_place)]
    requirements = [ordered(control.to_plain(), _CONTROL) for control in controls]
    systems = [ordered(target, _TARGET) for target in targets]
    document: dict[str, Plain] = {
        "schema": SCHEMA,
        "run": ordered(run, _RUN),
        "targets": sorted(systems, key=lambda target: str(target["name"])),
        "controls": sorted(requirements, key=lambda control: str(control["id"])),
        "results": rows,
    }
    document["summary"] = summarize(document, gate)
    return document


def summarize(
    document: Mapping[str, Plain], gate: Mapping[str, Plain] | None = None
) -> dict[str, Plain]:
    """Count the results of *document*; `build` has done so already.

    Returns:
        ``total``; ``verdicts`` by verdict; ``by_severity``, ``by_target`` and ``by_framework``,
        each a table of verdicts by its key; ``gate`` with ``broken`` and ``rule``.
    """
    results = document["results"]
    controls = {control["id"]: control for control in document["controls"]}
    severities: dict[str, Counter[str]] = {s.value: Counter() for s in reversed(Severity)}
    names = sorted({t["name"] for t in document["targets"]} | {r["target"] for r in results})
    targets: dict[str, Counter[str]] = {name: Counter() for name in names}
    frameworks: dict[str, Counter[str]] = {
        name: Counter() for name in sorted({f for c in controls.values() for f in c["frameworks"]})
    }
    for row in results:
        control = controls.get(row["control"], {})
        severities[control.get("severity", Severity.MEDIUM.value)][row["verdict"]] += 1
        targets[row["target"]][row["verdict"]] += 1
        for name in control.get("frameworks", ()):
            frameworks[name][row["verdict"]] += 1
    verdicts = _table(Counter(row["verdict"] for row in results))
    return {
        "total": len(results),
        "verdicts": verdicts,
        "by_severity": {name: _table(counts) for name, counts in severities.items()},
        "by_target": {name: _table(counts) for name, counts in targets.items()},
        "by_framework": {name: _table(counts) for name, counts in frameworks.items()},
        "gate": clean(gate)
        if gate and (gate["broken"] or gate["rule"])
        else default_gate(verdicts),
    }


def default_gate(verdicts: Mapping[str, int]) -> dict[str, Plain]:
    """Judge by the gate of a run that names none: nothing fails, everything is assessed."""
    failed, errors = verdicts[Verdict.FAIL.value], verdicts[Verdict.ERROR.value]
    if failed:
        return {"broken": True, "rule": f"fail: 0 (found {failed})"}
    if errors:
        found = plural(errors, "check")
        return {"broken": True, "rule": f"error: 0 ({found} not assessed)"}
    return {"broken": False, "rule": "fail: 0, error: 0"}


def equal_parts(document: Mapping[str, Plain]) -> dict[str, Plain]:
    """Return *document* without the run block and all times: equal findings are equal bytes."""
    parts = {name: value for name, value in document.items() if name != "run"}
    parts["results"] = [
        {name: value for name, value in row.items() if name not in TIMES}
        for row in document["results"]
    ]
    return parts


def dumps(document: Mapping[str, Plain]) -> bytes:
    """Return *document* as canonical JSON: valid UTF-8, one form only, a newline at the end."""
    parts = {name: document[name] for name in _SHAPES if name in document}
    plain = {
        name: _shaped(part, _SHAPES.get(name, ())) for name, part in {**parts, **document}.items()
    }
    return json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"


def _shaped(part: Plain, first: Sequence[str]) -> Plain:
    if isinstance(part, Mapping):
        return ordered(part, first)
    if isinstance(part, list):
        return [ordered(record, first) for record in part]
    return clean(part)


def _place(result: Result) -> tuple[str, ...]:
    """Sort by `Result.sort_key`; rows that share it by what they say, times last."""
    rest = clean(result.to_plain())
    times = {name: rest.pop(name) for name in TIMES}
    return (*result.sort_key, json.dumps(rest), json.dumps(times))


def _table(counts: Mapping[str, int]) -> dict[str, int]:
    return {verdict.value: counts.get(verdict.value, 0) for verdict in Verdict}
