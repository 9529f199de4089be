"""What the page's script is given: columns that say the same as the document."""

from __future__ import annotations

import copy
import itertools

import pytest
from lab.report_sample import controls, rich, sample

from pytest_sysaudit.record import Result, Verdict
from pytest_sysaudit.reports import document, html_coverage, html_data
from pytest_sysaudit.reports.html_data import milliseconds, packs

TRICKY = ["5.2", "5.10", "A.5", "10"]


def pack(made: dict, cut: int = 0) -> dict:
    return next(itertools.islice(packs(made), cut, None))


def row_of(data: dict, control: str, target: str) -> int:
    rows = data["results"]
    return next(
        n
        for n in range(len(rows["verdict"]))
        if data["controls"][rows["control"][n]]["id"] == control
        and data["targets"][rows["target"][n]]["name"] == target
    )


def shown(data: dict) -> dict[str, dict]:
    """Return the observations of the page that have details."""
    evidence = data["evidence"]
    return {
        name: {column: evidence[column][n] for column in evidence}
        for n, name in enumerate(evidence["id"])
        if evidence["flags"][n]
    }


def test_the_worst_stands_first():
    data = pack(sample())
    ranks = [
        (int(verdict), data["severities"].index(data["controls"][control]["severity"]))
        for verdict, control in zip(
            data["results"]["verdict"], data["results"]["control"], strict=True
        )
    ]
    assert ranks == sorted(ranks)
    assert ranks[0] == (0, 0)


def test_a_result_keeps_all_that_it_says():
    made = rich()
    data = pack(made)
    number = row_of(data, "ssh.root-login", "web2")
    said = {
        name: data["texts"][data["results"][name][number]]
        for name in ("check", "message", "expected", "drift")
    }
    assert said == {
        "check": "ssh/test_root_login.py::test_root_login",
        "message": "permitrootlogin is yes, expected no",
        "expected": "permitrootlogin: no",
        "drift": "new",
    }
    assert data["results"]["started"][number] == 4000
    assert data["results"]["took"][number] == 12


def test_texts_stand_once():
    texts = pack(rich())["texts"]
    assert texts[0] == ""
    assert len(set(texts)) == len(texts)


def test_evidence_keeps_its_hashes_and_what_it_was_made_of():
    made = rich()
    data = pack(made)
    found = shown(data)
    assert set(found) == {name for row in made["results"] for name in row["evidence"]} & set(
        made["evidence"]
    )
    for name, one in found.items():
        known = made["evidence"][name]
        assert one["sha256"] == known["sha256"]
        assert [data["evidence"]["id"][part] for part in one["made_of"]] == known["made_of"]
        assert bool(one["flags"] & 1) is known["redacted"]
        assert bool(one["flags"] & 2) is known["cut"]
        assert data["texts"][one["excerpt"]] == known["excerpt"]


def test_made_of_is_followed_and_circles_end():
    made = rich()
    first, second = list(made["evidence"])[:2]
    made["evidence"][first]["made_of"] = [second, "0" * 16]
    made["evidence"][second]["made_of"] = [first]
    for row in made["results"]:
        row["evidence"] = [first]
    data = pack(made)
    assert set(shown(data)) == {first, second}
    assert "0" * 16 in data["evidence"]["id"]


def test_observations_that_the_document_does_not_hold_are_named():
    data = pack(sample())
    assert data["evidence"]["id"] == ["e000142"]
    assert data["evidence"]["flags"] == [0]


@pytest.mark.parametrize("part", ["waivers", "attestations", "drift", "evidence"])
def test_parts_may_be_missing(part):
    made = rich()
    del made[part]
    data = pack(made)
    assert len(data["results"]["verdict"]) == len(made["results"])


def cut(count: int) -> tuple[dict, dict]:
    made = rich()
    for one in made["evidence"].values():
        one["excerpt"] = "y" * 1000
    return made, pack(copy.deepcopy(made), count)


def test_first_the_details_of_quiet_evidence_go():
    made, data = cut(1)
    loud = {
        name
        for row in made["results"]
        if row["verdict"] not in html_data.QUIET
        for name in row["evidence"]
        if name in made["evidence"]
    }
    assert set(shown(data)) == loud
    assert set(data["evidence"]["id"]) > loud


@pytest.mark.parametrize(("count", "length"), [(1, 1000), (2, 300), (4, 0)])
def test_then_excerpts_get_shorter(count, length):
    _, data = cut(count)
    longest = max(data["texts"][one["excerpt"]].count("y") for one in shown(data).values())
    assert longest == length


def test_then_the_names_of_quiet_evidence_go():
    _, data = cut(3)
    for number, verdict in enumerate(data["results"]["verdict"]):
        quiet = data["verdicts"][int(verdict)] in html_data.QUIET
        assert not (quiet and data["results"]["evidence"][number])


def test_at_last_the_values_of_quiet_results_go():
    _, data = cut(5)
    number = row_of(data, "ssh.root-login", "web2")
    assert data["texts"][data["results"]["observed"][number]]
    passed = data["results"]["verdict"].index(str(data["verdicts"].index("pass")))
    assert data["results"]["observed"][passed] == 0
    assert data["cuts"] == list(html_data.CUTS[1:])


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1970-01-01T00:00:01.500Z", 1500),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.123456Z", 123),
        ("", None),
        ("yesterday", None),
        ("2026-13-01T00:00:00Z", None),
    ],
)
def test_times(time, expected):
    assert milliseconds(time) == expected


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        (["pass", "pass"], "met"),
        (["pass", "fail", "error"], "not met"),
        (["pass", "error"], "not assessed"),
        (["pass", "manual"], "not assessed"),
        (["pass", "waived"], "accepted"),
        (["waived", "manual"], "not assessed"),
        (["not_applicable", "pass"], "met"),
        (["not_applicable"], "not applicable"),
        ([], "not assessed"),
    ],
)
def test_the_state_of_a_number(verdicts, state):
    control = controls()[0]
    rows = [
        Result(control=control.id, check="x", target=f"t{n}", verdict=Verdict(verdict))
        for n, verdict in enumerate(verdicts)
    ]
    made = document.build({}, [], [control], rows)
    found = html_coverage.coverage(made)
    assert {number.state for numbers in found.values() for number in numbers} == {state}


def test_numbers_are_sorted_as_people_count():
    control = {**controls()[0].to_plain(), "frameworks": {"x": TRICKY}}
    made = {**document.build({}, [], [], []), "controls": [control]}
    assert [n.number for n in html_coverage.coverage(made)["x"]] == ["5.2", "5.10", "10", "A.5"]
