"""The XCCDF 1.2 report: every control a Rule, every target a TestResult, in one Benchmark.

Rows about resources and parameters are rule-results of their own, with an ``instance`` for each;
their Rule is ``multiple``. The result of a waived failure stays ``fail``; its ``override`` says who
accepted it until when, and changes nothing (old and new result are equal, as the result has to be
the new one).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.profile import profile_lines
from pytest_sysaudit.reports.status import WEIGHTS
from pytest_sysaudit.reports.telling import Row, controls_of, numbers, severity_of
from pytest_sysaudit.reports.xccdf_names import CHECKS, add, time_of, urn, xccdf_id
from pytest_sysaudit.reports.xccdf_results import Audit, check_of, test_results
from pytest_sysaudit.text import plural

NAMESPACE = "http://checklists.nist.gov/xccdf/1.2"
_HOSTS = {"local", "ssh", "testinfra"}
#: In the older of the two forms of CPE: oscap 1.3 takes a file for invalid if the schematron rules
#: have nothing at all to say of it, and of this form they say that the newer is preferred.
_LINUX = "cpe:/o:linux:linux_kernel"
_SCORES = ("urn:xccdf:scoring:default", "urn:xccdf:scoring:flat")


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    with path.open("wb") as file:
        file.writelines(_pieces(document))


def render(document: Mapping[str, Plain]) -> bytes:
    """Return *document* as XCCDF."""
    return b"".join(_pieces(document))


def _pieces(document: Mapping[str, Plain]) -> Iterator[bytes]:
    """Yield the XML, so that only one group or one target is in memory as elements.

    The elements have no namespace; that of the start tag, which is written as text, is theirs.
    """
    controls = _controls(document)
    several = _several(document["results"])
    version = str(document["run"].get("versions", {}).get("pytest-sysaudit") or "0")
    name = xccdf_id("benchmark", "pytest-sysaudit")
    yield b'<?xml version="1.0" encoding="utf-8"?>\n'
    yield f'<Benchmark xmlns="{NAMESPACE}" id="{name}" resolved="1" xml:lang="en">'.encode()
    for element in _head(document, controls, version):
        yield _xml(element)
    for family, members in groupby(controls.values(), _family):
        group = ET.Element("Group", {"id": xccdf_id("group", family)})
        add(group, "title", family)
        add(group, "description", f"Controls of the family {family}.")
        group.extend(_rule(control, multiple=control["id"] in several) for control in members)
        yield _xml(group)
    audit = Audit(document["run"], controls, version)
    rows = sorted(document["results"], key=lambda row: str(row["target"]))
    by_target = {name: list(own) for name, own in groupby(rows, lambda row: str(row["target"]))}
    systems = {str(target["name"]): target for target in document["targets"]}
    for name in sorted({*by_target, *systems}):
        target = systems.get(name) or {"name": name}
        yield from map(_xml, test_results(audit, target, by_target.get(name, [])))
    yield b"\n</Benchmark>\n"


def _xml(element: ET.Element) -> bytes:
    ET.indent(element, " ", level=1)
    return f"\n {ET.tostring(element, 'unicode')}".encode()


def _controls(document: Mapping[str, Plain]) -> dict[str, Row]:
    """Return every control by its id, sorted, those that only results name among them."""
    named = {str(row["control"]): {"id": row["control"]} for row in document["results"]}
    found = named | controls_of(document)
    return dict(sorted(found.items(), key=lambda item: (_family(item[1]), item[0])))


def _family(control: Row) -> str:
    return str(control["id"]).partition(".")[0] or "others"


def _several(rows: Iterable[Row]) -> set[str]:
    """Return the controls that have more than one row on a target."""
    counts = Counter((str(row["target"]), str(row["control"])) for row in rows)
    return {control for (_, control), count in counts.items() if count > 1}


def _head(
    document: Mapping[str, Plain], controls: Mapping[str, Row], version: str
) -> Iterator[ET.Element]:
    """Yield what stands before the groups, in the order of the schema."""
    run, targets = document["run"], document["targets"]
    yield _leaf("status", "accepted", date=time_of(run.get("started"))[:10])
    yield _leaf("title", f"pytest-sysaudit, run {run.get('id', '')}")
    about = f"{plural(len(controls), 'control')} on {plural(len(targets), 'target')}"
    yield _leaf("description", "\n".join([about, *profile_lines(run.get("profile"), digests=True)]))
    if targets and all(target["kind"] in _HOSTS for target in targets):
        yield _leaf("platform", idref=_LINUX)
    yield _leaf("version", version, time=time_of(run.get("started")))
    metadata = ET.Element("metadata", {"xmlns:dc": "http://purl.org/dc/elements/1.1/"})
    for word, value in (("creator", f"pytest-sysaudit {version}"), ("publisher", _operator(run))):
        add(metadata, f"dc:{word}", value)
    yield metadata
    for system in _SCORES:
        yield _leaf("model", system=system)


def _operator(run: Row) -> str:
    return str(run.get("operator") or "not named")


def _leaf(tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    return add(ET.Element("nothing"), tag, text, **attributes)


def _rule(control: Row, *, multiple: bool) -> ET.Element:
    severity = severity_of(control)
    attributes = {"id": xccdf_id("rule", control["id"]), "severity": WEIGHTS[severity].xccdf}
    rule = ET.Element("Rule", attributes | ({"multiple": "true"} if multiple else {}))
    title = control.get("title") or control["id"]
    add(rule, "title", title)
    add(rule, "description", f"{title} ({severity})")
    for framework, number in numbers(control):
        add(rule, "reference", number, href=urn("framework", framework))
    if control.get("rationale"):
        add(rule, "rationale", control["rationale"])
    add(rule, "ident", control["id"], system=urn("control"))
    for framework, number in numbers(control):
        if framework == "cci":
            add(rule, "ident", number, system="http://cyber.mil/cci")
    if control.get("remediation"):
        add(rule, "fixtext", control["remediation"])
    if control.get("source"):
        rule.append(check_of(str(control["source"]), CHECKS))
    return rule
