"""The command in real shells: completion, pipes, full disks, Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab.command import shell

SYSAUDIT = str(Path(sys.executable).with_name("sysaudit"))
INVENTORY = """\
version: 1
groups: {prod: {}}
hosts:
  web1: {connection: local, groups: [prod]}
  web2: {connection: local}
http:
  shop: {base_url: "http://127.0.0.1:1"}
"""
#: What is typed, and what it can be completed to: some of it, and what it must not be.
TYPED = [
    ("sysaudit in", {"init", "inventory"}, {"report"}),
    ("sysaudit evidence ", {"verify", "show", "key"}, {"diff"}),
    ("sysaudit snapshot we", {"web1", "web2"}, {"shop"}),
    ("sysaudit inventory show --target pr", {"prod"}, {"web1"}),
    ("sysaudit controls ssh.root", {"ssh.root-login"}, {"ssh.empty-passwords"}),
    ("sysaudit controls --coverage cis-d", {"cis-debian12", "cis-dil"}, {"dev-sec"}),
    ("sysaudit report convert x.json --to js", {"json"}, {"html"}),
    ("sysaudit doctor --con", {"--connect"}, {"--json"}),
]


@pytest.fixture
def project(tmp_path):
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    return tmp_path


@pytest.mark.parametrize("typed, some, none", TYPED, ids=[typed for typed, _, _ in TYPED])
def test_bash_completes(project, typed, some, none):
    words = typed.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
eval "$(sysaudit completion bash)"
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
$(complete -p sysaudit | sed 's/.*-F \\([^ ]*\\) .*/\\1/') sysaudit
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    ended = shell(script, project)
    found = set(ended.out.split())
    assert ended.err == ""
    assert some <= found, ended.out
    assert not none & found


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_shell_takes_its_script(project, name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    check = {"bash": "bash -n", "zsh": "zsh -n", "fish": "fish --no-execute"}[name]
    ended = shell(f"sysaudit completion {name} > x && {check} x && test -s x", project)
    assert (ended.code, ended.err) == (0, "")


def test_fish_completes(project):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = "sysaudit completion fish | source; complete -C 'sysaudit snapshot we'"
    ended = shell(f'fish --no-config -c "{script}"', project, HOME=str(project))
    assert {line.split("\t")[0] for line in ended.out.splitlines()} == {"web1", "web2"}


def test_a_broken_inventory_completes_nothing_and_says_nothing(project):
    (project / "inventory.yaml").write_text("{")
    environment = {
        "_SYSAUDIT_COMPLETE": "bash_complete",
        "COMP_WORDS": "sysaudit snapshot we",
        "COMP_CWORD": "2",
    }
    ended = shell("sysaudit", project, **environment)
    assert ended.out.strip() == ""
    assert ended.err == ""


def test_who_reads_the_first_line_only_gets_no_complaint(project):
    ended = shell("sysaudit controls --json 2>err | head -n 1; echo ${PIPESTATUS[0]}", project)
    assert ended.out in ("[\n141\n", "[\n0\n")  # head may have taken all of it
    assert (project / "err").read_text() == ""


@pytest.mark.parametrize("line", ["--help", "doctor", "inventory show", "completion bash"])
def test_a_closed_pipe_ends_it_as_other_programs(project, line):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [SYSAUDIT, *line.split()],
            cwd=project,
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.parametrize("line", ["inventory show", "completion bash", "--help"])
def test_a_full_disk_behind_the_output_is_told(project, line):
    ended = shell(f"sysaudit {line} > /dev/full", project)
    assert ended.code == 3
    assert "No space left on device" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "line", ["report convert x --to json=/dev/full", "snapshot web1 -o /dev/full/x"]
)
def test_a_file_that_cannot_be_written_is_told(project, line):
    ended = shell(f"pytest --version >/dev/null; sysaudit {line}", project)
    assert ended.code in (3, 4)
    assert "Traceback" not in ended.err


def test_letters_that_the_terminal_does_not_have_are_shown_otherwise(project):
    text = INVENTORY.replace("web2: {", "web2: {vars: {town: Łaź}, ")
    (project / "inventory.yaml").write_text(text, "utf-8")
    ended = shell("sysaudit inventory show", project, PYTHONIOENCODING="latin-1")
    assert ended.code == 0, ended.err
    assert "town: \\u0141a\\u017a" in ended.out


def test_without_standard_input_and_output(project):
    ended = shell("sysaudit inventory check <&- >&-", project)
    assert ended.code in (0, 3)
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("arguments", [["controls"], ["doctor", "--connect"]])
def test_ctrl_c_ends_it_with_code_2_and_a_word(project, arguments):
    """A host that accepts and says nothing keeps the doctor waiting; conftest.py keeps pytest."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (project / "inventory.yaml").write_text(
            "version: 1\ndefaults: {connect_timeout: 60, auth_timeout: 60}\nhosts:\n"
            f"  silent: {{address: 127.0.0.1, port: {port}, ssh: {{config_file: none}}}}\n"
        )
        (project / "checks").mkdir()
        begun = project / "begun"
        (project / "checks" / "test_slow.py").write_text(
            f"import time, pathlib\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(60)\n"
        )
        process = subprocess.Popen(
            [SYSAUDIT, *arguments],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            if arguments == ["controls"]:
                end = time.monotonic() + 60
                while not begun.exists() and time.monotonic() < end:
                    time.sleep(0.02)
            else:
                server.settimeout(60)
                server.accept()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 2, err
    assert err.splitlines()[-1] == "sysaudit: interrupted"
    assert "Traceback" not in err
