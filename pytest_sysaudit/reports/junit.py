"""The JUnit report, as Jenkins, GitLab and others read it; valid against ``junit-10.xsd``.

A suite is a target; results about no target are in the suite ``run``. A test case's classname is
the check's file as a dotted path (``linux.test_accounts``), the same on every target; its name is
the check's function with target, parameters and resource in brackets (``test_x[web1, /etc/motd]``),
because GitLab and Jenkins take cases of equal classname and name for one test.

The schema allows no properties in a test case (pytest's own ``record_property`` breaks it), so the
control's id, severity and frameworks are in its ``system-out``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.plain import as_text, clean_text, compact
from pytest_sysaudit.reports.status import STATUSES
from pytest_sysaudit.reports.telling import (
    Row,
    controls_of,
    finding,
    guidance,
    place_of,
    reason,
    severity_of,
)
from pytest_sysaudit.text import shorten

_LONGEST_TEXT = 20_000
_LONGEST_LINE = 1000


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    with path.open("wb") as file:
        file.writelines(_pieces(document))


def render(document: Mapping[str, Plain]) -> bytes:
    """Return *document* as JUnit XML."""
    return b"".join(_pieces(document))


def _pieces(document: Mapping[str, Plain]) -> Iterator[bytes]:
    """Yield the XML suite by suite, so that only one of them is in memory as elements."""
    rows = sorted(document["results"], key=lambda row: str(row["target"]))
    by_target = {name: list(group) for name, group in groupby(rows, lambda row: str(row["target"]))}
    controls = controls_of(document)
    systems = {str(target["name"]): target for target in document["targets"]}
    root = ET.Element("testsuites", {"name": "pytest-sysaudit", **_totals(rows)})
    names = sorted({*by_target, *systems})
    start = ET.tostring(root, "unicode")
    yield b'<?xml version="1.0" encoding="utf-8"?>\n'
    yield (start.removesuffix(" />") + ">" if names else start).encode()
    for number, name in enumerate(names):
        suite = _suite(document["run"], systems.get(name, {}), name, by_target.get(name, []))
        suite.set("id", str(number))
        suite.extend(
            _case(row, controls.get(row["control"], {})) for row in by_target.get(name, [])
        )
        ET.indent(suite, " ", level=1)
        yield f"\n {ET.tostring(suite, 'unicode')}".encode()
    yield b"\n</testsuites>\n" if names else b"\n"


def _suite(run: Row, target: Row, name: str, rows: list[Row]) -> ET.Element:
    identity = target.get("identity") or {}
    address = identity.get("address") or identity.get("url") or identity.get("account_id") or name
    started = min((row["started"] for row in rows if row["started"]), default=run.get("started"))
    suite = ET.Element(
        "testsuite",
        {
            "name": _fit(name) or "run",
            **_totals(rows),
            "skipped": str(sum(STATUSES[row["verdict"]].junit == "skipped" for row in rows)),
            "timestamp": str(started or "").partition(".")[0].removesuffix("Z"),
            "hostname": _fit(address) or "run",
        },
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(run, target):
        ET.SubElement(properties, "property", {"name": _fit(key), "value": _fit(value)})
    return suite


def _properties(run: Row, target: Row) -> Iterator[tuple[str, Plain]]:
    yield from (("run", run.get("id", "")), ("operator", run.get("operator", "")))
    if run.get("profile"):
        yield "profile", run["profile"]["name"]
    for key, value in target.items():
        if key == "identity":
            yield from (value or {}).items()
        elif key == "groups":
            yield key, ", ".join(value)
        elif key != "name":
            yield key, value


def _totals(rows: Iterable[Row]) -> dict[str, str]:
    rows = list(rows)
    kinds = Counter(STATUSES[row["verdict"]].junit for row in rows)
    return {
        "tests": str(len(rows)),
        "failures": str(kinds["failure"]),
        "errors": str(kinds["error"]),
        "time": _seconds(sum(row["duration"] for row in rows)),
    }


def _case(row: Row, control: Row) -> ET.Element:
    place, _, function = str(row["check"]).partition("::")
    *classes, function = (function or row["control"]).split("::")
    where = place_of(row)
    case = ET.Element(
        "testcase",
        {
            "classname": _fit(".".join([place.removesuffix(".py").replace("/", "."), *classes])),
            "name": _name(f"{function}[{where}]" if where else function),
            "time": _seconds(row["duration"]),
        },
    )
    element = STATUSES[row["verdict"]].junit
    if element:
        message = f"{row['control']} ({severity_of(control)}): {reason(row)}"
        attributes = {"type": row["verdict"], "message": _fit(message)}
        explained = "\n\n".join(filter(None, [finding(row), guidance(control)]))
        ET.SubElement(case, element, attributes).text = _fit(explained, _LONGEST_TEXT)
    # GitLab would take what a target wrote for a file to link
    facts = _facts(row, control).replace("[[ATTACHMENT|", "[[ATTACHMENT |")
    ET.SubElement(case, "system-out").text = _fit(facts, _LONGEST_TEXT)
    return case


def _facts(row: Row, control: Row) -> str:
    lines = [f"control: {row['control']}", f"title: {control.get('title', '')}"]
    lines += [f"severity: {severity_of(control)}", f"verdict: {row['verdict']}"]
    lines += [f"{name}: {', '.join(n)}" for name, n in control.get("frameworks", {}).items()]
    for name in ("resource", "observed", "evidence", "waiver", "attestation", "drift"):
        value = row[name]
        if value not in (None, "", [], {}, ()):
            lines.append(f"{name}: {value if isinstance(value, str) else compact(value)}")
    return "\n".join(lines)


def _name(text: str) -> str:
    """Return *text* shortened so that no two names become one: readers would show one test."""
    if len(text) <= _LONGEST_LINE:
        return _fit(text)
    return f"{_fit(text)} {sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()[:12]}"


def _seconds(seconds: float) -> str:
    return f"{max(seconds, 0):.3f}"


def _fit(value: Plain, limit: int = _LONGEST_LINE) -> str:
    text = "yes" if value is True else "no" if value is False else as_text(value)
    return shorten(clean_text(text), limit)
