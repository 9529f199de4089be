"""The SARIF 2.1.0 report, whole (``sarif``) or only what needs work (``sarif-github``).

A control is a rule, a row of the document is a result; drift is the baseline state, a waiver a
suppression. GitHub takes every result for an alert, whatever its kind, suppression and baseline
state say, and rejects a file of more than 25,000: so ``sarif-github`` holds only what failed or was
not assessed, worst first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from pytest_sysaudit.record import Plain, Verdict
from pytest_sysaudit.reports.markup import code
from pytest_sysaudit.reports.sarif_rules import rules
from pytest_sysaudit.reports.status import STATUSES, WEIGHTS
from pytest_sysaudit.reports.streams import Items, Members, pieces
from pytest_sysaudit.reports.telling import (
    Row,
    controls_of,
    finding,
    justification,
    keyed,
    parameters,
    place_of,
    reason,
    severity_of,
)
from pytest_sysaudit.text import plural, shorten

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
#: GitHub rejects a file with more results.
MOST_ALERTS = 25_000
_LONGEST = 10_000
_ALERTS = (Verdict.FAIL.value, Verdict.ERROR.value)
#: By our drift. What is fixed is still a result, of another kind than before.
_BASELINE = {"new": "new", "fixed": "updated", "changed": "updated", "unchanged": "unchanged"}
#: Of a result that is gone, what later parts of this module ask for.
_GONE: Row = {
    "message": "",
    "expected": None,
    "observed": None,
    "evidence": (),
    "waiver": None,
    "attestation": None,
    "drift": "gone",
}
_LINK = re.compile(r"\[(?=[^\]\n]*\]\()")


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write all results of *document* to *path*, each with its kind."""
    gone = (document.get("drift") or {}).get("gone") or ()
    _write(document, path, chain(document["results"], ({**_GONE, **row} for row in gone)))


def write_github(document: Mapping[str, Plain], path: Path) -> None:
    """Write to *path* what of *document* GitHub shall show as an alert."""
    controls = controls_of(document)

    def gravity(row: Row) -> tuple[bool, int]:
        weight = WEIGHTS[severity_of(controls.get(row["control"], {}))]
        return row["verdict"] != Verdict.FAIL.value, -weight.ocsf_id

    alerts = sorted((r for r in document["results"] if r["verdict"] in _ALERTS), key=gravity)
    left_out = max(len(alerts) - MOST_ALERTS, 0)
    _write(document, path, iter(alerts[:MOST_ALERTS]), left_out)


def _write(
    document: Mapping[str, Plain], path: Path, rows: Iterator[Row], left_out: int = 0
) -> None:
    run = _Run(document)
    whole = Members(
        [
            ("$schema", SCHEMA),
            ("version", "2.1.0"),
            ("runs", Items([Members(run.members(rows, left_out))])),
        ]
    )
    with path.open("wb") as file:
        file.writelines(pieces(whole))
        file.write(b"\n")


