"""What reports say of the same document agrees, and nothing that was seen is left out."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from lab.report_sample import RUN, START, controls, rich, targets

from pytest_sysaudit.record import Result, Verdict, utc_text
from pytest_sysaudit.reports import WRITERS, document, html, junit, ocsf, prometheus, summary, write
from pytest_sysaudit.reports.markdown import render


def test_the_run_is_no_target():
    made = rich()
    assert any(row["target"] == "" for row in made["results"])
    assert "results on 10 targets" in render(made)
    assert summary.lines(made, 120)[-1][0].startswith("10 targets: ")


@pytest.mark.parametrize("value", [0, 0.0, False])
def test_nothing_is_something_that_was_seen(value, tmp_path):
    [control] = controls()[:1]
    row = Result(
        control=control.id,
        check=control.source,
        target="web1",
        verdict=Verdict.PASS,
        expected=value,
        observed=value,
        started=utc_text(START),
    )
    made = document.build(RUN, targets()[:1], [control], [row])
    ocsf.write(made, tmp_path / "o")
    event = json.loads((tmp_path / "o").read_text())
    shown = json.dumps(value).strip('"')
    assert event["unmapped"] == {"expected": shown, "observed": shown}
    assert f"observed: {shown}<" in junit.render(made).decode()


def test_what_was_not_reached_is_shown_however_many_targets_there_are(tmp_path):
    first, dead = targets()[0], targets()[2]
    many = [{**first, "name": f"a{number:04d}"} for number in range(1200)]
    prometheus.write(
        document.build(RUN, [*many, {**dead, "name": "z"}], [], []), tmp_path / "r.prom"
    )
    text = (tmp_path / "r.prom").read_text()
    assert 'sysaudit_target_reachable{target="z",kind="ssh"} 0\n' in text
    assert text.count("sysaudit_target_reachable{") == 1000
    assert 'sysaudit_targets{reached="yes"} 1200\n' in text
    assert 'sysaudit_targets{reached="no"} 1\n' in text
    assert 'sysaudit_targets{reached="never tried"} 0\n' in text


def test_a_page_without_results_does_not_praise_itself(tmp_path):
    html.write(document.build(RUN, [], [], []), tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "Nothing was judged." in text
    assert "No target and no control is without a result." not in text
    assert "Gate holds" not in text


@pytest.mark.parametrize("on", [0, 10])
def test_no_gate_holds_where_nothing_was_judged(on):
    made = document.build(RUN, targets()[:on], controls(), [])
    assert made["summary"]["gate"]["broken"] is True
    assert made["summary"]["gate"]["rule"] == "nothing was judged: the run has no result"
    assert "## Audit: the gate is broken" in render(made)
    told = [text for text, _ in summary.lines(made, 80)]
    assert "gate broken: nothing was judged: the run has no result" in told


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_reports_of_the_file_are_those_of_the_run(name, tmp_path):
    made = rich()
    for what in ("json", name):
        write(what, made, tmp_path / what)
    write(name, json.loads((tmp_path / "json").read_bytes()), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / name).read_bytes()


def test_severities_are_told_worst_first():
    found = [line.split()[1] for line in render(rich()).split("\n\n")[4].splitlines()[2:]]
    assert found == ["critical", "high", "medium", "low", "info"]


def test_long_names_of_two_resources_stay_two_tests():
    [control] = controls()[:1]
    long, fail = "/very" * 300, Verdict.FAIL
    rows = [
        Result(
            control=control.id, check="a.py::a", target="web1", resource=long + end, verdict=fail
        )
        for end in "ab"
    ]
    made = document.build(RUN, targets()[:1], [control], rows)
    root = ET.fromstring(junit.render(made))
    names = {case.attrib["name"] for case in root.iter("testcase")}
    assert len(names) == 2
    assert max(map(len, names)) < 1100
