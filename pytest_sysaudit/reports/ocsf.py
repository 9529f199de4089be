"""The ocsf report: a Compliance Finding (class 2003) of OCSF 1.5.0 a line, one a result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.plain import as_text
from pytest_sysaudit.reports.status import STATUSES, WEIGHTS
from pytest_sysaudit.reports.streams import compact
from pytest_sysaudit.reports.telling import (
    Row,
    controls_of,
    justification,
    keyed,
    numbers,
    reason,
    seconds_of,
    severity_of,
)
from pytest_sysaudit.text import shorten

VERSION = "1.5.0"
_CLASS = 2003
#: What a drift does to a finding: number and name of the activity.
_ACTIVITIES = {"changed": (2, "Update"), "unchanged": (2, "Update"), "fixed": (3, "Close")}
_CREATE = (1, "Create")
_RULE = 1  # the type of an analytic
_LONGEST = 10_000


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*, an object a line, as Security Lake and log shippers read it."""
    with path.open("wb") as file:
        file.writelines(compact(event) + b"\n" for event in _events(document))


def _events(document: Mapping[str, Plain]) -> Iterator[dict[str, Plain]]:
    run, seen = document["run"], document.get("evidence") or {}
    controls = controls_of(document)
    targets = {str(target["name"]): target for target in document["targets"]}
    begun = _milliseconds(run["started"])
    about = {name: _about(control) for name, control in controls.items()}
    for key, row in keyed(document["results"]):
        control = controls.get(row["control"], {})
        began = _milliseconds(row["started"]) or begun
        event = {
            **_class(row["drift"]),
            **_verdict(row, control),
            "time": began,
            "start_time": began,
            "end_time": began + round(row["duration"] * 1000),
            "metadata": _metadata(run, row, key),
            "finding_info": {"uid": key, **(about.get(row["control"]) or _about(row))},
            "compliance": _compliance(row, control),
            "resources": _resources(row, targets.get(str(row["target"]), {})),
            "unmapped": _unmapped(row),
        }
        if control.get("remediation"):
            event["remediation"] = {"desc": control["remediation"]}
        evidences = [_evidence(name, seen[name]) for name in row["evidence"] if name in seen]
        if evidences:
            event["evidences"] = evidences
        yield event


def _class(drift: str | None) -> dict[str, Plain]:
    activity, name = _ACTIVITIES.get(drift or "", _CREATE)
    return {
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Compliance Finding",
        "activity_id": activity,
        "activity_name": name,
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"Compliance Finding: {name}",
    }


def _verdict(row: Row, control: Row) -> dict[str, Plain]:
    status, weight = STATUSES[row["verdict"]], WEIGHTS[severity_of(control)]
    said = {
        "severity_id": weight.ocsf_id,
        "severity": weight.ocsf,
        "status_id": status.ocsf_status_id,
        "status": status.ocsf_status,
        "status_code": row["verdict"],
        "status_detail": reason(row),
        "message": shorten(str(row["message"]) or reason(row), _LONGEST),
    }
    if row["waiver"]:
        said["comment"] = justification(row["waiver"])
    return said


def _metadata(run: Row, row: Row, key: str) -> dict[str, Plain]:
    return {
        "version": VERSION,
        "uid": f"{run['id']}/{key}",
        "correlation_uid": run["id"],
        "event_code": row["control"],
        "original_time": row["started"] or run["started"],
        "log_name": "sysaudit",
        "log_provider": "pytest-sysaudit",
        "product": {
            "name": "pytest-sysaudit",
            "vendor_name": "pytest-sysaudit",
            "version": str(run["versions"].get("pytest-sysaudit", "unknown")),
        },
    }


def _about(control: Row) -> dict[str, Plain]:
    """Return what all findings of *control* say of it; a result that has none stands for it."""
    name = control.get("id", control.get("control", ""))
    source = str(control.get("source", control.get("check", "")))
    version = control.get("source_sha256")
    analytic = {"uid": name, "name": source or name, "type_id": _RULE, "type": "Rule"}
    if version:
        analytic["version"] = version
    return {
        "title": str(control.get("title") or name),
        "desc": str(control.get("rationale", "")),
        "types": [str(name).partition(".")[0]],
        "analytic": analytic,
    }


def _compliance(row: Row, control: Row) -> dict[str, Plain]:
    status = STATUSES[row["verdict"]]
    found = {
        "control": row["control"],
        "status_id": status.ocsf_compliance_id,
        "status": status.ocsf_compliance,
        "status_code": row["verdict"],
        # a control of no framework is held to the checks themselves
        "standards": list(control.get("frameworks") or {}) or ["pytest-sysaudit"],
    }
    requirements = [f"{framework} {number}" for framework, number in numbers(control)]
    if requirements:
        found["requirements"] = requirements
    return found


def _resources(row: Row, target: Row) -> list[dict[str, Plain]]:
    name = str(row["target"]) or "run"
    identity = target.get("identity") or {}
    uid = identity.get("arn") or identity.get("machine_id") or identity.get("url") or name
    whole = {
        "name": name,
        "uid": str(uid),
        "type": str(target.get("kind", "run")),
        "labels": [str(group) for group in target.get("groups") or ()],
        "data": {**identity, "params": row["params"]},
    }
    if not row["resource"]:
        return [whole]
    part = {"name": row["resource"], "uid": row["resource"], "type": "resource", "namespace": name}
    return [part, whole]


def _evidence(name: str, seen: Row) -> dict[str, Plain]:
    known = ("kind", "what", "outcome", "sha256", "size", "redacted", "cut")
    return {"uid": name, "name": seen["what"], "data": {key: seen[key] for key in known}}


def _unmapped(row: Row) -> dict[str, Plain]:
    shown = {"expected": row["expected"], "observed": row["observed"], "drift": row["drift"]}
    texts = {
        name: shorten(as_text(value), _LONGEST)
        for name, value in shown.items()
        if value is not None
    }
    return {**texts, **{name: row[name] for name in ("waiver", "attestation") if row[name]}}


def _milliseconds(time: Plain) -> int:
    return round(seconds_of(time) * 1000)
