"""Several runs as one document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_sysaudit.compliance.gate import Gate
from pytest_sysaudit.record import Control, Place, Plain, Result, Verdict, worst
from pytest_sysaudit.reports.document import build, summarize

Doc = Mapping[str, Plain]
_SAME_HOST = ("machine_id", "account_id")
"""What tells that two targets with one name are not the same."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of merging.

    Attributes:
        document: the new document.
        remarks: where the runs do not agree, and what was taken.
    """

    document: dict[str, Plain]
    remarks: tuple[str, ...]


def merge(documents: Sequence[tuple[str, Doc]], gate: Gate, *, newest: bool = False) -> Merged:
    """Merge the documents of several runs.

    Args:
        documents: each with its file's name.
        gate: judges the result.
        newest: whether of two runs that judged the same check on the same target the newer
            counts; else the worse does.
    """
    ordered = sorted(documents, key=lambda pair: (pair[1]["run"]["started"], pair[1]["run"]["id"]))
    remarks: list[str] = []
    results = list(_results(ordered, remarks, newest=newest))
    controls = _controls(ordered, remarks)
    targets = _targets(ordered, remarks)
    parts = _parts(ordered, remarks)
    document = build(_run(ordered), targets, controls, results, parts=parts)
    document["summary"] = summarize(document, gate.judge(document).to_plain())
    return Merged(document, tuple(remarks))


def _results(
    ordered: Sequence[tuple[str, Doc]], remarks: list[str], *, newest: bool
) -> Iterator[Result]:
    """Yield all results; those of a check on a target come from one run."""
    found: dict[Place, list[tuple[str, list[Result]]]] = {}
    for name, document in ordered:
        rows: dict[Place, list[Result]] = {}
        for plain in document["results"]:
            result = Result.from_plain({**plain, "drift": None})
            rows.setdefault(result.place, []).append(result)
        for place, same in rows.items():
            found.setdefault(place, []).append((name, same))
    for place, runs in found.items():
        verdicts = {name: worst([row.verdict for row in rows]) for name, rows in runs}
        if len({_said(rows) for _, rows in runs}) > 1:
            told = ", ".join(f"{verdict.value} in {name}" for name, verdict in verdicts.items())
            rule = "the newest counts" if newest else "the worst counts"
            remarks.append(f"{place.control} on {place.target or 'the run'}: {told}; {rule}")
        gravest = max(verdict.gravity for verdict in verdicts.values())
        kept = [rows for name, rows in runs if newest or verdicts[name].gravity == gravest]
        yield from kept[-1]


def _said(rows: Iterable[Result]) -> tuple[tuple[str, Verdict], ...]:
    return tuple(sorted((row.resource, row.verdict) for row in rows))


def _controls(ordered: Sequence[tuple[str, Doc]], remarks: list[str]) -> list[Control]:
    controls: dict[str, Control] = {}
    for name, document in ordered:
        for plain in document["controls"]:
            control = Control.from_plain(plain)
            known = controls.get(control.id)
            if known is not None and known.source_sha256 != control.source_sha256:
                remarks.append(
                    f"{control.id}: its check is another one in {name} than before; "
                    "its texts are told as in the newest"
                )
            controls[control.id] = control
    return [*controls.values()]


def _targets(ordered: Sequence[tuple[str, Doc]], remarks: list[str]) -> list[dict[str, Plain]]:
    targets: dict[str, dict[str, Plain]] = {}
    for name, document in ordered:
        for one in document["targets"]:
            known = targets.get(one["name"])
            if known is None:
                targets[one["name"]] = {**one}
                continue
            for key in _SAME_HOST:
                old, new = known["identity"].get(key), one["identity"].get(key)
                if old and new and old != new:
                    remarks.append(
                        f"{one['name']}: is another target in {name}: {key} {new}, {old}"
                    )
            targets[one["name"]] = _joined(known, one)
    return [*targets.values()]


def _joined(old: Mapping[str, Plain], new: Mapping[str, Plain]) -> dict[str, Plain]:
    dead = next((one for one in (new, old) if one["reachable"] is False), None)
    alive = next((one for one in (new, old) if one["reachable"]), new)
    state = dead or alive
    return {
        **new,
        "groups": sorted({*old["groups"], *new["groups"]}),
        "identity": {**old["identity"], **new["identity"]},
        "reachable": state["reachable"],
        "reason": state["reason"],
    }


def _parts(ordered: Sequence[tuple[str, Doc]], remarks: list[str]) -> dict[str, Plain]:
    parts: dict[str, Plain] = {}
    for name, document in ordered:
        for part in ("waivers", "attestations"):
            for entry in document.get(part) or ():
                entries = parts.setdefault(part, [])
                if entry not in entries:
                    entries.append(entry)
        if document.get("evidence"):
            parts.setdefault("evidence", {}).update(document["evidence"])
        if document.get("drift"):
            remarks.append(f"{name}: what drifted is not told: each run had a baseline of its own")
    return parts


def _run(ordered: Sequence[tuple[str, Doc]]) -> dict[str, Plain]:
    runs = [document["run"] for _, document in ordered]
    ids = "\n".join(sorted(str(run["id"]) for run in runs))
    versions = {name for run in runs for name in run["versions"]}
    selections = [run["selection"] for run in runs]
    hashes = {run["inventory_sha256"] for run in runs}
    return {
        "id": f"merged-{hashlib.sha256(ids.encode()).hexdigest()[:16]}",
        "started": min(str(run["started"]) for run in runs),
        "ended": max(str(run["ended"]) for run in runs),
        "operator": _all(run["operator"] for run in runs),
        "command_line": _all(_line(run["command_line"]) for run in runs),
        "versions": {n: _all(run["versions"].get(n) for run in runs) for n in sorted(versions)},
        "inventory_sha256": hashes.pop() if len(hashes) == 1 else None,
        "selection": selections[0] if all(one == selections[0] for one in selections) else {},
        "profile": runs[-1].get("profile") if _is_one(runs) else None,
        "merged": [
            {"id": run["id"], "started": run["started"], "file": name}
            for (name, _), run in zip(ordered, runs, strict=True)
        ],
    }


def _is_one(runs: Sequence[Mapping[str, Plain]]) -> bool:
    return all(run.get("profile") == runs[0].get("profile") for run in runs)


def _line(command_line: Plain) -> str:
    return command_line if isinstance(command_line, str) else " ".join(command_line)


def _all(values: Iterable[Plain]) -> str:
    return "; ".join(dict.fromkeys(str(value) for value in values if value))
