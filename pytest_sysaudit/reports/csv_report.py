"""The csv report: RFC 4180 in UTF-8, a header, then a row a result.

A cell that a spreadsheet would take for a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.plain import as_text, clean
from pytest_sysaudit.reports.telling import (
    Row,
    controls_of,
    justification,
    numbers,
    parameters,
    severity_of,
)
from pytest_sysaudit.text import shorten

HEADER = (
    "target",
    "kind",
    "control",
    "title",
    "severity",
    "verdict",
    "resource",
    "params",
    "message",
    "expected",
    "observed",
    "started",
    "duration",
    "check",
    "frameworks",
    "drift",
    "waiver_reason",
    "waiver_approver",
    "waiver_ticket",
    "waiver_expires",
    "attested_by",
    "attested_at",
    "attested_until",
    "evidence",
    "remediation",
)
#: What begins a formula in Excel, LibreOffice or Google Sheets, also written wide.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: Excel cuts cells behind 32,767 characters, and goes on in the next row.
_LONGEST = 32_000


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(chain([HEADER], _rows(document)))


def _rows(document: Mapping[str, Plain]) -> Iterator[list[str]]:
    kinds = {target["name"]: target["kind"] for target in document["targets"]}
    controls = controls_of(document)
    # what all rows of a control share is made once
    shared = {name: _about(control) for name, control in controls.items()}
    for row in document["results"]:
        known = shared.get(row["control"]) or _about({})
        cells = {**known, **_found(row), "kind": kinds.get(row["target"], "")}
        yield [_cell(cells[name]) for name in HEADER]


def _about(control: Row) -> dict[str, Plain]:
    return {
        "title": control.get("title", ""),
        "severity": severity_of(control),
        "frameworks": "; ".join(f"{name} {number}" for name, number in numbers(control)),
        "remediation": control.get("remediation", ""),
    }


def _found(row: Row) -> dict[str, Plain]:
    waiver, attestation = row["waiver"] or {}, row["attestation"] or {}
    return {
        **row,
        "params": parameters(row),
        "evidence": " ".join(row["evidence"]),
        "waiver_reason": justification(waiver) if waiver else "",
        "waiver_approver": waiver.get("approver", ""),
        "waiver_ticket": waiver.get("ticket", ""),
        "waiver_expires": waiver.get("expires", ""),
        "attested_by": attestation.get("by", ""),
        "attested_at": attestation.get("at", ""),
        "attested_until": attestation.get("valid_until", ""),
    }


def _cell(value: Plain) -> str:
    text = shorten(as_text(clean(value)), _LONGEST)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
