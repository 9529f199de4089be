"""Fact tables are read once, errors too; a frame cannot be cut or forged unnoticed."""

from __future__ import annotations

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import TABLES, open_facts, parse_lines
from pytest_sysaudit.facts.frame import frame_script, run_frame, split_frame
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport.base import CommandResult
from pytest_sysaudit.transport.local import LocalTransport


def words(facts):
    return facts.run("words").expect().out.split()


def here():
    return LocalTransport(
        Target(name="here", kind=Kind.LOCAL, entry=model.Host(connection="local"))
    )


def test_a_table_is_read_once_for_each_user():
    transport = FakeTransport(results={"words": "a b\n"})
    facts = open_facts(transport, {"words": words})
    assert facts.words is facts.words
    assert facts.as_user("root").words == ["a", "b"]
    assert facts.as_user("root").words is facts.as_user("root").words
    assert [user for _, user in transport.calls] == [None, "root"]


@pytest.mark.parametrize("error", [Denied("no"), NotApplicable("none"), CannotAssess("lost")])
def test_an_error_is_remembered_too(error):
    transport = FakeTransport(results={"words": error})
    facts = open_facts(transport, {"words": words})
    for _ in range(3):
        with pytest.raises(type(error), match=str(error)):
            _ = facts.words
    assert len(transport.calls) == 1


@pytest.mark.parametrize("error", [ValueError("x"), IndexError("x"), KeyError("x"), TypeError("x")])
def test_a_parser_that_is_lost_could_not_assess(error):
    def read(facts):
        raise error

    with pytest.raises(CannotAssess, match="odd: unknown format"):
        _ = open_facts(FakeTransport(), {"odd": read}).odd


def test_a_lost_line_is_named_by_its_number_and_not_shown():
    def parse(line):
        name, number = line.split(":")
        return name, int(number)

    assert parse_lines("x", "a:1\n\nb:2\n", parse) == [("a", 1), ("b", 2)]
    with pytest.raises(CannotAssess) as caught:
        parse_lines("shadow", "a:1\n\nroot:$6$hash\n", parse)
    assert str(caught.value) == "shadow: unknown format at line 3 (ValueError)"


def test_an_unknown_table_is_named_with_the_nearest():
    with pytest.raises(AttributeError, match="'helth'; did you mean 'health'"):
        _ = open_facts(FakeTransport()).helth


def test_every_registered_table_can_be_imported_and_has_a_reader():
    from pytest_sysaudit.facts.base import find_reader

    assert all(callable(find_reader(path)) for path in TABLES.values())


COMMANDS = {
    "plain": "printf 'no newline'",
    "binary": ["printf", r"\0\377\n\n"],
    "fails": "echo out; echo why >&2; exit 7",
    "broken": "if then ( 'x",
    "empty": ":",
    "eats-input": "cat",
    "leaves": "exit 3",
}


def test_a_frame_gives_each_command_its_own_result():
    found = run_frame(here(), COMMANDS)
    assert found["plain"].stdout == b"no newline"
    assert found["binary"].stdout == b"\0\xff\n\n"
    fails = found["fails"]
    assert (fails.exit_code, fails.stdout, fails.stderr) == (7, b"out\n", b"why\n")
    assert found["broken"].exit_code not in (0, 7)
    assert (found["empty"].exit_code, found["empty"].stdout) == (0, b"")
    assert (found["eats-input"].exit_code, found["eats-input"].stdout) == (0, b"")
    assert found["leaves"].exit_code == 3


def test_the_script_is_the_same_in_every_run_and_the_mark_is_not():
    assert frame_script({"a": "true"}) == frame_script({"a": "true"})
    marks = {here().run(frame_script({"a": "true"})).stdout.split()[1] for _ in range(2)}
    assert len(marks) == 2


def test_content_cannot_forge_the_end_of_its_section():
    old = here().run(frame_script({"a": "true"})).stdout
    found = run_frame(here(), {"a": ["printf", "%s", old.decode()], "b": "echo b"})
    assert found["a"].stdout == old
    assert found["b"].out == "b\n"


def cut(result, size):
    return CommandResult(
        command="x",
        exit_code=0,
        stdout=result.stdout[:size],
        stderr=result.stderr,
        started=0,
        duration=0,
    )


def test_a_frame_that_was_cut_off_anywhere_gives_nothing():
    whole = here().run(frame_script({"a": "echo a", "b": "echo b"}))
    assert split_frame(whole, {"a": "", "b": ""})["b"].out == "b\n"
    for size in range(len(whole.stdout)):
        with pytest.raises(CannotAssess):
            split_frame(cut(whole, size), {"a": "", "b": ""})
    with pytest.raises(Incomplete, match="without the end mark"):
        split_frame(cut(whole, len(whole.stdout) - 1), {"a": "", "b": ""})


def test_a_section_name_is_a_word():
    with pytest.raises(ValueError, match="not a section name"):
        frame_script({"a; reboot": "true"})
