"""The json document: complete, sorted, equal bytes for equal findings, valid against its schema."""

from __future__ import annotations

import enum
import json
import random
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from types import MappingProxyType

import jsonschema
import pytest
from lab.report_sample import RUN, controls, nasty, results, sample, targets

from pytest_sysaudit.compliance.gate import default_gate
from pytest_sysaudit.inventory.target import Kind
from pytest_sysaudit.record import Control, Result, Severity, Verdict
from pytest_sysaudit.reports import document, json_report
from pytest_sysaudit.reports.plain import as_text, clean


def shuffled(seed: int, rows: list[Result]) -> dict:
    chance = random.Random(seed)
    parts = [chance.sample(part, len(part)) for part in (targets(), controls(), rows)]
    return document.build(RUN, *parts)


def row(**more) -> Result:
    return Result(**{"control": "a.b", "check": "a/test_b.py::t", "target": "web1", **more})


@pytest.mark.parametrize("seed", range(3))
def test_the_order_in_which_results_came_leaves_no_trace(seed):
    assert document.dumps(shuffled(seed, results())) == document.dumps(sample())


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_the_same_place_are_ordered_by_what_they_say(seed):
    same = [row(verdict=v, message=m) for v in (Verdict.FAIL, Verdict.PASS) for m in "xyz"]
    assert document.dumps(shuffled(seed, same)) == document.dumps(shuffled(99, same))


def test_equal_findings_are_equal_bytes_whenever_they_were_made():
    later = [replace(r, started="2027-01-01T00:00:00.000Z", duration=9.0) for r in results()]
    other = document.build({**RUN, "id": "other"}, targets(), controls(), later)
    assert document.dumps(other) != document.dumps(sample())
    parts = [document.dumps(document.equal_parts(d)) for d in (other, sample())]
    assert parts[0] == parts[1]


def test_another_finding_is_another_document():
    rows = results()
    rows[0] = replace(rows[0], message="something else")
    other = document.build(RUN, targets(), controls(), rows)
    assert document.equal_parts(other) != document.equal_parts(sample())


class Whole(enum.IntEnum):
    ONE = 1


class Named(str):
    __slots__ = ()


ANYTHING = [
    *(None, True, False, 0, -7, 1 << 80, Whole.ONE, 0.5, 1e300, -0.0, float("nan"), float("-inf")),
    *("", "plain", 'a "quoted"\\ é', "\x1b[1mbold\n\ud800\x00", Named("x\x00"), Severity.LOW),
    *([], (), {}, [[]], [{}], [1, [2, (3, "4\n")]], {"b": {"a": [], "": None}, "a": {"x": [{}]}}),
    {"a\x00": 1, "a\\x00": 2, 1: [3], "1": 4, Severity.LOW: 5, None: 6},
    MappingProxyType({"b": MappingProxyType({}), "a": {2, 1}}),
    PurePosixPath("/etc"),
]


@pytest.mark.parametrize("value", ANYTHING, ids=repr)
def test_what_is_written_is_the_json_of_the_clean_value(value):
    def dumped(value, level):
        text = json.dumps(clean(value), ensure_ascii=False, indent=1, allow_nan=False)
        return text.replace("\n", "\n" + " " * level)

    made = {"results": [{"a": value, "b": [value]}], "extra": {"a": value, "b": {"c": value}}}
    record = f'{{\n   "a": {dumped(value, 3)},\n   "b": {dumped([value], 3)}\n  }}'
    text = f'{{\n "results": [\n  {record}\n ],\n "extra": {dumped(made["extra"], 1)}\n}}\n'
    assert document.dumps(made).decode() == text


def test_equal_parts_leaves_the_document_alone():
    made = sample()
    before = document.dumps(made)
    document.equal_parts(made)
    assert document.dumps(made) == before


@pytest.mark.parametrize("make", [sample, nasty])
def test_a_document_survives_json(make):
    made = make()
    text = document.dumps(made)
    assert json.loads(text) == made
    assert document.dumps(json.loads(text)) == text
    assert text.endswith(b"}\n")
    text.decode("utf-8")


def test_keys_in_another_order_give_the_same_bytes():
    made = sample()
    turned = {name: made[name] for name in reversed(made)}
    turned["results"] = [dict(reversed(r.items())) for r in made["results"]]
    assert document.dumps(turned) == document.dumps(made)


@pytest.mark.parametrize("make", [sample, nasty, lambda: document.build(RUN, [], [], [])])
def test_the_published_schema_accepts_what_is_written(make):
    jsonschema.Draft202012Validator(json_report.schema()).validate(make())


