"""The json document: the source of every report, complete, sorted and plain."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import groupby
from operator import attrgetter, itemgetter

from pytest_sysaudit.compliance.gate import default_gate
from pytest_sysaudit.record import SCHEMA, Control, Plain, Result, Severity, Verdict
from pytest_sysaudit.reports.plain import clean, clean_text, is_clean_text, ordered

#: What a result says about when it was made, and nothing about what was found.
TIMES = ("started", "duration")

_VERDICTS = sorted(verdict.value for verdict in Verdict)
_SEVERITIES = sorted(severity.value for severity in Severity)
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
_values = attrgetter(*_RESULT)
_SUMMARY = ("total", "verdicts", "by_severity", "by_target", "by_framework", "gate")
#: The parts in their order, and the keys of their records that come first.
_SHAPES: Mapping[str, Sequence[str]] = {
    "schema": (),
    "run": _RUN,
    "targets": _TARGET,
    "controls": _CONTROL,
    "results": _RESULT,
    "waivers": (),
    "attestations": (),
    "drift": (),
    "evidence": (),
    "summary": _SUMMARY,
}
#: Parts that are there only where the run had something to say about them.
PARTS = ("waivers", "attestations", "drift", "evidence")


def build(  # noqa: PLR0913 - the parts of the document
    run: Mapping[str, Plain],
    targets: Sequence[Mapping[str, Plain]],
    controls: Sequence[Control],
    results: Sequence[Result],
    gate: Mapping[str, Plain] | None = None,
    *,
    parts: Mapping[str, Plain] | None = None,
) -> dict[str, Plain]:
    """Build the document from its parts, in whatever order these come.

    Args:
        run: ``id``, ``started``, ``ended``, ``operator``, ``command_line``, ``versions``,
            ``inventory_sha256``, ``selection``, and what else is known about the run.
        targets: ``name``, ``kind``, ``groups``, ``identity``, ``reachable`` (None: never tried)
            and ``reason`` of each.
        controls: every control that was selected.
        results: every result; no row may be missing, which is for the caller to see to.
        gate: from `Judgement.to_plain`; None, or one that says neither that it is broken
            nor which rule held, as after a run that was ended early, judges by the default gate.
        parts: those of `PARTS` that the run has, in their order.

    Returns:
        JSON data that is equal for equal parts.
    """
    rows = list(map(_row, _sorted(results)))
    requirements = [ordered(control.to_plain(), _CONTROL) for control in controls]
    systems = [ordered(target, _TARGET) for target in targets]
    document: dict[str, Plain] = {
        "schema": SCHEMA,
        "run": ordered(run, _RUN),
        "targets": sorted(systems, key=lambda target: str(target["name"])),
        "controls": sorted(requirements, key=lambda control: str(control["id"])),
        "results": rows,
        **{name: clean(parts[name]) for name in PARTS if parts and name in parts},
    }
    document["summary"] = summarize(document, gate)
    return document


def summarize(
    document: Mapping[str, Plain], gate: Mapping[str, Plain] | None = None
) -> dict[str, Plain]:
    """Count the results of *document*; `build` has done so already.

    Returns:
        ``total``; ``verdicts`` by verdict; ``by_severity``, ``by_target`` and ``by_framework``,
        each a table of verdicts by its key; ``gate`` as `build` takes it. Keys of tables are
        sorted, as they are in the file, so that reports of the file are those of the run.
    """
    results = document["results"]
    controls = {control["id"]: control for control in document["controls"]}
    severities: dict[str, Counter[str]] = {name: Counter() for name in _SEVERITIES}
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
    return {
        "total": len(results),
        "verdicts": _table(Counter(row["verdict"] for row in results)),
        "by_severity": {name: _table(counts) for name, counts in severities.items()},
        "by_target": {name: _table(counts) for name, counts in targets.items()},
        "by_framework": {name: _table(counts) for name, counts in frameworks.items()},
        "gate": clean(gate)
        if gate and (gate["broken"] or gate["rule"])
        else default_gate().judge(document).to_plain(),
    }


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
    return b"".join(pieces(document))


def pieces(document: Mapping[str, Plain]) -> Iterator[bytes]:
    """Yield `dumps` of *document* piece by piece, so that nobody has to hold it all."""
    parts = {name: document[name] for name in _SHAPES if name in document}
    start = "{"
    for name, part in {**parts, **document}.items():
        yield f"{start}\n {_scalar(name)}: ".encode()
        first = _SHAPES.get(name, ())
        if isinstance(part, list) and part:
            yield from _records(part, first)
        elif first and isinstance(part, Mapping):
            yield _object(ordered(part, first).items(), "\n ").encode()
        else:
            yield _json(part, "\n ").encode()
        start = ","
    yield b"{}\n" if start == "{" else b"\n}\n"


def _records(records: Sequence[Mapping[str, Plain]], first: Sequence[str]) -> Iterator[bytes]:
    start = "["
    for record in records:
        yield f"{start}\n  {_object(_items(record, first), _IN_RECORD)}".encode()
        start = ","
    yield b"\n ]"


def _items(record: Mapping[str, Plain], first: Sequence[str]) -> Iterable[tuple[str, Plain]]:
    if tuple(record) == first:  # as it nearly always is: then its values are all there is to do
        return record.items()
    return ordered(record, first).items()


def _json(value: Plain, line: str) -> str:
    """Return `clean` of *value* as JSON; *line* is what its last line begins with.

    The form is that of json.dumps with an indent, which takes several times as long.
    """
    kind = value.__class__
    if kind is str:
        return _scalar(value if value.isprintable() else clean_text(value))
    if value is None or kind is int or (kind is float and math.isfinite(value)):
        return "null" if value is None else repr(value)
    if kind is list or kind is tuple:
        inner = f"{line} "
        texts = [_json(item, inner) for item in value]
        return f"[{inner}{f',{inner}'.join(texts)}{line}]" if texts else "[]"
    if kind is dict:
        clear = all(map(is_clean_text, value))
        items = sorted(value.items(), key=itemgetter(0)) if clear else clean(value).items()
        return _object(items, line)
    plain = clean(value)
    return json.dumps(plain) if isinstance(plain, (int, float)) else _json(plain, line)


def _object(items: Iterable[tuple[str, Plain]], line: str) -> str:
    """Return the JSON of *items*, whose keys are clean, in their order."""
    inner = f"{line} "
    members = [
        f"{_scalar(name)}: {_scalar(item)}"
        if item.__class__ is str and item.isprintable()  # nearly always: a call the less for each
        else f"{_scalar(name)}: {_json(item, inner)}"
        for name, item in items
    ]
    return f"{{{inner}{f',{inner}'.join(members)}{line}}}" if members else "{}"


_scalar = json.encoder.encode_basestring
_IN_RECORD = "\n  "
"""What the last line of a record begins with."""


def _row(result: Result) -> dict[str, Plain]:
    """Return `ordered` of a result, which is a record of known parts."""
    row = dict(zip(_RESULT, _values(result), strict=True))
    for name, value in row.items():
        if value.__class__ is str:
            if not value.isprintable():
                row[name] = clean_text(value)
        elif value is not None:
            row[name] = clean(value)
    return row


def _sorted(results: Iterable[Result]) -> Iterator[Result]:
    """Sort by `Result.sort_key`; rows that share it by what they say, times last."""
    keyed = sorted(((result.sort_key, result) for result in results), key=itemgetter(0))
    for _, same in groupby(keyed, itemgetter(0)):
        rows = [result for _, result in same]
        yield from sorted(rows, key=_said) if len(rows) > 1 else rows


def _said(result: Result) -> tuple[str, str]:
    rest = clean(result.to_plain())
    times = {name: rest.pop(name) for name in TIMES}
    return json.dumps(rest), json.dumps(times)


def _table(counts: Mapping[str, int]) -> dict[str, int]:
    return {verdict: counts.get(verdict, 0) for verdict in _VERDICTS}
