"""What one target has in the XCCDF report: its TestResult, and that of its accepted failures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pytest_sysaudit.record import Plain, Verdict
from pytest_sysaudit.reports.status import STATUSES, WEIGHTS
from pytest_sysaudit.reports.telling import Row, justification, severity_of
from pytest_sysaudit.reports.xccdf_names import CHECKS, add, text_of, time_of, urn, xccdf_id

#: What the message of a row is, by its verdict; the text of other verdicts informs only.
_GRAVE = {
    Verdict.FAIL.value: "error",
    Verdict.ERROR.value: "error",
    Verdict.WAIVED.value: "warning",
}
_HOST_NAME = "urn:xccdf:fact:asset:identifier:host_name"


@dataclass(frozen=True, slots=True)
class Audit:
    """What all TestResults share.

    Attributes:
        run: the run block of the document.
        controls: by id, every one that a result names.
        version: of this package.
    """

    run: Row
    controls: Mapping[str, Row]
    version: str


def test_results(audit: Audit, target: Row, rows: Sequence[Row]) -> Iterator[ET.Element]:
    """Yield the TestResult of accepted failures, if there are any, and that of all *rows*.

    The rules of XCCDF's authors that ``oscap xccdf validate`` applies (schematron) want an
    ``override`` in all rule-results of a TestResult or in none, so those that have one stand twice.
    The complete one is the last, which is what ``oscap`` makes its report of.

    Args:
        audit: what all of them share.
        target: its record, of which only ``name`` must be there.
        rows: its results.
    """
    accepted = [row for row in rows if STATUSES[row["verdict"]].xccdf_override]
    if accepted:
        yield _test_result(audit, target, accepted, overridden=True)
    yield _test_result(audit, target, rows)


def _test_result(
    audit: Audit, target: Row, rows: Sequence[Row], *, overridden: bool = False
) -> ET.Element:
    run = audit.run
    begun = time_of(run.get("started"))
    ended = time_of(run.get("ended"), begun)
    starts = [time_of(row["started"], begun) for row in rows]
    ends = [time_of(row["started"], ended, plus=row["duration"]) for row in rows]
    name = str(target["name"])
    result = ET.Element(
        "TestResult",
        {
            "id": xccdf_id("testresult", f"{name} (accepted)" if overridden else name),
            "start-time": min(starts, default=begun),
            "end-time": max(ends, default=ended),
            "test-system": f"pytest-sysaudit {audit.version}",
            "version": audit.version,
        },
    )
    benchmark = xccdf_id("benchmark", "pytest-sysaudit")
    add(result, "benchmark", href=f"#{benchmark}", id=benchmark)
    about = f"Audit of {name}" if name else "About the run itself"
    add(result, "title", f"{about}: accepted failures" if overridden else about)
    _who_and_where(result, run, target)
    for row in rows:
        result.append(_rule_result(audit, row, overridden=overridden))
    _scores(result, rows)
    return result


def check_of(source: str, system: str) -> ET.Element:
    """Return the check: its system, its file and its function."""
    check = ET.Element("check", {"system": system})
    place, _, function = source.partition("::")
    add(check, "check-content-ref", href=quote(place, safe="/"), name=function or place)
    return check


def _who_and_where(result: ET.Element, run: Row, target: Row) -> None:
    identity: Row = target.get("identity") or {}
    operator = str(run.get("operator", ""))
    add(
        result,
        "identity",
        operator,
        authenticated="true" if target.get("reachable") else "false",
        privileged="true" if operator.startswith("root@") else "false",
    )
    add(result, "target", target["name"] or "run")
    for name in ("address", "peer", "url"):
        if identity.get(name):
            add(result, "target-address", identity[name])
    facts = add(result, "target-facts")
    add(facts, "fact", target["name"] or "run", name=_HOST_NAME, type="string")
    for name, value in [("run", run.get("id", "")), *_facts(target, identity)]:
        add(facts, "fact", value, name=urn("fact", name), type="string")


def _facts(target: Row, identity: Row) -> Iterator[tuple[str, Plain]]:
    if target.get("kind"):
        yield "kind", target["kind"]
    for group in target.get("groups") or ():
        yield "group", group
    if target.get("reachable") is not None:
        yield "reachable", target["reachable"]
    if target.get("reason"):
        yield "reason", target["reason"]
    yield from ((str(name), value) for name, value in identity.items() if value)


def _rule_result(audit: Audit, row: Row, *, overridden: bool) -> ET.Element:
    run, control = audit.run, audit.controls[str(row["control"])]
    status = STATUSES[row["verdict"]]
    severity = WEIGHTS[severity_of(control)].xccdf
    time = time_of(row["started"], time_of(run.get("started")))
    result = ET.Element(
        "rule-result",
        {"idref": xccdf_id("rule", str(row["control"])), "severity": severity, "time": time},
    )
    add(result, "result", status.xccdf)
    if overridden:
        _override(result, row, time_of(run.get("started"), time))
    elif status.xccdf_override:
        add(result, "message", _acceptance(row), severity="warning")
    if row["message"]:
        add(result, "message", row["message"], severity=_GRAVE.get(row["verdict"], "info"))
    for text in _said(row):
        add(result, "message", text, severity="info")
    if row["resource"]:
        add(result, "instance", row["resource"], context="resource")
    for name, value in row["params"].items():
        add(result, "instance", value, context=f"parameter {name}")
    result.append(check_of(str(row["check"]), CHECKS))
    return result


def _override(result: ET.Element, row: Row, time: str) -> None:
    """Say who accepted the failure; the schema wants both results, and ours does not change."""
    authority = (row["waiver"] or {}).get("approver") or "not named"
    override = add(result, "override", time=time, authority=authority)
    add(override, "old-result", "fail")
    add(override, "new-result", "fail")
    add(override, "remark", _acceptance(row))


def _acceptance(row: Row) -> str:
    waiver: Row = row["waiver"] or {}
    said = [f"accepted until {waiver['expires']}" if waiver.get("expires") else "accepted"]
    said += [f"by {waiver['approver']}"] if waiver.get("approver") else []
    said += [f"{name} {waiver[name]}" for name in ("ticket", "place") if waiver.get(name)]
    return f"{', '.join(said)}: {justification(waiver)}"


def _said(row: Row) -> Iterator[str]:
    """Yield what else is known of *row*, a message each."""
    for name in ("expected", "observed"):
        if row[name] is not None:
            yield f"{name}: {text_of(row[name])}"
    for name in ("attestation", "drift"):
        if row[name]:
            yield f"{name}: {text_of(row[name])}"
    if row["evidence"]:
        yield f"evidence: {', '.join(row['evidence'])}"


def _scores(result: ET.Element, rows: Sequence[Row]) -> None:
    """Add the scores of XCCDF's default model and of its flat one; all weights are 1.

    A rule passes if all its rows that count pass; those that do not apply or were not reviewed do
    not count, errors and waived failures count as failed.
    """
    passed: dict[str, bool] = {}
    for row in rows:
        word = STATUSES[row["verdict"]].xccdf
        if word not in {"notapplicable", "notchecked"}:
            name = str(row["control"])
            passed[name] = passed.get(name, True) and word == "pass"
    families: dict[str, list[bool]] = {}
    for name, good in passed.items():
        families.setdefault(name.partition(".")[0], []).append(good)
    shares = [sum(group) / len(group) for group in families.values()]
    default = 100 * sum(shares) / len(shares) if shares else 0
    add(
        result,
        "score",
        f"{default:.4f}",
        system="urn:xccdf:scoring:default",
        maximum="100",
    )
    flat = {"system": "urn:xccdf:scoring:flat", "maximum": str(len(passed))}
    add(result, "score", str(sum(passed.values())), **flat)
