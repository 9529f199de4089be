"""The HDF report: InSpec's exec-json, as Heimdall, ``saf`` and others of that family read it.

One profile for the run, because ``saf`` judges by the first profile of a file only. One control
for each control on each target, because Heimdall takes controls of one id for overlays of one
another, shows the first of them only, and knows a waiver and "not applicable" (impact 0) for whole
controls only. With several targets the id is therefore ``ssh.root-login[web1]``; with one it is the
control's own, as in a file of InSpec. Rows about resources are the results of their control.

Heimdall's order is error, failed, passed, skipped; ours is failed, not assessed, manual, passed.
So that it shows the worst row, an error beside a failure has no backtrace, and what passed beside
something manual is ``skipped``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from pytest_sysaudit.record import Plain, Severity, Verdict, worst
from pytest_sysaudit.reports.status import STATUSES, WEIGHTS
from pytest_sysaudit.reports.streams import Items, Members, compact, pieces
from pytest_sysaudit.reports.telling import (
    Row,
    controls_of,
    finding,
    justification,
    moment_of,
    numbers,
    place_of,
    severity_of,
)
from pytest_sysaudit.text import first_line, plural

#: What the file says of the run as it is in the json report.
_PASSED_THROUGH = ("schema", "run", "targets", "waivers", "attestations", "drift", "summary")
#: The frameworks whose numbers are NIST's; what follows is a revision.
_NIST = "nist-800-53"
_ATTESTED = {"pass": "passed", "fail": "failed"}


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    with path.open("wb") as file:
        file.writelines(pieces(Members(_file(document))))


def render(document: Mapping[str, Plain]) -> bytes:
    """Return *document* as exec-json."""
    return b"".join(pieces(Members(_file(document))))


def _file(document: Mapping[str, Plain]) -> Iterator[tuple[str, Plain]]:
    """Yield the parts of the file; what is counted while controls are written comes after them."""
    run, places = document["run"], _places(document)
    several = len({target for target, _ in places} | {t["name"] for t in document["targets"]}) > 1
    version = str(run.get("versions", {}).get("pytest-sysaudit", ""))
    counts: Counter[str] = Counter()
    yield "platform", _platform(document, version)
    yield "version", version
    profile = _profile(document, places, version, several=several)
    controls = Items(_controls(document, places, counts, several=several))
    yield "profiles", Items([Members([*profile.items(), ("controls", controls)])])
    yield "statistics", _statistics(run, counts)
    yield "passthrough", {name: document[name] for name in _PASSED_THROUGH if name in document}


def _controls(
    document: Mapping[str, Plain],
    places: Mapping[tuple[str, str], Sequence[Row]],
    counts: Counter[str],
    *,
    several: bool,
) -> Iterator[dict[str, Plain]]:
    """Yield every control of every target, and count what becomes of them in *counts*."""
    known, started = controls_of(document), str(document["run"].get("started", ""))
    for (target, name), rows in places.items():
        control = _control(known.get(name) or {"id": name}, target, rows, started)
        if several:
            control["id"] = _id(name, target)
        counts[STATUSES[_worst(rows)].hdf_status] += 1
        yield control


def _places(document: Mapping[str, Plain]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of every control on every target."""

    def key(row: Row) -> tuple[str, str]:
        return str(row["target"]), str(row["control"])

    return {place: list(rows) for place, rows in groupby(sorted(document["results"], key=key), key)}


def _platform(document: Mapping[str, Plain], version: str) -> dict[str, Plain]:
    names = [target["name"] for target in document["targets"]]
    target_id = names[0] if len(names) == 1 else plural(len(names), "target")
    return {"name": "pytest-sysaudit", "release": version, "target_id": target_id}


def _profile(
    document: Mapping[str, Plain],
    places: Mapping[tuple[str, str], object],
    version: str,
    *,
    several: bool,
) -> dict[str, Plain]:
    """Return the profile without its controls; its checksum is that of the text of all checks."""
    chosen = document["run"].get("profile") or {}
    checks = [[c["id"], c["severity"], c["source_sha256"]] for c in document["controls"]]
    ids: dict[str, list[str]] = {str(target["name"]): [] for target in document["targets"]}
    for name, control in places:
        ids.setdefault(name, []).append(_id(control, name) if several else control)
    groups = [
        {"id": target["name"], "title": _described(target), "controls": ids[str(target["name"])]}
        for target in document["targets"]
    ]
    return {
        "name": str(chosen.get("name") or "pytest-sysaudit"),
        "title": f"pytest-sysaudit, run {document['run'].get('id', '')}",
        "summary": f"{plural(len(checks), 'control')} on {plural(len(groups), 'target')}",
        "version": version,
        "sha256": sha256(compact(checks)).hexdigest(),
        "status": "loaded",
        "supports": [],
        "attributes": [],
        "groups": groups,
    }


def _described(target: Row) -> str:
    identity = target.get("identity") or {}
    words = [str(target.get("kind", ""))]
    words += [
        str(identity[name]) for name in ("address", "url", "account_id", "os") if identity.get(name)
    ]
    words += [f"not reachable: {target['reason']}"] if target.get("reason") else []
    return ", ".join(words)


