"""The arithmetic of the benchmark that runs the library beside oscap and Lynis."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OSCAP = """Title\tEnsure /tmp Located On Separate Partition
Rule\txccdf_org.ssgproject.content_rule_partition_for_tmp
Result\tfail

Title\tInstall AIDE
Rule\txccdf_org.ssgproject.content_rule_package_aide_installed
Result\tpass

Title\tResult of nothing
Rule\txccdf_org.ssgproject.content_rule_grub2_password
Result\tnotapplicable

Title\tTwo words
Rule\tx
Result\tnotselected
"""
LYNIS = """  Lynis security scan details:
  Hardening index : 64 [############        ]
  Tests performed : 243
  Plugins enabled : 1
"""


@pytest.fixture(scope="module")
def library():
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(BENCHMARKS))
    import library

    yield library
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.mark.parametrize(
    "name, said, expected", [("oscap", OSCAP, 2), ("lynis", LYNIS, 243), ("oscap", "", 0)]
)
def test_what_was_looked_at_is_counted(library, name, said, expected):
    assert library.count(name, said) == expected


def test_lynis_without_its_summary_is_no_figure(library):
    with pytest.raises(RuntimeError, match="how many"):
        library.count("lynis", "Fatal error")


def test_programs_run_in_turns_and_the_first_round_is_left_out(library):
    seen = []

    def program(name, walls):
        def run():
            seen.append(name)
            return library.Run(next(walls), 1, 1, 1)

        return run

    found = library.measure(
        {"a": program("a", iter([99, 1, 5, 3])), "b": program("b", iter([0, 2, 2, 8]))}, 3
    )
    assert seen == ["a", "b"] * 4
    assert (found["a"].wall, found["b"].wall) == (3, 2)


@pytest.mark.parametrize(
    "changes, missed",
    [
        ({}, set()),
        ({"wall": 3.1}, {"wall time"}),
        ({"cpu": 1.1}, {"CPU of the host"}),
        ({"trips": 13}, {"round trips"}),
    ],
)
def test_goals_of_the_library(library, changes, missed):
    ours = library.Run(**{"wall": 3, "cpu": 1, "trips": 12, "judged": 178} | changes)
    marks = {goal.text.rpartition(": ")[2]: goal.mark for goal in library.goals(ours)}
    assert {name for name, mark in marks.items() if mark == "MISSED"} == missed
    assert set(marks.values()) <= {"reached", "MISSED"}
