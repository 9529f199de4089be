"""Waivers: read with every mistake at its place, asked for, told with their state."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime

import pytest

from pytest_sysaudit.compliance.load import load
from pytest_sysaudit.compliance.scope import Place, World
from pytest_sysaudit.compliance.waivers import Waivers, overlaps, read_waivers
from pytest_sysaudit.inventory.yaml import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WEB1, WEB2 = Place("web1", "ssh", ("prod", "web")), Place("web2", "ssh", ("web",))
SHOP = Place("shop", "http")
TARGETS = {place.name: place for place in (WEB1, WEB2, SHOP)}
GOOD = {
    "control": "ssh.root-login",
    "targets": "web:!web2",
    "justification": "moved next month",
    "approver": "m.weber",
    "ticket": "SEC-1",
    "expires": "2027-01-31 Europe/Berlin",
}


def text_of(*entries):
    lines = ["version: 1", "waivers:" if entries else "waivers: []"]
    for entry in entries:
        start = "  - "
        for key, value in entry.items():
            lines.append(f"{start}{key}: {value}")
            start = "    "
    return "\n".join(lines) + "\n"


def read(*entries):
    return read_waivers(parse(text_of(*entries).encode(), "waivers.yaml"))


def waivers(*entries, now=NOW):
    found, problems = read(*[GOOD | entry for entry in entries])
    assert problems == []
    return Waivers(found, now)


def test_a_waiver_says_who_why_and_until_when():
    ((waiver,), problems) = read(GOOD | {"resource": "/etc/x  y"})
    assert problems == []
    assert waiver.to_result() == {
        "by": "waivers.yaml",
        "reason": "moved next month",
        "raw": "fail",
        "approver": "m.weber",
        "ticket": "SEC-1",
        "expires": "2027-01-31T23:00:00.000Z",
        "place": "waivers.yaml:3",
        "target": "web:!web2",
        "resource": "/etc/x y",
    }


def test_no_waivers_are_no_mistake():
    assert read() == ([], [])


def test_two_on_one_line_have_places_of_their_own():
    inner = ", ".join(f"{key}: '{value}'" for key, value in GOOD.items())
    text = f"version: 1\nwaivers: [{{{inner}}}, {{{inner.replace('root', 'other')}}}]\n"
    found, problems = read_waivers(parse(text.encode(), "w.yaml"))
    assert problems == []
    assert len({waiver.place for waiver in found}) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"control": "ssh.*"},
            ":3:14: waivers[0].control: expected the id of one control, found 's",
        ),
        ({"control": "'^ssh'"}, "it is neither a glob nor a regular expression"),
        ({"control": "/ssh/"}, "write an entry for each control"),
        ({"control": None}, ":3:5: waivers[0]: missing key 'control': name one control by its id"),
        ({"control": "12"}, "expected text, found 12. Quote it: '12'"),
        ({"resource": "~"}, "resource: expected text, found nothing. Name a row, or leave the key"),
        (
            {"targets": None},
            "missing key 'targets': say where it holds, as --audit-target does; 'al",
        ),
        ({"targets": "[web, db]"}, "expected text, found a list. Write web:db"),
        ({"targets": "'web:'"}, "a part is empty"),
        ({"targets": "kind:azure"}, "unknown kind 'azure'"),
        ({"justification": None}, "missing key 'justification': say why the risk is accepted"),
        ({"justification": "'  '"}, "justification: expected text, found '  ': say why the risk"),
        ({"justification": ""}, "justification: expected text, found nothing: say why the risk"),
        ({"justificaton": "x"}, "unknown key 'justificaton'. Did you mean 'justification'?"),
        ({"reason": "x"}, "unknown key 'reason'. Did you mean 'justification'?"),
        ({"approver": None}, "missing key 'approver': say who has accepted the risk"),
        ({"ticket": "17"}, "ticket: expected text, found 17. Quote it: '17'"),
        (
            {"expires": None},
            "missing key 'expires': say until when the risk is accepted, with the ",
        ),
        (
            {"expires": "2027-01-31"},
            ":8:14: waivers[0].expires: '2027-01-31' says no time zone. Wri",
        ),
        ({"expires": "2027"}, "expires: expected text, found 2027"),
        ({"expires": "never"}, "expected a date with its time zone, found 'never'"),
    ],
)
def test_what_is_wrong_with_a_waiver(change, said):
    entry = {key: value for key, value in (GOOD | change).items() if value is not None}
    _, problems = read(entry)
    assert any(said in str(problem) for problem in problems), list(map(str, problems))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "waivers.yaml: is empty; a waiver file begins with 'version: 1'"),
        ("- a", "expected keys and values; a waiver file begins with 'version: 1'"),
        ("waivers: []", "missing key 'version'"),
        ("version: 1", "missing key 'waivers'"),
        (
            "version: 1\nwaivers:",
            "waivers: expected a list, found nothing. Write 'waivers: []' for",
        ),
        ("version: 1\nwaivers: {a: 1}", "expected a list, found keys and values"),
        ("version: 1\nwaivers: [a]", "waivers[0]: expected keys and values, found 'a'"),
        ("version: 1\nwaivers: []\nwaiver: []", "unknown key 'waiver'. Did you mean 'waivers'?"),
        (
            "version: 1\nwaivers:\n  - {control: a, control: b}",
            ":3:18: waivers[0]: duplicate key 'c",
        ),
    ],
)
def test_what_is_wrong_with_the_file(text, said):
    _, problems = read_waivers(parse(text.encode(), "waivers.yaml"))
    assert any(said in str(problem) for problem in problems), list(map(str, problems))


@pytest.mark.parametrize(
    ("entry", "control", "target", "resource", "covered"),
    [
        ({}, "ssh.root-login", WEB1, "", True),
        ({}, "ssh.root-login", WEB1, "any", True),
        ({}, "ssh.root-login", WEB2, "", False),
        ({}, "ssh.root-login", SHOP, "", False),
        ({}, "ssh.root-logi", WEB1, "", False),
        ({}, "ssh.root-login2", WEB1, "", False),
        ({"targets": "all"}, "ssh.root-login", Place(""), "", True),
        ({"targets": "kind:http"}, "ssh.root-login", SHOP, "", True),
        ({"resource": "b"}, "ssh.root-login", WEB1, "b", True),
        ({"resource": "b"}, "ssh.root-login", WEB1, "bb", False),
        ({"resource": "b"}, "ssh.root-login", WEB1, "", False),
        ({"expires": "2026-11-23T12:00Z"}, "ssh.root-login", WEB1, "", False),
        ({"expires": "2026-11-23T12:01Z"}, "ssh.root-login", WEB1, "", True),
        ({"expires": "2026-11-23 UTC"}, "ssh.root-login", WEB1, "", True),
        ({"expires": "2026-11-22 UTC"}, "ssh.root-login", WEB1, "", False),
    ],
)
def test_what_a_waiver_covers(entry, control, target, resource, covered):
    assert (waivers(entry).find(control, target, resource) is not None) == covered


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            {},
            {"targets": "web1"},
            "waivers.yaml:9:5: waivers[1]: waivers.yaml:3 waives ssh.root-login",
        ),
        ({"targets": "all"}, {"targets": "shop"}, "on shop already; let one waiver hold there"),
        ({"targets": "nowhere"}, {"targets": "nowhere"}, "on nowhere already"),
        ({"resource": "a"}, {}, "on web:!web2 already"),
        ({"resource": "a"}, {"resource": "a"}, "already"),
        ({"resource": "a"}, {"resource": "b"}, ""),
        ({}, {"targets": "web2"}, ""),
        ({}, {"control": "ssh.banner"}, ""),
    ],
)
def test_two_waivers_for_one_place(first, second, said):
    entries = [GOOD | first, GOOD | second]
    found, _ = read(*entries)
    problems = list(overlaps(found, TARGETS.values()))
    assert len(problems) == bool(said)
    assert said in "".join(map(str, problems))


def result(verdict, target="web1", control="ssh.root-login", resource="", place=None):
    waiver = {"place": place} if place else None
    return {
        "control": control, "target": target, "resource": resource,
        "verdict": verdict, "waiver": waiver,
    }  # fmt: skip


def state(entry, *rows, groups=("web", "prod"), soon=30):
    world = World(
        targets=TARGETS,
        groups=dict.fromkeys(groups, ()),
        knows=lambda id_: id_ == "ssh.root-login",
    )
    (told,) = waivers(entry).told(rows, world, soon)
    return told["state"], told["results"], told["expires_in_days"], told["expiring"]


@pytest.mark.parametrize(
    ("entry", "rows", "expected"),
    [
        ({}, [result("waived", place="waivers.yaml:3")] * 2, ("used", 2, 69, False)),
        ({}, [result("pass")], ("not needed", 0, 69, False)),
        ({}, [result("error")], ("unused", 0, 69, False)),
        ({}, [result("pass", target="web2")], ("unused", 0, 69, False)),
        ({}, [], ("unused", 0, 69, False)),
        ({}, [result("waived", place="other.yaml:3", target="web2")], ("unused", 0, 69, False)),
        ({"control": "no.such"}, [], ("unknown control", 0, 69, False)),
        ({"targets": "web9"}, [], ("unknown target", 0, 69, False)),
        ({"targets": "web:!web9"}, [], ("unknown target", 0, 69, False)),
        ({"targets": "prod:!web"}, [], ("unknown target", 0, 69, False)),
        ({"targets": "w*"}, [result("pass")], ("not needed", 0, 69, False)),
        ({"expires": "2026-11-20 UTC"}, [result("fail")], ("expired", 0, -3, False)),
        ({"expires": "2026-12-20 UTC"}, [result("pass")], ("not needed", 0, 27, True)),
    ],
)
def test_the_state_of_a_waiver(entry, rows, expected):
    assert state(entry, *rows) == expected


def test_when_a_waiver_is_told_as_expiring_can_be_chosen():
    assert state({}, soon=69)[3] is False
    assert state({}, soon=70)[3] is True


def test_all_is_a_place_also_where_there_are_no_targets():
    world = World(knows=lambda _: True)
    assert [t["state"] for t in waivers({"targets": "all"}).told([], world, 30)] == ["unused"]


def test_a_file_that_is_named_twice_counts_once(tmp_path):
    path = tmp_path / "waivers.yaml"
    path.write_text(textwrap.dedent(text_of(GOOD)))
    assert len(load([path, tmp_path / "." / "waivers.yaml"]).waivers) == 1