def _id(control: str, target: str) -> str:
    return f"{control}[{target}]" if target else control


def _control(control: Row, target: str, rows: Sequence[Row], started: str) -> dict[str, Plain]:
    verdict = _worst(rows)
    status, severity = STATUSES[verdict], severity_of(control)
    source = str(control.get("source") or rows[0]["check"])
    why, reason = str(control.get("rationale", "")), first_line(str(rows[0]["message"]))
    # What does not apply has no other text in Heimdall than the control's description.
    desc = f"Not applicable: {reason}\n\n{why}".strip() if status.hdf_no_impact else why
    texts = {
        "rationale": why,
        "check": f"{source} (SHA-256 of its text: {control.get('source_sha256') or 'not known'})",
        "fix": str(control.get("remediation", "")),
    }
    return {
        "id": control["id"],
        "title": control.get("title", ""),
        "desc": desc,
        "descriptions": [{"label": k, "data": text} for k, text in texts.items() if text],
        "impact": 0 if status.hdf_no_impact else WEIGHTS[severity].hdf_impact,
        "refs": [{"ref": f"{framework} {number}"} for framework, number in numbers(control)],
        "tags": _tags(control, target, severity),
        "code": f"# {texts['check']}",
        "source_location": {"ref": source.partition("::")[0], "line": None},
        "waiver_data": _waiver(rows),
        **_attestation(control, rows),
        "results": [_result(row, control, verdict, started) for row in rows],
    }


def _worst(rows: Sequence[Row]) -> Verdict:
    return worst([Verdict(row["verdict"]) for row in rows])


def _tags(control: Row, target: str, severity: str) -> dict[str, Plain]:
    nist = [number for framework, number in numbers(control) if framework.startswith(_NIST)]
    return {
        **(control.get("frameworks") or {}),
        # Heimdall's lowest is none. Its impact of 0.1, since 0 would be "not applicable", is low.
        "severity": "none" if severity == Severity.INFO.value else severity,
        **({"nist": nist} if nist else {}),
        "control": control["id"],
        "target": target,
    }


def _waiver(rows: Sequence[Row]) -> dict[str, Plain]:
    """Return the first waiver that covers a row; it hides nothing: the control stays Failed."""
    for row in rows:
        waiver = row.get("waiver")
        if row["verdict"] == Verdict.WAIVED.value and waiver:
            said = [
                f"{name}: {waiver[name]}" for name in ("approver", "ticket") if waiver.get(name)
            ]
            return {
                "justification": justification(waiver),
                "expiration_date": str(waiver.get("expires") or "") or None,
                "run": True,
                "skipped_due_to_waiver": False,
                "message": ", ".join([f"accepted by {waiver.get('by') or 'a waiver'}", *said]),
            }
    return {}


def _attestation(control: Row, rows: Sequence[Row]) -> dict[str, Plain]:
    for row in rows:
        said = row.get("attestation") or {}
        status = _ATTESTED.get(str(said.get("status")))
        if status:
            words = {
                "control_id": str(control["id"]),
                "explanation": str(said.get("explanation") or ""),
                "frequency": _frequency(said),
                "status": status,
                "updated": str(said.get("at") or ""),
                "updated_by": str(said.get("by") or ""),
            }
            return {"attestation_data": {**said, **words}}
    return {}


def _frequency(attestation: Row) -> str:
    """Return for how long it holds, in ``saf``'s words: ``90d``."""
    seconds = _seconds(attestation.get("at"), attestation.get("valid_until"))
    return "unknown" if seconds is None else f"{max(round(seconds / 86400), 0)}d"


def _result(row: Row, control: Row, verdict: Verdict, started: str) -> dict[str, Plain]:
    status = STATUSES[row["verdict"]]
    place = place_of(row)
    title = str(control.get("title") or control["id"])
    message = finding(row)
    result: dict[str, Plain] = {
        "status": status.hdf_status,
        "code_desc": f"target: {place}, {title}" if place else title,
        "start_time": row["started"] or started,
        "run_time": row["duration"],
        "resource_id": str(row["resource"] or row["target"]),
        "verdict": row["verdict"],
    }
    if verdict is Verdict.MANUAL and row["verdict"] == Verdict.PASS.value:
        result["status"], message = "skipped", f"passed, but not all is reviewed. {message}".strip()
    if message:
        result["skip_message" if result["status"] == "skipped" else "message"] = message
    if status.hdf_exception:
        result["exception"] = "CannotAssess"
        if verdict is Verdict.ERROR:
            result["backtrace"] = [str(row["check"]), *message.splitlines()]
    return {**result, **{n: row[n] for n in ("evidence", "drift") if row.get(n)}}


def _statistics(run: Row, counts: Mapping[str, int]) -> dict[str, Plain]:
    controls = {name: {"total": counts.get(name, 0)} for name in ("passed", "skipped", "failed")}
    return {
        "duration": _seconds(run.get("started"), run.get("ended")),
        "controls": {"total": sum(counts.values()), **controls},
    }


def _seconds(start: Plain, end: Plain) -> float | None:
    """Return the time from *start* to *end*, ISO 8601 both; None if one says none."""
    began, ended = moment_of(start), moment_of(end)
    return (ended - began).total_seconds() if began and ended else None
