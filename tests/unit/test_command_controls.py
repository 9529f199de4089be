"""`sysaudit controls`: what would run, one in full, what it covers."""

from __future__ import annotations

import json
import sys

import pytest
from lab.command import Command

from pytest_sysaudit.command import catalogue

MINE = '''\
import pytest

pytestmark = pytest.mark.platform("linux", distribution=["debian"])


@pytest.mark.control("mine.one", severity="low", frameworks={"house": ["2.10", "2.9"]})
def test_one(host):
    """One thing holds.

    Why: because of owls.

    Fix: feed them.
    """
    assert host


@pytest.mark.intrusive
@pytest.mark.targets("nobody-has-this-group")
@pytest.mark.control("mine.two", manual=True, inputs={"limit": 3, "names": ["a"]})
def test_two(http_client, audit):
    """Two things hold."""
    assert http_client


def test_three(aws_session):
    assert aws_session
'''


@pytest.fixture
def command(capsys):
    return Command(capsys)


@pytest.fixture(scope="module")
def shipped():
    return catalogue.shipped()


@pytest.fixture
def quick(monkeypatch, shipped):
    """The shipped controls, collected once for all tests of this file."""
    monkeypatch.setattr(catalogue, "shipped", lambda: shipped)


@pytest.fixture
def project(tmp_path, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # so that what pytest adds to it goes again
    monkeypatch.delitem(sys.modules, "test_mine", raising=False)
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_mine.py").write_text(MINE)
    return tmp_path


def ids(ended):
    return [line.split()[0] for line in ended.out.splitlines()]


def test_the_quick_way_finds_the_same_controls_as_pytest(shipped):
    assert {entry.control.id for entry in shipped} == set(catalogue.quick_ids())
    assert {entry.family for entry in shipped} == {
        *("aws", "health", "http", "linux", "network", "ssh", "tls")
    }


def test_shipped_controls_and_those_of_the_project_are_listed(command, project, shipped):
    ended = command("controls")
    assert ended.code == 0
    assert len(ids(ended)) == len(shipped) + 3
    assert {"mine.one", "mine.two", "ssh.root-login"} <= set(ids(ended))
    assert ended.err == f"{len(shipped) + 3} controls\n"


@pytest.mark.parametrize(
    "arguments, some, none",
    [
        (["mine.*"], {"mine.one", "mine.two"}, {"ssh.root-login"}),
        (["owls"], {"mine.one"}, {"mine.two"}),
        (["mine.*", "--severity", "medium"], {"mine.two"}, {"mine.one"}),
        (["--severity", "critical"], {"ssh.empty-passwords"}, {"mine.one"}),
        (["--family", "ssh"], {"ssh.root-login"}, {"mine.one", "kernel.modules"}),
        (["--family", "linux"], {"kernel.modules"}, {"ssh.root-login"}),
        (["--framework", "cis-debian12:5.1.20"], {"ssh.root-login"}, {"mine.one"}),
        (["--framework", "house:2.*"], {"mine.one"}, {"mine.two"}),
        (["--target-kind", "aws"], {"aws.s3-default-encryption"}, {"mine.one", "mine.two"}),
        (["--target-kind", "http"], {"mine.two"}, {"mine.one", "ssh.root-login"}),
        (["--target-kind", "host"], {"mine.one", "ssh.root-login"}, {"mine.two"}),
        (["checks"], {"mine.one", "mine.two"}, {"ssh.root-login"}),
        (["checks/test_mine.py", "one"], {"mine.one"}, {"mine.two"}),
    ],
)
def test_they_can_be_chosen(command, project, arguments, some, none):
    ended = command("controls", *arguments)
    assert ended.code == 0
    found = set(ids(ended))
    assert some <= found
    assert not none & found


def test_one_control_in_full(command, project):
    text = command("controls", "mine.two").out
    assert text.splitlines()[:2] == ["mine.two", "Two things hold."]
    for words in (
        "severity:   medium",
        "family:     mine",
        "targets:    http",
        "platforms:  linux (debian)",
        "only a person can judge it",
        "--audit-allow-intrusive",
        "test_mine.py:17",
        "limit = 3",
    ):
        assert words in text
    text = command("controls", "mine.one").out
    assert "Why: because of owls." in text
    assert "Fix: feed them." in text
    assert "house: 2.10, 2.9" in text


def test_controls_as_data(command, project):
    one, two, three = json.loads(command("controls", "checks", "--json").out)
    assert (one["id"], one["frameworks"]) == ("mine.one", {"house": ["2.10", "2.9"]})
    assert (two["manual"], two["intrusive"]) == (True, True)
    assert two["inputs"] == {"limit": 3, "names": ["a"]}
    assert three["id"] == "test_mine.py::test_three"
    assert three["target_kinds"] == ["aws"]


def test_coverage_of_a_framework_that_is_listed(command, project):
    ended = command("controls", "--coverage", "cis-debian12")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 310
    (line,) = [one for one in ended.out.splitlines() if one.startswith("5.1.20 ")]
    assert line.split()[1:3] == ["partly", "ssh.root-login"]
    found = json.loads(command("controls", "--coverage", "cis-debian12", "--json").out)
    assert sum(found["counts"].values()) == len(found["numbers"]) == 310
    judged = {one["judged"] for one in found["numbers"]}
    assert judged == {"yes", "partly", "no"}
    each = ", ".join(
        f"{found['counts'][key]} {word}"
        for key, word in (("yes", "judged"), ("partly", "partly"), ("no", "not"))
    )
    assert each in ended.err


def test_coverage_of_a_framework_of_the_house(command, project):
    ended = command("controls", "--coverage", "house")
    assert [line.split() for line in ended.out.splitlines()] == [
        ["2.9", "yes", "mine.one"],
        ["2.10", "yes", "mine.one"],
    ]
    assert "is not known" in ended.err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["ssh.rot-login"], "Did you mean 'ssh.root-login'?"),
        (["--coverage", "cis-debian13"], "Did you mean 'cis-debian12'?"),
        (["no/such/folder"], "no/such/folder: there is no such file or folder"),
        (["--framework", "none"], "no control matches"),
    ],
)
def test_what_is_not_there_is_told(command, project, arguments, words):
    ended = command("controls", *arguments)
    assert ended.code == 4
    assert words in ended.err


@pytest.mark.parametrize(
    "text, words",
    [
        ("import no_such_module_anywhere\n", "No module named"),
        ("def test_x(:\n", "SyntaxError"),
        (MINE.replace("mine.two", "mine.one"), "duplicate control id 'mine.one'"),
        (MINE.replace('severity="low"', 'severity="lowish"'), "lowish"),
    ],
    ids=["import", "syntax", "duplicate", "marker"],
)
def test_checks_that_cannot_be_collected_are_told(command, project, text, words):
    (project / "checks" / "test_mine.py").write_text(text)
    ended = command("controls", "checks")
    assert ended.code == 4
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_settings_of_the_project_change_nothing(command, project, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--audit-control=mine.two --no-such-option")
    (project / "pytest.ini").write_text(
        "[pytest]\naddopts = --audit-control=mine.one -v\naudit_profile = baseline\n"
        "audit_inventory = gone.yaml\naudit_report = json=x.json\n"
    )
    assert ids(command("controls", "checks")) == [
        "mine.one",
        "mine.two",
        "test_mine.py::test_three",
    ]
    assert not (project / "x.json").exists()
