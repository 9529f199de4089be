"""The shipped profiles and the data on frameworks name only what exists, and agree."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import pytest

from pytest_sysaudit.compliance import coverage
from pytest_sysaudit.hooks.controls import _misfit
from pytest_sysaudit.profiles.catalogue import Catalogue, read_catalogue
from pytest_sysaudit.profiles.load import folder, load, shipped
from pytest_sysaudit.profiles.model import LeftOut
from pytest_sysaudit.profiles.names import Known, unknown_names
from pytest_sysaudit.record import Severity

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import tables  # noqa: E402 - it lies in docs/

sys.path.remove(str(ROOT / "docs"))

MARKS = [mark for pairs in tables.checks().values() for mark, _ in pairs]
CONTROLS = {mark.args[0]: tables._control(mark) for mark in MARKS}
MARKERS = {id_: control.frameworks for id_, control in CONTROLS.items()}
KNOWN = Known(
    controls=CONTROLS,
    inputs={mark.args[0]: mark.kwargs.get("inputs", {}) for mark in MARKS},
    find_others=Catalogue,
    misfit=_misfit,
)


def _takes(name, control):
    return load([name], folder()).judge(CONTROLS[control]) is True


@pytest.fixture(params=list(shipped()))
def profile(request):
    return load([request.param], folder())


def test_all_that_it_names_exists(profile):
    layers = tuple(dataclasses.replace(layer, shipped=False) for layer in profile.layers)
    problems = unknown_names(dataclasses.replace(profile, layers=layers), KNOWN)
    assert [str(problem) for problem in problems] == []


def test_the_test_of_names_finds_what_is_missing():
    layer = load(["dev-sec"], folder()).layers[0]
    layer = dataclasses.replace(layer, shipped=False, severities={"no.such": Severity.LOW})
    profile = dataclasses.replace(load(["dev-sec"], folder()), layers=(layer,))
    assert "'no.such'" in str(unknown_names(profile, KNOWN)[0])


def test_each_is_smaller_than_what_is_shipped_and_larger_than_nothing(profile):
    taken = [id_ for id_, control in CONTROLS.items() if profile.judge(control) is True]
    assert 30 < len(taken) < len(CONTROLS) or profile.name == "hardened"


def test_hardened_holds_the_baseline_and_web_server_too():
    profiles = {name: load([name], folder()) for name in ("baseline", "hardened", "web-server")}
    taken = {
        name: {id_ for id_, control in CONTROLS.items() if profile.judge(control) is True}
        for name, profile in profiles.items()
    }
    assert taken["baseline"] < taken["hardened"]
    assert taken["baseline"] < taken["web-server"]


def test_level_1_is_all_that_judges_a_number_of_level_1():
    profile = load(["cis-debian12-level1"], folder())
    (framework,) = (f for f in coverage.frameworks(MARKERS) if f.name == "cis-debian12")
    expected = {c for one in framework.numbers if one.level == "1" for c in one.controls}
    answers = {id_: profile.judge(control) for id_, control in CONTROLS.items()}
    assert {id_ for id_, answer in answers.items() if answer} == expected
    assert {id_ for id_, answer in answers.items() if isinstance(answer, LeftOut)} == {
        "mount.var-tmp"
    }


def test_dev_sec_is_all_that_maps_to_it():
    profile = load(["dev-sec"], folder())
    taken = {id_ for id_, control in CONTROLS.items() if profile.judge(control) is True}
    assert taken == {id_ for id_, maps_to in MARKERS.items() if "dev-sec" in maps_to}


def test_the_catalogue_reads_from_the_text_what_importing_gives():
    found = read_catalogue([folder().parent])
    assert found.inputs.keys() == CONTROLS.keys()
    for id_, names in found.inputs.items():
        assert names is None or names == KNOWN.inputs[id_].keys()
    assert sum(names is None for names in found.inputs.values()) < len(CONTROLS) / 10
    assert found.frameworks == {name for maps_to in MARKERS.values() for name in maps_to}


def test_the_catalogue_leaves_alone_what_is_no_check(tmp_path):
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    for name, text in {
        "venv/test_a.py": '@pytest.mark.control("in.venv")\ndef test_x(): ...\n',
        "test_broken.py": '@pytest.mark.control("in.broken"\n',
        "test_b.py": 'pytestmark = pytest.mark.control(id="b.one", inputs={**X, "a": 1})\n',
        "test_c.py": '@pytest.mark.control("c.one", inputs={"n": 1}, frameworks={"f": ["1"]})\n'
        "def test_x(): ...\n",
        "test_d.py": "@pytest.mark.control(NAME)\ndef test_x(): ...\n",
        "notes.txt": '@pytest.mark.control("in.notes")\n',
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "test_bytes.py").write_bytes(b'pytest.mark.control("x\xff")\n')
    found = read_catalogue([tmp_path, tmp_path, tmp_path / "gone"])
    assert found.inputs == {"b.one": None, "c.one": frozenset({"n"})}
    assert found.frameworks == {"f"}


def test_the_frameworks_have_as_many_numbers_as_their_sources():
    found = {framework.name: framework for framework in coverage.frameworks(MARKERS)}
    assert {name: len(framework.numbers) for name, framework in found.items()} == {
        "cis-debian12": 310,
        "cis-dil": 237,
        "dev-sec": 130,
    }
    levels = {name: framework.counts("1").total() for name, framework in found.items()}
    assert levels == {"cis-debian12": 249, "cis-dil": 192, "dev-sec": 0}
    for framework in found.values():
        for one in framework.numbers:
            assert re.fullmatch(r"[a-z]+-\d+[ab]?|\d+(\.\d+)+", one.number)
            assert bool(one.controls) is (one.judged != coverage.NOT)
            assert bool(one.remark) is (one.judged != coverage.COVERED)


def test_every_control_that_the_data_names_exists():
    assert [row for row in coverage.promises() if row[2] not in CONTROLS] == []


def test_no_number_is_left_for_later():
    left = [
        f"{framework.name} {one.number}"
        for framework in coverage.frameworks(MARKERS)
        for one in framework.numbers
        if one.remark == "no check yet"
    ]
    assert left == []


def test_no_shipped_control_names_a_number_that_its_framework_does_not_have():
    unknown = {one.name: one.unknown for one in coverage.frameworks(MARKERS)}
    assert set(unknown.values()) == {()}
    found = {one.name: one.unknown for one in coverage.frameworks({"a": {"dev-sec": ["os-99"]}})}
    assert found["dev-sec"] == ("os-99",)
    assert found["cis-dil"] == ()


def test_a_framework_that_nobody_listed_has_the_numbers_that_controls_name():
    assert coverage.coverage("nobody", MARKERS) is None
    markers = {"b": {"own": ["5.10", "5.2"]}, "a": {"own": ["5.2"]}}
    found = coverage.coverage("own", markers)
    assert not found.listed
    assert [(n.number, n.controls) for n in found.numbers] == [
        ("5.2", ("a", "b")),
        ("5.10", ("b",)),
    ]


def test_a_control_that_is_not_there_judges_nothing():
    (framework,) = (f for f in coverage.frameworks({}) if f.name == "cis-debian12")
    assert framework.counts() == {coverage.NOT: 310}


def test_rows_of_controls_name_the_profiles_that_hold_them():
    row = next(line for line in tables.controls().splitlines() if "`ssh.root-login`" in line)
    names = row.split("|")[-2].strip().split("; ")
    expected = [n for n in shipped() if _takes(n, "ssh.root-login")]
    assert names == expected
    assert "baseline" in names
