"""The prometheus report, as prometheus' own parser reads it."""

from __future__ import annotations

import pytest
from lab.report_sample import RUN, nasty, rich, sample, targets
from prometheus_client.parser import text_string_to_metric_families

from pytest_sysaudit.record import Control, Result, Verdict
from pytest_sysaudit.reports import document, prometheus


def series(made, tmp_path):
    """Return the value of every series; one that stands there twice breaks the file."""
    prometheus.write(made, tmp_path / "r.prom")
    text = (tmp_path / "r.prom").read_text(encoding="utf-8")
    assert text.endswith("\n")
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for sample_ in family.samples:
            key = (sample_.name.removeprefix("sysaudit_"), *sorted(sample_.labels.items()))
            assert key not in found
            assert sample_.timestamp is None  # the collector refuses them
            found[key] = sample_.value
    return found


@pytest.mark.parametrize(
    "make",
    [sample, rich, nasty, lambda: document.build(RUN, [], [], [])],
    ids=["sample", "rich", "nasty", "empty"],
)
def test_the_parser_reads_it(make, tmp_path):
    made = make()
    found = series(made, tmp_path)
    counts = [value for key, value in found.items() if key[0] == "results"]
    assert sum(counts) == len(made["results"])
    assert len(counts) == 30  # every verdict of every severity, also where it is 0


def test_values_are_those_of_the_document(tmp_path):
    made = rich()
    found = series(made, tmp_path)
    for severity, verdicts in made["summary"]["by_severity"].items():
        for verdict, count in verdicts.items():
            assert found["results", ("severity", severity), ("verdict", verdict)] == count
    for target in made["targets"]:
        of = ("kind", target["kind"]), ("target", target["name"])
        assert found["target_reachable", *of] == target["reachable"]
        for verdict, count in made["summary"]["by_target"][target["name"]].items():
            assert found["target_results", *of, ("verdict", verdict)] == count
    for name, verdicts in made["summary"]["by_framework"].items():
        for verdict, count in verdicts.items():
            assert found["framework_results", ("framework", name), ("verdict", verdict)] == count
    for name, count in made["drift"]["counts"].items():
        assert found["drift_results", ("drift", name)] == count
    assert found["gate_broken",] == 1
    assert found["gate_found", ("rule", "fail: critical: 0")] == 2
    assert found["gate_limit", ("rule", "fail: critical: 0")] == 0
    assert found["run_started_timestamp_seconds",] == 1_795_420_800
    assert found["run_ended_timestamp_seconds",] == 1_795_420_896.4
    assert found["run_duration_seconds",] == 96.4
    assert found["run_info", ("profile", "cis-server-1"), ("version", "0.1.0")] == 1
    assert found["waivers", ("state", "expired")] == 1
    assert found["waivers", ("state", "unknown target")] == 0
    assert found["waivers_expiring",] == sum(w["expiring"] for w in made["waivers"])
    assert found["attestations", ("state", "used")] == 2


def test_no_series_is_of_this_run_alone(tmp_path):
    prometheus.write(rich(), tmp_path / "r.prom")
    assert RUN["id"] not in (tmp_path / "r.prom").read_text()


def test_labels_come_back_as_they_were(tmp_path):
    name = 'a"b\\c{},\\n=1'
    target = {**targets()[0], "name": name}
    row = Result(control="a", check="c", target=name, verdict=Verdict.FAIL)
    found = series(document.build(RUN, [target], [Control(id="a", title="")], [row]), tmp_path)
    of = ("kind", "ssh"), ("target", name), ("verdict", "fail")
    assert found["target_results", *of] == 1


def test_names_that_are_cut_alike_share_a_series(tmp_path):
    rows = [
        Result(control="a", check="c", target="x" * 300 + end, verdict=Verdict.FAIL)
        for end in ("1", "2")
    ]
    found = series(document.build(RUN, [], [Control(id="a", title="")], rows), tmp_path)
    assert [v for k, v in found.items() if k[0] == "target_results" and v] == [2]


def test_targets_are_bounded_and_the_worst_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(prometheus, "_MOST_TARGETS", 3)
    found = series(sample(), tmp_path)
    shown = {dict(key[1:])["target"] for key in found if key[0] == "target_results"}
    counts = sample()["summary"]["by_target"]
    worst = sorted(counts, key=lambda n: (-counts[n]["fail"], -counts[n]["error"], n))
    assert shown == {*worst[:3]}
    assert found["targets_not_shown",] == len(counts) - 3
    assert sum(key[0] == "target_reachable" for key in found) <= 3
