"""How the command ends: exit codes, messages without tracebacks, nothing loaded too early."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from lab.command import Command

from pytest_sysaudit.command import ending, main
from pytest_sysaudit.command.group import COMMANDS, sysaudit
from pytest_sysaudit.errors import CannotAssess, ReportError


@pytest.fixture
def command(capsys):
    return Command(capsys)


def every(group=sysaudit, way=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        yield (*way, name), found
        if isinstance(found, click.Group):
            yield from every(found, (*way, name))


ALL = list(every())


@pytest.mark.parametrize("way", [way for way, _ in ALL], ids=" ".join)
def test_every_command_explains_itself_with_examples(command, way):
    ended = command(*way, "--help")
    assert ended.code == 0
    assert command(*way, "-h").out == ended.out
    assert f"Usage: sysaudit {' '.join(way)}" in ended.out
    assert "Examples:" in ended.out
    assert f"sysaudit {way[0]}" in ended.out.split("Examples:")[1]
    assert ended.err == ""


def test_every_option_has_a_help_text():
    for way, found in ALL:
        for parameter in found.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{way}: {parameter.name}"


def test_the_examples_use_options_that_exist():
    known = {option for _, found in ALL for one in found.params for option in one.opts}
    for way, found in ALL:
        for line in (found.epilog or "").splitlines():
            for word in line.split():
                if word.startswith("--"):
                    assert word in known, f"{way}: {line}"


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ([], 4, "Usage:"),
        (["--version"], 0, "sysaudit "),
        (["nothing"], 4, "No such command 'nothing'"),
        (["evidnce"], 4, "evidence"),
        (["inventory", "check", "--no-such-option"], 4, "No such option"),
        (["controls", "--severity", "severe"], 4, "severe"),
        (["report", "convert", "x.json"], 4, "Missing option '--to'"),
        (["report", "diff", "x.json"], 4, "Missing argument 'NEW'"),
        (["completion", "tcsh"], 4, "tcsh"),
        (["doctor", "--target", "x"], 4, "--connect"),
    ],
)
def test_a_wrong_command_line_is_exit_code_4(command, arguments, code, words):
    ended = command(*arguments)
    assert ended.code == code
    assert words in ended.out + ended.err


def failing(error):
    @click.command()
    def broken() -> None:
        raise error

    return click.Group("sysaudit", commands={"broken": broken})


@pytest.mark.parametrize(
    "error, code, words",
    [
        (KeyboardInterrupt(), 2, "interrupted"),
        (click.Abort(), 2, "interrupted"),
        (ending.Refused("that is no file"), 4, "sysaudit: that is no file"),
        (CannotAssess("nobody answers"), 4, "sysaudit: nobody answers"),
        (ReportError("x.json: the disk is full"), 3, "sysaudit: x.json: the disk is full"),
        (PermissionError(13, "Permission denied", "/x/y"), 3, "sysaudit: /x/y: Permission denied"),
        (OSError(28, "No space left on device"), 3, "could not be written: No space left"),
        (FileNotFoundError(2, "No such file or directory"), 3, "the current folder is not there"),
        (ZeroDivisionError("oh"), 3, "internal error: ZeroDivisionError: oh"),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
        (click.exceptions.Exit(1), 1, ""),
    ],
)
def test_every_error_becomes_a_line_and_a_code(command, monkeypatch, error, code, words):
    from pytest_sysaudit.command import group

    monkeypatch.setattr(group, "sysaudit", failing(error))
    ended = command("broken")
    assert ended.code == code
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_an_interrupt_before_the_first_word_is_no_traceback(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ending, "run", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["controls"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "sysaudit: interrupted\n"


def test_the_traceback_can_be_had(command, monkeypatch):
    from pytest_sysaudit.command import group

    monkeypatch.setattr(group, "sysaudit", failing(ZeroDivisionError("oh")))
    monkeypatch.setenv("SYSAUDIT_TRACEBACK", "1")
    assert "Traceback" in command("broken").err


def test_colours_only_on_a_terminal_or_if_asked_for(command, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert "\x1b[" not in "".join(vars_of(command("inventory", "check", "/no/such")))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in command("inventory", "check", "/no/such").err
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in command("inventory", "check", "/no/such").err


def vars_of(ended):
    return ended.out, ended.err


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["inventory", "--help"], ["completion", "zsh"]]
)
def test_nothing_heavy_is_loaded_to_say_little(arguments):
    code = (
        "import sys; from pytest_sysaudit.command.ending import run; run(sys.argv[1:]);"
        "heavy = {'boto3', 'botocore', 'paramiko', 'pytest', 'pydantic', 'requests', 'scapy',"
        " 'testinfra', 'yaml', 'jinja2', 'cryptography'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_every_command_is_where_the_table_says():
    context = click.Context(sysaudit)
    for name in COMMANDS:
        found = sysaudit.get_command(context, name)
        assert found is not None
        assert found.name == name
