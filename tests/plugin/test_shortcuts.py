"""What pytest is spared to work out again: it says the same as without."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace

import pytest
from _pytest import fixtures

from pytest_sysaudit.lanes import shortcuts as module
from pytest_sysaudit.lanes.shortcuts import shortcuts

CONFTEST = """
def pytest_runtest_setup(item):
    print("SETUP", {name!r}, "for", item.nodeid)
"""
CHECKS = """
import pytest

@pytest.fixture(params=["one", "two"])
def given(request):
    assert request.node.name
    assert request.getfixturevalue("request") is not None
    return request.param


class Base:
    def test_in_class(self, host, given):
        assert given in ("one", "two")


class TestFirst(Base):
    pass


class TestSecond(Base):
    pass


@pytest.mark.parametrize("value", [1, 2, 3])
def test_value(host, value, request):
    assert request.node.name.startswith("test_value")
    assert value
"""


@pytest.fixture
def folders(project):
    """Two folders of checks, each with a conftest file of its own."""
    for name in ("left", "right"):
        folder = project.path / "checks" / name
        folder.mkdir(parents=True)
        (folder / "conftest.py").write_text(CONFTEST.format(name=name))
        (folder / f"test_{name}.py").write_text(CHECKS)
    return project


@pytest.mark.parametrize("lanes", ["0", "auto"])
def test_conftest_files_are_for_their_own_folder(folders, lanes):
    result = folders.run("-s", "--audit-lanes", lanes, "checks")
    told = re.findall(r"SETUP (\w+) for (?:\S*/)?checks/(\w+)/", result.stdout.str())
    assert {*told} == {("left", "left"), ("right", "right")}
    assert len(told) == 2 * 2 * 7
    result.assert_outcomes(passed=28)


def test_places_are_the_same(folders):
    """pytest's own junit report has what each item's `location` says."""
    (folders.path / "plain.py").write_text(
        "from contextlib import nullcontext\n"
        "from pytest_sysaudit.lanes import shortcuts\n"
        "shortcuts.shortcuts = nullcontext\n"
    )
    told = {}
    wanted = re.compile(r'classname="[^"]*" name="[^"]*" file="[^"]*" line="\d+"')
    for name, more in (("quick", ()), ("plain", ("-p", "plain"))):
        path = folders.path / f"{name}.xml"
        options = ("-o", "junit_family=xunit1", f"--junitxml={path}")
        folders.run("--audit-lanes=0", "checks", *more, *options)
        told[name] = wanted.findall(path.read_text())
    assert len(told["plain"]) == 28
    assert told["quick"] == told["plain"]


class Session:
    """As much of a session as is touched."""

    items = ()
    config = SimpleNamespace(
        pluginmanager=SimpleNamespace(getplugin=lambda _: None),
        getoption=lambda _, default: default,
    )

    def gethookproxy(self, path):
        self.asked = path
        return object()


def test_all_is_as_before_when_they_end():
    session, before = Session(), fixtures.getfuncargnames
    with shortcuts(session):
        assert session.gethookproxy("x") is session.gethookproxy("x")
        assert fixtures.getfuncargnames is not before
    assert fixtures.getfuncargnames is before
    assert "gethookproxy" not in vars(session)
    assert session.gethookproxy("x") is not session.gethookproxy("x")


def test_who_asks_for_other_arguments_is_told_them():
    def wanted(host, *, request):
        return host, request

    with shortcuts(Session()):
        assert fixtures.getfuncargnames(wanted, name="wanted") == ("host", "request")
        assert fixtures.getfuncargnames(wanted, name="request") == ("host", "request")
        assert fixtures.getfuncargnames(lambda: 0, name="request") == ()


def test_a_pytest_without_them_is_left_alone(monkeypatch):
    monkeypatch.delattr(fixtures, "getfuncargnames")
    session = SimpleNamespace(items=(), config=Session.config)
    with shortcuts(session):
        assert vars(session).keys() == {"items", "config"}
        assert not hasattr(fixtures, "getfuncargnames")


def test_pytest_still_asks_for_arguments_this_way():
    """Else the shortcut saves nothing, and is to be taken out."""
    source = inspect.getsource(fixtures.FixtureDef.__init__)
    assert "getfuncargnames(func, name=argname)" in source
    assert 'argname="request"' in inspect.getsource(fixtures.RequestFixtureDef)


NOISY = """
import os
import pytest

@pytest.mark.parametrize("number", range(30))
def test_it(host, number):
    os.write(1, b"said to the descriptor\\n")
    print("said by print")
    assert host.target.name != "alpha" or number != 7, "no seven"
"""


@pytest.mark.parametrize("lanes", ["0", "auto"])
def test_what_is_gathered_is_shown_and_captured_as_ever(project, lanes):
    project.check(NOISY)
    shown = project.run("--audit-lanes", lanes, "-rP", "--tb=short", "-q").stdout.str()
    letters = "".join(re.findall(r"^[.FE]{10,}", shown, re.MULTILINE))
    assert (letters.count("."), letters.count("F")) == (59, 1)
    assert shown.count("said to the descriptor") == shown.count("said by print") == 60
    assert not re.search(r"^[.F]+said|said.*\n[.F]+\n", shown, re.MULTILINE)


class File:
    encoding = "utf-8"

    def __init__(self):
        self.told = []

    def write(self, text):
        if "é" in text:
            raise UnicodeEncodeError("ascii", text, 0, 1, "no")
        self.told.append(text)

    def flush(self):
        self.told.append("|")


class Reporter:
    isatty = False

    def __init__(self, file):
        self._tw = type("Writer", (), {"_file": file})()


def gathering(config, reporter):
    config.pluginmanager = type("Manager", (), {"getplugin": lambda *_: reporter})()
    return module._gathered_output(config)


class Config:
    verbosity, capture = 0, "fd"

    def getoption(self, name, default):
        return getattr(self, name, default)

    def get_verbosity(self):
        return self.verbosity


def test_letters_are_written_together_and_none_is_lost(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    file, config = File(), Config()
    reporter = Reporter(file)
    with gathering(config, reporter):
        out = reporter._tw._file
        for letter in "abc":
            out.write(letter)
            out.flush()
        assert file.told == []
        clock[0] = 0.2
        out.write("d")
        out.flush()
        assert file.told == ["abcd", "|"]
        out.write("e")
        with pytest.raises(UnicodeEncodeError):
            out.write("é")
        assert file.told[2:] == ["e", "|"]
        assert out.encoding == "utf-8"
        out.write("f")
    assert reporter._tw._file is file
    assert file.told[4:] == ["f", "|"]


@pytest.mark.parametrize(
    "change",
    [(Config, "verbosity", 1), (Config, "capture", "no"), (Reporter, "isatty", True)],
    ids=["verbose", "not captured", "a terminal"],
)
def test_who_looks_on_sees_each_letter_at_once(monkeypatch, change):
    monkeypatch.setattr(*change)
    file = File()
    reporter = Reporter(file)
    with gathering(Config(), reporter):
        assert reporter._tw._file is file


@pytest.mark.parametrize("reporter", [None, object()])
def test_another_reporter_is_left_alone(reporter):
    with gathering(Config(), reporter):
        pass