@dataclass(frozen=True, slots=True)
class _Run:
    """The one run of the file."""

    document: Mapping[str, Plain]

    def members(self, rows: Iterator[Row], left_out: int) -> Iterator[tuple[str, Plain]]:
        """Yield the properties of the run, the results last."""
        run = self.document["run"]
        driver = {
            "name": "pytest-sysaudit",
            "version": str(run["versions"].get("pytest-sysaudit", "unknown")),
            "informationUri": "https://pypi.org/project/pytest-sysaudit/",
            "rules": rules(self.document),
        }
        drift = self.document.get("drift")
        yield "tool", {"driver": driver}
        yield "automationDetails", {"id": f"sysaudit/{run['id']}"}
        yield "columnKind", "unicodeCodePoints"
        yield "invocations", [self._invocation(left_out)]
        yield (
            "properties",
            {
                "summary": self.document["summary"]["verdicts"],
                "gate": self.document["summary"]["gate"],
                **({"baseline": drift["baseline"]} if drift else {}),
            },
        )
        yield "results", Items(self._results(rows))

    def _invocation(self, left_out: int) -> dict[str, Plain]:
        run = self.document["run"]
        said = [_note("error", f"{t['name']} was not reached: {t['reason']}", t["name"])
                for t in self.document["targets"] if t["reachable"] is False]  # fmt: skip
        if left_out:
            more = plural(left_out, "result")
            said.append(_note("warning", f"{more} more, the least grave, are left out"))
        arguments = run["command_line"]
        return {
            # whether the tool did its work; that something failed is the work
            "executionSuccessful": not said,
            "commandLine": arguments if isinstance(arguments, str) else " ".join(arguments),
            "startTimeUtc": run["started"],
            "endTimeUtc": run["ended"],
            "account": run["operator"],
            "toolExecutionNotifications": said,
        }

    def _results(self, rows: Iterator[Row]) -> Iterator[dict[str, Plain]]:
        controls = controls_of(self.document)
        index = {name: number for number, name in enumerate(sorted(controls))}
        kinds = {t["name"]: t["kind"] for t in self.document["targets"]}
        drift = self.document.get("drift")
        files = self.document["run"].get("files", {})
        for key, row in keyed(rows):
            result = _result(row, controls.get(row["control"], {}), key)
            if row["control"] in index:
                result["ruleIndex"] = index[row["control"]]
            result["locations"] = [_location(row, kinds.get(row["target"], ""), files)]
            if drift:  # one result without it would make all of them invalid
                result["baselineState"] = (
                    "absent" if row["drift"] == "gone" else _BASELINE.get(row["drift"], "new")
                )
            yield result


def _result(row: Row, control: Row, key: str) -> dict[str, Plain]:
    status = STATUSES[row["verdict"]]
    failed = status.sarif_kind == "fail"
    result: dict[str, Plain] = {
        "ruleId": row["control"],
        "kind": status.sarif_kind,
        "level": WEIGHTS[severity_of(control)].sarif_level if failed else "none",
        "message": _message(row),
        # GitHub knows an alert by the first, and would make one up from the check's first line
        "partialFingerprints": {"primaryLocationLineHash": f"{key[:16]}:1", "sysaudit/v1": key},
        "properties": {
            name: row[name]
            for name in ("verdict", "target", "resource", "params", "evidence", "attestation")
            if row[name]
        },
    }
    if row["drift"]:
        result["properties"]["drift"] = row["drift"]
    if status.sarif_suppressed:
        result["suppressions"] = [_suppression(row["waiver"] or {})]
    return result


def _message(row: Row) -> dict[str, str]:
    where = place_of(row)
    text = f"{where}: {reason(row)}" if where else reason(row)
    more = finding(row)
    if more and more != reason(row):
        text += f"\n\n{more}"
    marked = f"{code(where, 1000) or 'the run'}: {code(reason(row), 1000)}"
    # what looks like a link is one, even in plain text
    return {"text": _LINK.sub(r"\\[", shorten(text, _LONGEST)), "markdown": marked}


def _location(row: Row, kind: str, files: Mapping[str, str]) -> dict[str, Plain]:
    """Name the check's file, without which GitHub rejects the whole report, and what was judged."""
    path = str(row["check"]).partition("::")[0] or str(row["control"])
    path = files.get(path, path)
    names = filter(None, [str(row["target"]), parameters(row), str(row["resource"])])
    logical = [{"name": row["target"] or "run", "fullyQualifiedName": "/".join(names) or "run"}]
    logical[0]["kind"] = f"{kind} target".lstrip() if row["target"] else "run"
    if row["resource"]:
        logical.append({"name": row["resource"], "kind": "resource"})
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(path.lstrip("/"), errors="replace")},
            "region": {"startLine": 1},
        },
        "logicalLocations": logical,
    }


def _suppression(waiver: Row) -> dict[str, Plain]:
    more = {name: waiver[name] for name in waiver if name not in ("justification", "reason")}
    return {
        "kind": "external",
        "status": "accepted",
        "justification": justification(waiver),
        **({"properties": more} if more else {}),
    }


def _note(level: str, text: str, target: str = "") -> dict[str, Plain]:
    where = {"locations": [{"logicalLocations": [{"name": target}]}]} if target else {}
    return {"level": level, "message": {"text": text}, **where}
