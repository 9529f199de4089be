"""Commands and files of this machine: exact exit codes, no hanging, no guess."""

from __future__ import annotations

import os
import subprocess
import time

import psutil
import pytest

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable, TimedOut
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport import open_transport
from pytest_sysaudit.transport.base import ENVIRONMENT, Transport
from pytest_sysaudit.transport.local import LocalTransport
from pytest_sysaudit.transport.sudo import PasswordTalk, sudo_line, sudo_result


def local(**entry):
    host = model.Host.model_validate({"connection": "local", **entry})
    return LocalTransport(Target(name="here", kind=Kind.LOCAL, entry=host))


@pytest.mark.parametrize(
    ("command", "code", "out", "err"),
    [
        ("echo out; echo err >&2; exit 3", 3, b"out\n", b"err\n"),
        (["printf", "%s", "a b; $HOME"], 0, b"a b; $HOME", b""),
        (["printf", r"\0\377\200"], 0, b"\0\xff\x80", b""),
        ("kill -9 $$", 137, b"", b""),
        ("kill -TERM $$", 143, b"", b""),
        (["no-such-program"], 127, b"", b"no-such-program: not found\n"),
        (["/etc/passwd"], 126, b"", b"/etc/passwd: Permission denied\n"),
        ("exec >&- 2>&-; sleep 0.1; exit 5", 5, b"", b""),
        ("sleep 1 >&- 2>&- & echo done", 0, b"done\n", b""),
    ],
)
def test_a_command_gives_exactly_what_it_gave(command, code, out, err):
    result = local().run(command)
    assert (result.exit_code, result.stdout, result.stderr) == (code, out, err)
    assert result.command == command


def test_the_environment_is_ours_and_holds_nothing_else_of_ours(monkeypatch):
    monkeypatch.setenv("WEB1_SUDO", "geheim")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    lines = dict(line.split("=", 1) for line in local().run(["env"]).out.splitlines())
    assert {key: lines[key] for key in ENVIRONMENT} == dict(ENVIRONMENT)
    assert "WEB1_SUDO" not in lines
    assert "LC_MESSAGES" not in lines


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_standard_input_arrives_whole(size):
    data = os.urandom(size)
    assert local().run(["cat"], stdin=data).stdout == data


def test_a_command_that_does_not_read_its_input_is_no_error():
    assert local().run(["true"], stdin=b"x" * 3_000_000).ok


@pytest.mark.parametrize(
    "command",
    [
        "sleep {n}",
        "trap '' TERM; sleep {n} & wait; sleep {n}",
        "setsid sleep {n} & wait",
        "(sleep {n} &) ; exec sleep {n}",
        "exec >&- 2>&-; exec sleep {n}",
    ],
)
def test_a_deadline_ends_the_command_and_what_it_started(command):
    seconds = f"{os.getpid()}.{time.monotonic_ns()}"
    with pytest.raises(TimedOut, match=r"no end within 0\.3 s"):
        local().run(command.format(n=seconds), timeout=0.3)
    assert not [p for p in psutil.process_iter(["cmdline"]) if seconds in (p.info["cmdline"] or [])]


def test_a_grandchild_that_keeps_the_pipes_open_does_not_keep_us():
    result = local().run("sleep 600 & echo $!", timeout=60)
    grandchild = psutil.Process(int(result.out))
    try:
        assert result.exit_code == 0
        assert grandchild.is_running()
    finally:
        grandchild.kill()


def test_the_deadline_of_the_inventory_is_the_default():
    with pytest.raises(TimedOut, match=r"sleep 60: no end within 0\.2 s"):
        local(command_timeout=0.2).run(["sleep", "60"])


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_output_larger_than_allowed_is_incomplete_and_ends_the_command(stream):
    with pytest.raises(Incomplete, match="more than 1000 bytes of output"):
        local(max_output=1000).run(f"yes{stream}")
    assert local(max_output=1000).run(f"head -c 1000 /dev/zero{stream}").ok


