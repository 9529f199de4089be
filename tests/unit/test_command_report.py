"""`sysaudit report`: files of others, converted, merged, compared."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys

import pytest
from lab import report_sample
from lab.command import Command

from pytest_sysaudit.command.fitting import Misfits
from pytest_sysaudit.reports import WRITERS, document
from pytest_sysaudit.reports.json_report import schema


@pytest.fixture
def command(capsys):
    return Command(capsys)


@pytest.fixture(scope="module")
def rich():
    return report_sample.rich()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, data):
    path.write_bytes(document.dumps(data))
    return path


@pytest.fixture
def results(project, rich):
    return write(project / "results.json", rich)


def changed(data, **edits):
    """Return a copy with values replaced; a name is a way with dots: ``results.0.verdict``."""
    found = copy.deepcopy(data)
    for way, value in edits.items():
        *steps, last = [int(s) if s.isdecimal() else s for s in way.split("__")]
        place = found
        for step in steps:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return found


def test_the_summary_of_a_run_is_shown(command, results, rich):
    ended = command("report", "show", results)
    assert ended.code == 0
    assert rich["run"]["id"] in ended.out
    assert f"gate broken: {rich['summary']['gate']['rule']}" in ended.out
    assert len(command("report", "show", "-v", results).out) > len(ended.out)
    assert command("report", "show", results.parent).out == ended.out  # by its folder


def test_all_formats_are_written_in_one_go(command, results, project):
    formats = sorted(WRITERS)
    ended = command("report", "convert", results, *(f"--to={name}=out/{name}" for name in formats))
    assert ended.code == 0
    assert sorted(path.name for path in (project / "out").iterdir()) == formats
    assert (project / "out" / "json").read_bytes() == results.read_bytes()
    assert ended.err.splitlines() == [f"wrote out/{name}" for name in formats]


def test_a_report_without_a_path_goes_where_pytest_puts_it(command, results, project):
    assert command("report", "convert", results, "--to", "junit").code == 0
    assert (project / "audit-report" / "junit.xml").exists()


@pytest.mark.parametrize(
    "options, code, words",
    [
        (["--to", "pdf"], 4, "unknown report format 'pdf'"),
        (["--to", "json="], 4, "no path behind"),
        (["--to", "json=/proc/x.json"], 3, "could not be written"),
        (["--to", "json=/dev/full"], 3, "No space left"),
    ],
)
def test_what_cannot_be_written(command, results, options, code, words):
    ended = command("report", "convert", results, *options)
    assert ended.code == code
    assert words in ended.err


@pytest.mark.parametrize("which", [["show"], ["convert", "--to=csv"], ["merge", "-o", "m.json"]])
@pytest.mark.parametrize(
    "content, words",
    [
        (None, "there is no such file"),
        (b"", "is no JSON"),
        (b"hello", r":1:1: is no JSON"),
        (b"\x7fELF\xd0\xff", r"byte 4: is no UTF-8"),
        (b"[]", "has no schema sysaudit-results/1"),
        (b'{"schema": "hdf/2"}', "has no schema sysaudit-results/1"),
        (b'{"schema": "sysaudit-results/2"}', "is of version sysaudit-results/2"),
        (b'{"schema": "sysaudit-results/1"}', "the key 'run' is missing"),
        (b"[" * 100_000, "things within things|is no JSON"),
    ],
)
def test_what_is_no_result_file(command, project, which, content, words):
    path = project / "x.json"
    if content is not None:
        path.write_bytes(content)
    ended = command("report", *which, path)
    assert ended.code == 4
    assert re.search(words, ended.err), ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_a_file_that_was_cut_is_told(command, results, share):
    content = results.read_bytes()
    results.write_bytes(content[: int(len(content) * share)])
    ended = command("report", "show", results)
    assert ended.code == 4
    assert "is cut" in ended.err or "is no JSON" in ended.err


@pytest.mark.parametrize(
    "edits, words",
    [
        ({"results__0__verdict": "good"}, "results[0].verdict: expected one of pass, fail"),
        ({"results__1__params": []}, "results[1].params: expected object, found []"),
        ({"results__0__duration": -1}, "results[0].duration: expected at least 0, found -1"),
        ({"results__0__duration": True}, "results[0].duration: expected number, found True"),
        ({"results__0__started": "now"}, "results[0].started: does not look like one: 'now'"),
        ({"results__0__extra": 1}, "results[0]: unknown key 'extra'"),
        ({"targets__0__name": ...}, "targets[0]: the key 'name' is missing"),
        ({"targets__0__reachable": "yes"}, "targets[0].reachable: expected boolean or null"),
        ({"controls__0__id": ""}, "controls[0].id: is empty"),
        ({"summary__by_severity__grave": {}}, "(the key): expected one of info"),
        ({"summary__total": 1.5}, "summary.total: expected integer, found 1.5"),
        ({"waivers__0__state": "odd"}, "waivers[0].state: expected one of used"),
    ],
)
def test_the_first_misfit_is_named_with_its_place(command, project, rich, edits, words):
    path = project / "x.json"
    path.write_text(json.dumps(changed(rich, **edits)))
    ended = command("report", "show", path)
    assert ended.code == 4
    assert words in ended.err


def test_what_the_official_reader_of_schemas_takes_we_take(rich):
    jsonschema = pytest.importorskip("jsonschema")
    judge = jsonschema.Draft202012Validator(schema())
    ours = Misfits(schema())
    for data in (rich, report_sample.sample(), report_sample.nasty()):
        plain = json.loads(document.dumps(data))
        assert judge.is_valid(plain)
        assert list(ours.of(plain)) == []
    for way in ("results__0__verdict", "run__id", "targets__0__groups", "summary__gate"):
        for value in (None, 1, "x", [], {}, [1], True, ...):
            plain = json.loads(json.dumps(changed(of(["a"]), **{way: value})))
            assert judge.is_valid(plain) == (not list(ours.of(plain))), (way, value)


def of(targets, verdict="pass", started="2026-01-01T00:00:00Z", **run):
    """Return the document of a small run: one control on some targets."""
    base = report_sample.sample()
    control = base["controls"][0]
    pattern = next(row for row in base["results"] if row["control"] == control["id"])
    found = copy.deepcopy(base)
    found["run"] |= {"started": started, "ended": started, "id": f"run {started}", **run}
    found["controls"] = [copy.deepcopy(control)]
    found["targets"] = [
        {**copy.deepcopy(base["targets"][0]), "name": name, "identity": {"machine_id": name}}
        for name in targets
    ]
    found["results"] = [
        {**copy.deepcopy(pattern), "target": name, "verdict": verdict, "resource": "", "params": {}}
        for name in targets
    ]
    found["summary"] = document.summarize(found)
    return found


def test_runs_are_merged(command, project):
    write(project / "a.json", of(["a"], started="2026-01-01T00:00:00Z"))
    write(project / "b.json", of(["b", "c"], started="2026-01-02T00:00:00Z", operator="eve@ci"))
    ended = command("report", "merge", "b.json", "a.json", "-o", "all.json")
    assert ended.code == 0, ended.err
    assert ended.out == "3 targets: 3 passed\n"
    merged = json.loads((project / "all.json").read_text())
    assert [one["name"] for one in merged["targets"]] == ["a", "b", "c"]
    assert merged["summary"]["verdicts"]["pass"] == merged["summary"]["total"] == 3
    assert merged["run"]["started"] == "2026-01-01T00:00:00Z"
    assert merged["run"]["ended"] == "2026-01-02T00:00:00Z"
    assert [run["file"] for run in merged["run"]["merged"]] == ["a.json", "b.json"]
    assert "eve@ci" in merged["run"]["operator"]
    assert list(Misfits(schema()).of(merged)) == []
    command("report", "merge", "a.json", "b.json", "-o", "again.json")
    assert (project / "again.json").read_bytes() == (project / "all.json").read_bytes()


@pytest.mark.parametrize(
    "options, verdict, rule",
    [
        ([], "fail", "the worst counts"),
        (["--prefer", "newest"], "pass", "the newest counts"),
    ],
)
def test_runs_that_do_not_agree_are_told(command, project, options, verdict, rule):
    write(project / "a.json", of(["a", "b"], "fail", started="2026-01-01T00:00:00Z"))
    write(project / "b.json", of(["a"], "pass", started="2026-01-02T00:00:00Z"))
    ended = command("report", "merge", "a.json", "b.json", "-o", "m.json", *options)
    merged = json.loads((project / "m.json").read_text())
    rows = {row["target"]: row["verdict"] for row in merged["results"]}
    assert rows == {"a": verdict, "b": "fail"}
    assert f"on a: fail in a.json, pass in b.json; {rule}" in ended.err
    assert "on b" not in ended.err
    assert ended.code == 1
    assert "gate broken: fail" in ended.out


def test_the_gate_of_a_merge_can_be_chosen(command, project):
    write(project / "a.json", of(["a", "b"], "fail"))
    assert command("report", "merge", "a.json", "-o", "m.json", "--gate", "fail=2").code == 0
    merged = json.loads((project / "m.json").read_text())
    assert merged["summary"]["gate"]["source"] == "fail=2"
    assert command("report", "merge", "a.json", "-o", "m.json", "--gate", "fail=1").code == 1
    ended = command("report", "merge", "a.json", "-o", "m.json", "--gate", "fial=1")
    assert ended.code == 4
    assert "fail" in ended.err


@pytest.mark.parametrize("verb", [["merge", "-o", "-"], ["convert", "--to", "json=-"]])
def test_a_report_can_be_handed_on(project, verb):
    path = write(project / "a.json", of(["a"], "fail"))
    line = [sys.executable, "-m", "pytest_sysaudit.command", "report", *verb, str(path)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, cwd=project)
    assert json.loads(ended.stdout)["summary"]["verdicts"]["fail"] == 1
    assert ("gate broken: fail: 1 found" in ended.stderr) == (verb[0] == "merge")
    assert not (project / "-").exists()


def test_another_machine_under_the_same_name_is_told(command, project):
    one, two = of(["a"]), of(["a"], started="2026-01-02T00:00:00Z")
    two["targets"][0]["identity"] = {"machine_id": "another"}
    two["controls"][0]["source_sha256"] = "f" * 64
    ended = command(
        "report", "merge", write(project / "1.json", one), write(project / "2.json", two), "-o", "m"
    )
    assert "a: is another target" in ended.err
    assert "its check is another one" in ended.err


def test_a_dead_target_stays_dead_in_a_merge(command, project):
    one, two = of(["a"], "error"), of(["a"], started="2026-01-02T00:00:00Z")
    one["targets"][0] |= {"reachable": False, "reason": "a: no route"}
    files = [write(project / "1.json", one), write(project / "2.json", two)]
    command("report", "merge", *files, "-o", "m.json")
    (target,) = json.loads((project / "m.json").read_text())["targets"]
    assert (target["reachable"], target["reason"]) == (False, "a: no route")


@pytest.mark.parametrize(
    "runs, code, words",
    [
        ((of(["a"]), of(["a"])), 0, "1 unchanged"),
        ((of(["a"]), of(["a"], "fail")), 1, "pass -> fail"),
        ((of(["a"], "fail"), of(["a"])), 0, "fail -> pass"),
        ((of(["a"]), of(["a", "b"])), 0, "1 new, 1 unchanged"),
        ((of(["a"]), of(["a", "b"], "error")), 1, "2 new"),
        ((of(["a", "b"], "fail"), of(["a"], "fail")), 0, "was fail"),
    ],
    ids=["same", "worse", "better", "more", "more errors", "gone"],
)
def test_runs_are_compared(command, project, runs, code, words):
    files = write(project / "a.json", runs[0]), write(project / "b.json", runs[1])
    ended = command("report", "diff", *files)
    assert ended.code == code
    assert words in ended.out
    found = command("report", "diff", *files, "--json")
    assert found.code == code
    assert set(json.loads(found.out)) == {"counts", "changes"}


def test_a_table_for_a_merge_request_holds_text_as_text(command, project, rich):
    bad = of(["a"], "fail")
    bad["results"][0]["message"] = "<b>x</b> | `y` [z](http://evil) @all\nnext"
    files = write(project / "a.json", of(["a"])), write(project / "b.json", bad)
    ended = command("report", "diff", *files, "--markdown")
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0] == "**1 new**"
    assert lines[-1].count("|") == 7  # six of the table, one escaped
    # a mention, a link or a bare address is one in spite of a backslash, but not in code
    assert lines[-1].endswith("| ``<b>x</b> \\| `y` [z](http://evil) @all next`` |")


def test_a_table_for_a_merge_request_fits_into_a_comment(command, project):
    bad = of([f"host{number:04d}-{'x' * 200}" for number in range(400)], "fail")
    files = write(project / "a.json", of(["a"])), write(project / "b.json", bad)
    ended = command("report", "diff", *files, "--markdown")
    assert 40_000 < len(ended.out) < 65_536
    assert "more changes: see the json or html report." in ended.out


def test_two_forms_at_once_are_refused(command, results):
    ended = command("report", "diff", results, results, "--json", "--markdown")
    assert ended.code == 4


def test_a_merge_of_nothing_is_refused(command, project):
    assert command("report", "merge", "-o", "m.json").code == 4