@pytest.mark.parametrize("kind", [*Kind, "testinfra"])
def test_the_published_schema_knows_all_kinds_of_targets(kind):
    made = document.build(RUN, [{**targets()[0], "kind": kind}], [], [])
    written = json.loads(document.dumps(made))
    jsonschema.Draft202012Validator(json_report.schema()).validate(written)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("summary"),
        lambda d: d.update(schema="sysaudit-results/2"),
        lambda d: d.update(extra=1),
        lambda d: d["run"].pop("operator"),
        lambda d: d["run"].update(started="2026-11-23 08:00"),
        lambda d: d["results"][0].update(verdict="passed"),
        lambda d: d["results"][0].pop("observed"),
        lambda d: d["results"][0].update(target=None),
        lambda d: d["results"][0].update(unknown=1),
        lambda d: d["controls"][0].update(severity="severe"),
        lambda d: d["targets"][0].update(kind="windows"),
        lambda d: d["summary"]["verdicts"].pop("error"),
    ],
    ids=[
        "no summary",
        "another version",
        "an unknown part",
        "no operator",
        "no ISO time",
        "unknown verdict",
        "nothing observed",
        "no target",
        "an unknown field",
        "unknown severity",
        "unknown kind",
        "no count",
    ],
)
def test_the_published_schema_refuses(spoil):
    made = sample()
    spoil(made)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_report.schema()).validate(made)


@pytest.mark.parametrize(("part", "kind"), [("results", Result), ("controls", Control)])
def test_the_published_schema_knows_exactly_our_fields(part, kind):
    items = json_report.schema()["properties"][part]["items"]
    assert set(items["properties"]) == {field.name for field in fields(kind)}
    assert set(items["required"]) == set(items["properties"])


def test_the_published_schema_knows_all_verdicts_and_severities():
    kinds = json_report.schema()["$defs"]
    assert set(kinds["verdict"]["enum"]) == set(Verdict)
    assert set(kinds["severity"]["enum"]) == set(Severity)


def test_the_summary_counts_every_way():
    high = Control(id="a.b", title="t", severity=Severity.HIGH, frameworks={"cis": ["1"]})
    plain = Control(id="c.d", title="t", severity=Severity.LOW)
    rows = [
        row(verdict=Verdict.FAIL),
        row(verdict=Verdict.PASS, target="web2"),
        row(control="c.d", verdict=Verdict.ERROR, target=""),
    ]
    counted = document.build(RUN, targets()[:2], [high, plain], rows)["summary"]
    none = dict.fromkeys(map(str, Verdict), 0)
    assert counted["total"] == 3
    assert counted["verdicts"] == {**none, "fail": 1, "pass": 1, "error": 1}
    assert counted["by_severity"]["high"] == {**none, "fail": 1, "pass": 1}
    assert counted["by_severity"]["low"] == {**none, "error": 1}
    assert counted["by_severity"]["critical"] == none
    assert counted["by_target"] == {
        "": {**none, "error": 1},
        "web1": {**none, "fail": 1},
        "web2": {**none, "pass": 1},
    }
    assert counted["by_framework"] == {"cis": {**none, "fail": 1, "pass": 1}}


@pytest.mark.parametrize(
    ("verdicts", "broken", "rule"),
    [
        ([Verdict.PASS, Verdict.WAIVED, Verdict.MANUAL], False, "fail: 0, error: 0"),
        ([Verdict.ERROR, Verdict.FAIL], True, "fail: 1 found, 0 allowed"),
        ([Verdict.ERROR, Verdict.PASS], True, "error (not assessed): 1 found, 0 allowed"),
    ],
)
def test_the_default_gate(verdicts, broken, rule):
    made = document.build(RUN, [], [], [row(verdict=v) for v in verdicts])
    gate = made["summary"]["gate"]
    assert (gate["broken"], gate["rule"]) == (broken, rule)
    assert gate == default_gate().judge(made).to_plain()


@pytest.mark.parametrize("gate", [None, {"broken": False, "rule": ""}])
def test_a_gate_that_nobody_judged_never_holds_over_a_failure(gate):
    failed = Result(control="c", check="x", target="t", verdict=Verdict.FAIL)
    judged = document.build(RUN, [], [], [failed], gate)["summary"]["gate"]
    assert judged["broken"]
    assert judged["rule"] == "fail: 1 found, 0 allowed"


def test_a_gate_that_was_judged_elsewhere_is_told_as_it_is():
    gate = {"broken": True, "rule": "fail.high: 2"}
    assert document.build(RUN, [], [], [], gate)["summary"]["gate"] == gate


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        (Severity.HIGH, "high"),
        ("\udce9\x00\x1b[1mb", "\\udce9\\x00b"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (True, True),
        ((1, 2), [1, 2]),
        ({"b", "a"}, ["a", "b"]),
        (b"\xff", "\\xff"),
        ({2: "x", "1": PurePosixPath("/etc")}, {"1": "/etc", "2": "x"}),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
    ],
)
def test_clean_makes_json_data_of_anything(value, expected):
    made = clean(value)
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("a\nb", "a\nb"),
        (0, "0"),
        (False, "false"),
        ({"mode": "0640", "uid": 0}, "mode: 0640\nuid: 0"),
        (["a", 1], "a\n1"),
        ({}, "{}"),
        ({"a": {"b": [1, 2]}}, '{\n  "a": {\n    "b": [\n      1,\n      2\n    ]\n  }\n}'),
        ({"open": [22, 80]}, "open: [22, 80]"),
    ],
)
def test_as_text_reads_as_a_person_would_write_it(value, expected):
    assert as_text(value) == expected
