"""Waivers, attestations, drift and the gate in the terminal."""

from __future__ import annotations

import pytest
from lab import report_sample

from pytest_sysaudit.reports import summary
from pytest_sysaudit.reports.columns import width_of
from pytest_sysaudit.reports.decisions import decision_lines
from pytest_sysaudit.reports.drift_lines import drift_lines

WIDTH = 100


def waiver(state, number=1, *, expiring=False, resource=""):
    return {
        "control": "ssh.banner", "target": "web", "resource": resource, "state": state,
        "place": f"waivers.yaml:{number}", "expires": "2027-01-31T23:00:00.000Z",
        "expires_in_days": 1, "expiring": expiring,
    }  # fmt: skip


def told(entries, *, verbose=False, part="waivers"):
    return [text for text, _ in decision_lines({part: entries}, WIDTH, verbose=verbose)]


def test_waivers_that_hold_take_one_line():
    entries = [waiver("used"), waiver("not needed"), waiver("used")]
    assert told(entries) == ["waivers: 2 used, 1 not needed"]
    assert told(entries, verbose=True)[1:] == [
        "  waivers.yaml:1: ssh.banner on web: in use",
        "  waivers.yaml:1: ssh.banner on web: not needed: what it covers does not fail",
        "  waivers.yaml:1: ssh.banner on web: in use",
    ]


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (waiver("expired"), "ssh.banner on web: expired on 2027-01-31"),
        (waiver("unused", resource="/a"), "ssh.banner on web (/a): unused: it covers nothing that"),
        (waiver("unknown control"), "no check judges this control"),
        (waiver("unknown target"), "there is no such target"),
        (waiver("used", expiring=True), "in use; expires on 2027-01-31, in 1 day"),
    ],
)
def test_who_must_be_looked_at_is_named(entry, line):
    assert line in told([entry])[1]


def test_attestations_have_their_own_states():
    entry = {**waiver("evidence changed"), "valid_until": "2027-02-01T00:00:00Z"}
    del entry["expires"], entry["resource"]
    assert told([entry], part="attestations") == [
        "attestations: 1 evidence changed",
        "  waivers.yaml:1: ssh.banner on web: its evidence file is not what was looked at",
    ]
    assert told([entry | {"state": "expired"}], part="attestations")[1].endswith("on 2027-02-01")


def test_many_are_cut_unless_all_are_asked_for():
    entries = [waiver("unused", number) for number in range(14)]
    assert told(entries)[-1] == "  and 4 more (-v shows all)"
    assert len(told(entries)) == 12
    assert len(told(entries, verbose=True)) == 15


def test_a_document_without_these_parts_says_nothing():
    document = report_sample.sample()
    assert list(decision_lines(document, WIDTH, verbose=True)) == []
    assert list(drift_lines(document, WIDTH, verbose=True)) == []


def drifting(*rows, gone=()):
    found = [
        {
            "control": control, "target": target, "resource": resource, "verdict": verdict,
            "message": f"{control} says no", "drift": drift,
        }
        for control, target, resource, verdict, drift in rows
    ]  # fmt: skip
    counts = {"new": 0, "fixed": 0, "changed": 0, "unchanged": 0, "gone": len(gone)}
    for row in found:
        counts[row["drift"]] += 1
    severities = {"a": "low", "b": "critical"}
    return {
        "controls": [{"id": name, "severity": level} for name, level in severities.items()],
        "results": found,
        "drift": {
            "baseline": {"path": "old.json", "started": "2026-11-01T12:34:56Z"},
            "counts": counts,
            "gone": list(gone),
        },
    }


def table(document, *, verbose=False, width=WIDTH):
    return list(drift_lines(document, width, verbose=verbose))


def test_new_findings_are_named_worst_first():
    document = drifting(
        ("a", "web1", "", "fail", "new"),
        ("b", "web1", "", "error", "new"),
        ("b", "web2", "/x", "fail", "new"),
        ("a", "web2", "", "pass", "new"),
        ("a", "web3", "", "pass", "fixed"),
        ("b", "web3", "", "waived", "changed"),
        ("a", "db", "", "pass", "unchanged"),
    )
    counts = "4 new (3 findings), 1 fixed, 1 changed, 1 unchanged, 0 gone"
    assert table(document) == [
        (f"since 2026-11-01 12:34 (old.json): {counts}", "red"),
        ("  new      web2  b  fail: /x: b says no", "red"),
        ("  new      web1  a  fail: a says no", "red"),
        ("  new      web1  b  error: b says no", "red"),
        ("  fixed    web3  a  pass: a says no", "green"),
        ("  changed  web3  b  waived: b says no", "yellow"),
    ]  # fmt: skip


def test_what_is_gone_is_named_if_all_is_asked_for():
    gone = [{"control": "a", "target": "", "resource": "", "verdict": "not_applicable"}]
    document = drifting(gone=gone)
    assert [style for _, style in table(document)] == [""]
    assert table(document, verbose=True)[-1] == ("  gone     run  a  not applicable", "")


def test_a_long_table_is_cut_and_no_line_is_too_wide():
    rows = [("b" * 60, f"t{n}" * 20, "r" * 90, "fail", "new") for n in range(15)]
    document = drifting(*rows)
    lines = table(document)
    assert len(lines) == 12
    assert lines[-1] == ("  and 5 more new (-v shows all)", "red")
    assert len(table(document, verbose=True)) == 16
    assert max(width_of(text) for text, _ in table(document, width=60)) <= 60


@pytest.mark.parametrize("width", [40, 80, 200])
def test_all_parts_of_a_rich_document_fit_the_terminal(width):
    document = report_sample.rich()
    lines = summary.lines(document, width, verbose=1)
    starts = ("waivers: ", "attestations: ", "since ", "  new ", "  changed ", "gate broken: ")
    for start in starts:
        assert any(text.startswith(start) for text, _ in lines), start
    for text, _ in lines:
        assert "\n" not in text
        assert "\x1b" not in text


@pytest.mark.parametrize(
    ("gate", "line"),
    [
        ({"broken": False, "rule": "fail: 0, error: 0"}, None),
        ({"broken": False, "rule": "fail: 0", "source": "default", "rules": []}, None),
        ({"broken": False, "rule": "fail: 9", "source": "g", "rules": []}, "gate holds: fail: 9"),
        ({"broken": True, "rule": "fail: 1 found"}, "gate broken: fail: 1 found"),
        (
            {"broken": True, "rule": "x", "source": "g", "rules": [{"holds": False}] * 3},
            "gate broken: x (and 2 more rules)",
        ),
        ({"broken": True, "rule": "other", "source": "g", "rules": []}, "gate broken: other"),
    ],
)
def test_one_line_says_which_rule_broke(gate, line):
    document = report_sample.rich()
    document["summary"]["gate"] = gate
    lines = [text for text, _ in summary.lines(document, WIDTH) if text.startswith("gate")]
    assert lines == ([line] if line else [])
