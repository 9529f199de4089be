"""The canned transport answers what it was given and nothing else."""

from __future__ import annotations

import pytest
from lab.fake import FakeTransport, fake_host, judge_check

from pytest_sysaudit.errors import Denied, NotApplicable
from pytest_sysaudit.facts.frame import run_frame
from pytest_sysaudit.record import Verdict


def test_it_answers_by_line_by_arguments_and_by_predicate():
    transport = FakeTransport(
        results={
            "uname -r": "6.1\n",
            ("cat", "/a b"): (1, "", "no such file"),
            lambda command: "ss" in command: Denied("no"),
        }
    )
    assert transport.run(["uname", "-r"]).out == "6.1\n"
    assert transport.run("cat '/a b'").exit_code == 1
    with pytest.raises(Denied):
        transport.run(["ss", "-l"])
    assert [command for command, _ in transport.calls] == [
        ["uname", "-r"],
        "cat '/a b'",
        ["ss", "-l"],
    ]


def test_an_unknown_command_is_an_error_of_the_test_or_exit_127():
    with pytest.raises(AssertionError, match="no answer for the command 'id -u'"):
        FakeTransport().run("id -u")
    assert FakeTransport(unknown=127).run("id -u").exit_code == 127


def test_a_frame_is_answered_command_by_command():
    transport = FakeTransport(results={"one": "1", "two 'a\nprintf b'": (3, b"\xff", "why")})
    found = run_frame(transport, {"a": "one", "b": ["two", "a\nprintf b"]})
    assert (found["a"].exit_code, found["a"].stdout) == (0, b"1")
    assert (found["b"].exit_code, found["b"].stdout, found["b"].stderr) == (3, b"\xff", b"why")


def test_files_folders_and_their_errors():
    transport = FakeTransport(files={"/etc/a/b": "text", "/etc/c": Denied("no")})
    assert transport.read("/etc/a/b") == b"text"
    assert transport.listdir("/etc") == ["a", "c"]
    assert transport.stat("/etc/a").mode == 0o40755
    with pytest.raises(Denied):
        transport.read("/etc/c")
    with pytest.raises(NotApplicable):
        transport.stat("/nowhere")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [("0\n", Verdict.PASS), ("1\n", Verdict.FAIL), (Denied("sudo"), Verdict.ERROR)],
)
def test_a_check_is_judged(answer, verdict):
    @pytest.mark.control("demo", inputs={"expected": 0})
    def check(host, audit):
        found = int(audit.observe("value", host.check_output("value")))
        assert found == audit.inputs.expected, f"value is {found}"

    assert judge_check(check, host=fake_host(results={"value": answer}))[0] is verdict
