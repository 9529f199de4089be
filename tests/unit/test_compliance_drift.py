"""What is new, fixed, unchanged, changed and gone since an earlier run."""

from __future__ import annotations

import json
import os

import pytest

from pytest_sysaudit.compliance.baseline import read_baseline
from pytest_sysaudit.compliance.drift import compare
from pytest_sysaudit.errors import ComplianceError


def row(verdict="pass", control="a", **more):
    known = {
        "control": control, "check": f"{control}.py", "target": "web1", "resource": "",
        "params": {}, "verdict": verdict, "message": "", "observed": None,
    }  # fmt: skip
    return known | more


@pytest.mark.parametrize(
    ("before", "now", "state"),
    [
        ("pass", "pass", "unchanged"),
        ("fail", "fail", "unchanged"),
        ("pass", "fail", "new"),
        ("pass", "error", "new"),
        ("waived", "fail", "new"),
        ("manual", "fail", "new"),
        ("error", "fail", "new"),  # it could have failed all the time, but nobody knew
        ("fail", "error", "changed"),
        ("fail", "pass", "fixed"),
        ("error", "pass", "fixed"),
        ("error", "not_applicable", "fixed"),
        ("fail", "not_applicable", "fixed"),
        ("fail", "waived", "changed"),
        ("fail", "manual", "changed"),
        ("error", "manual", "changed"),
        ("pass", "not_applicable", "changed"),
        ("not_applicable", "pass", "changed"),
        ("waived", "pass", "changed"),
        ("manual", "pass", "changed"),
    ],
)
def test_the_state_follows_from_both_verdicts(before, now, state):
    assert compare([row(before)], [row(now)]).states == (state,)


def test_another_message_or_observed_value_is_a_change():
    earlier = [row("fail", message="4 > 3", observed={"tries": 4})]
    same = row("fail", message="4 > 3", observed={"tries": 4})
    assert compare(earlier, [same]).states == ("unchanged",)
    assert compare(earlier, [same | {"message": "5 > 3"}]).states == ("changed",)
    assert compare(earlier, [same | {"observed": {"tries": 5}}]).states == ("changed",)


@pytest.mark.parametrize("key", ["control", "target", "resource"])
def test_what_tells_results_apart(key):
    drift = compare([row()], [row(**{key: "other"})])
    assert drift.states == ("new",)
    assert drift.counts == {"new": 1, "fixed": 0, "unchanged": 0, "changed": 0, "gone": 1}


def test_parameters_tell_apart_in_any_order():
    one = row(params={"port": "22", "name": "x"})
    drift = compare([one, row(params={"port": "23"})], [row(params={"name": "x", "port": "22"})])
    assert drift.states == ("unchanged",)
    assert [gone["params"] for gone in drift.gone] == [{"port": "23"}]


def test_a_check_may_be_renamed():
    assert compare([row("fail")], [row("fail", check="elsewhere.py")]).states == ("unchanged",)


def test_of_several_with_one_key_the_same_check_counts_first():
    earlier = [row("fail", check="x.py"), row("pass", check="y.py"), row("pass", check="z.py")]
    now = [row("pass", check="y.py"), row("fail", check="x.py"), row("error", check="w.py")]
    drift = compare(earlier, now)
    assert drift.states == ("unchanged", "unchanged", "new")
    assert drift.before[2]["check"] == "z.py"
    assert drift.gone == ()


def test_a_resource_that_is_there_twice_is_paired_in_order():
    drift = compare([row("fail"), row("pass")], [row("fail"), row("pass"), row("pass")])
    assert drift.states == ("unchanged", "unchanged", "new")


def test_what_is_gone_is_sorted_and_the_inputs_are_not_changed():
    earlier = [row(control=name, target=target) for target in ("b", "a") for name in ("z", "y")]
    copy = json.loads(json.dumps(earlier))
    drift = compare(earlier, [])
    assert [(gone["target"], gone["control"]) for gone in drift.gone] == [
        ("a", "y"), ("a", "z"), ("b", "y"), ("b", "z"),
    ]  # fmt: skip
    assert earlier == copy
    plain = drift.to_plain({"path": "x", "run": "1", "started": "", "sha256": ""})
    keys = ["check", "control", "params", "resource", "target", "verdict"]
    assert sorted(plain["gone"][0]) == keys


def test_twenty_thousand_results():
    def some(count):
        return [row(target=f"t{n % 200}", control=f"c{n // 200}") for n in range(count)]

    drift = compare(some(20000), some(20000))
    assert len(drift.states) == 20000
    assert set(drift.states) == {"unchanged"}


def document(**more):
    known = {"schema": "sysaudit-results/1", "run": {"id": "r1", "started": "2026-01-01T00:00:00Z"}}
    return known | {"results": [row() | {"duration": 1.0}]} | more


def test_a_baseline_is_read_from_a_file_or_its_folder(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document()))
    found = read_baseline(path)
    assert (found.run, found.started) == ("r1", "2026-01-01T00:00:00Z")
    assert found.results == (row(),)
    assert len(found.sha256) == 64
    assert read_baseline(tmp_path) == found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ":1:1: is no whole result file: Expecting value"),
        ('{"schema": "sysaudit-results/1",\n "run"', ":2:7: is no whole result file"),
        ("[1]", "is no result file: expected the key 'schema', which says sysaudit-results/1"),
        ("{}", "--audit-report json=PATH writes one"),
        ('{"schema": "sysaudit-results/2"}', "is of version 'sysaudit-results/2'; this "),
        ('{"schema": "sarif"}', "is no result file: its schema is 'sarif'"),
        ('{"schema": 1}', "expected the key 'schema'"),
        (json.dumps(document(run=None)), "does not say which run it is of"),
        (json.dumps(document(results={})), "it has no results"),
        (json.dumps(document(results=[row(), {}])), "result 2 is not one"),
        (json.dumps(document(results=[row("good")])), "result 1 is not one"),
        (json.dumps(document(results=[row(params={"a": 1})])), "result 1 is not one"),
        ("[" * 100_000, "is no"),
        (b"\xff\xfe\x00", "is no result file"),
    ],
)
def test_what_is_no_baseline_says_why(tmp_path, content, said):
    path = tmp_path / "b.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ComplianceError) as caught:
        read_baseline(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_baseline_that_cannot_be_read(tmp_path):
    with pytest.raises(ComplianceError, match="no such file; --audit-report json=PATH writes one"):
        read_baseline(tmp_path / "no.json")
    with pytest.raises(ComplianceError, match=r"results\.json: no such file"):
        read_baseline(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ComplianceError, match="not a regular file"):
        read_baseline(tmp_path / "pipe")


def test_a_folder_that_is_no_recording_after_all(tmp_path):
    (tmp_path / "main.chain").write_bytes(b"torn")
    with pytest.raises(ComplianceError, match=r"is no recording: .*no whole record"):
        read_baseline(tmp_path)
