"""Parameters that look alike are results of their own: none takes the place of another."""

from __future__ import annotations

import pytest

CHECKS = """
class Same:
    def __init__(self, number):
        self.number = number

    def __str__(self):
        return "same"

def first():
    return 1

def second():
    return 2

@pytest.mark.parametrize("value", ["1", 1], ids=["text", "number"])
def test_types(host, value):
    assert value == 1

@pytest.mark.parametrize("value", [Same(1), Same(2)])
def test_objects(host, value):
    assert value.number == 2

@pytest.mark.parametrize("value", [first, second])
def test_functions(host, value):
    assert value() == 2
"""
FOUND = {
    ("test_types", "1", "alpha-text", "fail"),
    ("test_types", "1", "alpha-number", "pass"),
    ("test_objects", "same", "alpha-value0", "fail"),
    ("test_objects", "same", "alpha-value1", "pass"),
    ("test_functions", None, "alpha-first", "fail"),
    ("test_functions", None, "alpha-second", "pass"),
}


@pytest.mark.parametrize("workers", ["0", "1"])
def test_no_result_takes_the_place_of_another(project, workers):
    project.check(CHECKS)
    assert project.run("--audit-target=alpha", "-n", workers).ret == 1
    rows = project.document["results"]
    found = [
        (r["check"].rpartition("::")[2], r["params"].get("value"), r["params"]["id"], r["verdict"])
        for r in rows
    ]
    assert len(found) == len(FOUND)
    assert set(found) == FOUND
