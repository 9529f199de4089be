"""The OSCAL 1.2 assessment-results report, as JSON.

A target is an inventory item and the subject of observations; a control is a local objective of the
NIST controls that it names; a row of the document is an observation, and a finding where it has a
status; a waiver is a risk whose deviation was approved. What later runs find of the same things has
the same UUIDs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.oscal_assets import Assets
from pytest_sysaudit.reports.oscal_rows import Rows
from pytest_sysaudit.reports.oscal_words import identifier, line, plain_line, props, prose
from pytest_sysaudit.reports.status import STATUSES
from pytest_sysaudit.reports.streams import Items, Members, pieces

VERSION = "1.2.3"


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    whole = Members([("assessment-results", Members(_members(document)))])
    with path.open("wb") as file:
        file.writelines(pieces(whole))
        file.write(b"\n")


def _members(document: Mapping[str, Plain]) -> Iterator[tuple[str, Plain]]:
    run = document["run"]
    assets = Assets(document)
    yield "uuid", identifier("assessment-results", run["id"])
    yield "metadata", _metadata(run, assets)
    yield "import-ap", {"href": f"#{assets.plan}", "remarks": "The inventory and the command line."}
    definitions = [
        ("objectives-and-methods", Items(assets.objectives(), optional=True)),
        ("activities", Items(assets.activities(), optional=True)),
    ]
    if document["controls"]:
        yield "local-definitions", Members(definitions)
    yield "results", Items([Members(_result(document, assets))])
    yield "back-matter", Members([("resources", Items(assets.resources()))])


def _metadata(run: Mapping[str, Plain], assets: Assets) -> dict[str, Plain]:
    return {
        "title": line(f"Audit {run['id']}"),
        "last-modified": run["ended"],
        "version": plain_line(run["id"]),
        "oscal-version": VERSION,
        "roles": [
            {"id": "assessor", "title": "Assessor"},
            {"id": "risk-approver", "title": "Who accepts a risk"},
        ],
        "parties": list(assets.parties()),
        "responsible-parties": [{"role-id": "assessor", "party-uuids": [assets.operator]}],
    }


def _result(document: Mapping[str, Plain], assets: Assets) -> Iterator[tuple[str, Plain]]:
    run, summary = document["run"], document["summary"]
    rows = Rows.of(document, assets)
    yield "uuid", identifier("result", run["id"])
    yield "title", line(f"Audit {run['id']}")
    counts = ", ".join(f"{summary['verdicts'][verdict]} {verdict}" for verdict in STATUSES)
    yield "description", prose(f"{summary['total']} results: {counts}.")
    yield "start", run["started"]
    yield "end", run["ended"]
    gate = summary["gate"]
    broken = "yes" if gate["broken"] else "no"
    yield "props", props({"gate-broken": broken, "gate-rule": gate["rule"]})
    yield "local-definitions", Members(assets.local_definitions())
    yield "reviewed-controls", assets.reviewed_controls()
    yield "attestations", Items(assets.attestations(), optional=True)
    yield "assessment-log", {"entries": list(assets.log())}
    yield "observations", Items(rows.observations(), optional=True)
    yield "risks", Items(rows.risks(), optional=True)
    yield "findings", Items(rows.findings(), optional=True)