def test_a_shell_that_is_gone_is_not_exit_code_127(monkeypatch):
    def no_shell(argv, **_):
        raise FileNotFoundError(2, "No such file or directory", argv[0])

    monkeypatch.setattr(subprocess, "Popen", no_shell)
    with pytest.raises(CannotAssess, match="/bin/sh cannot be started: No such file or directory"):
        local().run("true")


def test_files_come_from_the_operating_system(tmp_path):
    file = tmp_path / "a b"
    file.write_bytes(b"\0\xff")
    file.chmod(0o640)
    (tmp_path / "link").symlink_to(file)
    (tmp_path / os.fsdecode(b"\xff")).touch()
    transport = local()
    assert transport.read(str(file)) == b"\0\xff"
    assert transport.listdir(str(tmp_path)) == ["\\xff", "a b", "link"]
    facts = transport.stat(str(file))
    assert (oct(facts.mode), facts.size, facts.uid) == ("0o100640", 2, os.geteuid())
    assert transport.stat(str(tmp_path / "link")).mode & 0o170000 == 0o120000


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("nothing", NotApplicable, "No such file or directory"),
        ("file/below", NotApplicable, "Not a directory"),
        (".", CannotAssess, "Is a directory"),
        ("pipe", CannotAssess, "not a regular file"),
        ("circle", CannotAssess, "symbolic links"),
        ("big", Incomplete, "larger than 10 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, path, error, message):
    (tmp_path / "file").touch()
    (tmp_path / "big").write_bytes(b"x" * 11)
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(error, match=message) as caught:
        local().read(f"{tmp_path}/{path}", limit=10)
    assert caught.type is error


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O")])
def test_an_operating_system_that_refuses_is_an_error_of_ours(monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(os, "lstat", refuse)
    with pytest.raises(CannotAssess) as caught:
        local().stat("/x")
    assert (caught.type is Denied) == isinstance(error, PermissionError)


def test_it_is_opened_by_kind_and_says_who_it_is():
    target = Target(name="here", kind=Kind.LOCAL, entry=model.Host(connection="local"))
    transport = open_transport(target, None, {})
    assert isinstance(transport, Transport)
    assert transport.name == "here"
    assert transport.identity["address"] == "local"
    assert os.uname().release in transport.identity["kernel"]
    transport.close()
    transport.close()


def test_an_opener_of_a_third_party_comes_first():
    made = object()
    target = Target(name="here", kind=Kind.LOCAL, entry=model.Host(connection="local"))
    assert open_transport(target, None, {}, {"local": lambda *_: made}) is made


def test_a_target_that_runs_no_commands_has_no_transport():
    target = Target(name="shop", kind=Kind.HTTP, entry=model.Http())
    with pytest.raises(CannotAssess, match="shop: no transport for targets of kind 'http'"):
        open_transport(target, None, {})


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ([b""], [b""]),
        ([b"sudo: warning\n", b"ASK"], [b"", b"secret\n"]),
        ([b"ASK", b"ASK more"], [b"secret\n", b""]),
        ([b"MARK\n"], [b"input"]),
        ([b"ASK", b"ASKMARK\n", b"ASKMARK\nerr ASK"], [b"secret\n", b"input", b""]),
    ],
)
def test_one_prompt_gets_one_answer(heard, said):
    talk = PasswordTalk("secret", b"input", prompt="ASK", mark="MARK")
    assert [talk.answer(stderr) for stderr in heard] == said


def test_a_second_prompt_gets_none():
    talk = PasswordTalk("secret", b"input", prompt="ASK", mark="MARK")
    assert talk.answer(b"ASK") == b"secret\n"
    with pytest.raises(Denied, match="the sudo password is refused"):
        talk.answer(b"ASKSorry, try again.\nASK")


def test_an_inner_sudo_that_did_not_start_the_command_is_denied():
    line = sudo_line("nobody", "exit 1")
    refused = local().run(line.replace("sudo ", "echo no >&2; false ", 1))
    with pytest.raises(Denied, match="as nobody: no"):
        sudo_result("nobody", refused)
