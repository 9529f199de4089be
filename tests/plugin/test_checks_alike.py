"""Checks that look alike: no result takes the place of another."""

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


CHECK = "def test_x(host):\n    assert host\n"
AGAIN = """
class TestA:
    def test_x(self, host):
        assert host

class TestB:
    def test_x(self, host):
        assert not host
    def test_y(self, host):
        assert not host
    def test_x(self, host):
        assert host
"""


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        ({"test_it.py": CHECK * 2}, (), "test_it.py:4: test_x is defined again; the one on line 2"),
        ({"test_it.py": AGAIN}, (), "test_it.py:12: test_x is defined again; the one on line 8"),
        ({"test_it.py": CHECK, "../test_it.py": CHECK}, (), "two checks are called test_it.py::"),
        (
            {"test_it.py": CHECK},
            ("--keep-duplicates", "checks/test_it.py", "checks/test_it.py"),
            "test_x[[]alpha] is to be carried out twice; leave out --keep-duplicates",
        ),
    ],
)
def test_checks_that_cannot_be_told_apart_are_refused(project, files, arguments, said):
    for name, text in files.items():
        project.check(text, name)
    result = project.run("--audit-target=alpha", "--import-mode=importlib", *arguments)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*{said}*"])


def test_alternatives_and_namesakes_are_fine():
    from pytest_sysaudit.hooks.twins import redefined

    text = "if 1:\n    def test_a(): 1\nelse:\n    def test_a(): 2\n"
    text += "class TestA:\n    def test_a(self): 3\nclass TestB:\n    def test_a(self): 4\n"
    assert redefined(text) == {}
    assert redefined("def a(): 1\n\nasync def a(): 2\n") == {"a": (1, 3)}
    assert redefined('TEXT = """\ndef a(): 1\ndef a(): 2\n"""\n') == {}
