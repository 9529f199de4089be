"""The script that reads several small files, run by real shells and awks."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import accounts, login_defs
from pytest_sysaudit.facts.small_files import SmallFiles
from pytest_sysaudit.transport.base import CommandResult

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
PASSWD = """root:x:0:0:root:/root:/bin/bash
old:Ab3xyzABCDEFG:7:7::/:/bin/sh
ann::8:8::/:
no:*LK*:9:9::/:
short:ab:10:10::/:/bin/sh
"""


def result(code, out, err=b""):
    return CommandResult(command="x", exit_code=code, stdout=out, stderr=err, started=0, duration=0)


@pytest.fixture(params=SHELLS)
def ask(request, tmp_path):
    """Return what asks a shell, and the awk that comes with it, for files."""
    if shutil.which(SHELLS[request.param][0]) is None:
        pytest.skip(f"no {request.param} here")
    path = os.environ["PATH"]
    if request.param == "busybox":
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "awk").symlink_to(shutil.which("busybox"))
        path = str(folder)
    shell = [shutil.which(SHELLS[request.param][0]), *SHELLS[request.param][1:]]

    def run(keys, script=None):
        done = subprocess.run(
            [*shell, "-c", script or SmallFiles.command(keys)],
            env={"LC_ALL": "C", "PATH": path},
            capture_output=True,
            check=False,
        )
        return SmallFiles.parse(keys, result(done.returncode, done.stdout, done.stderr))

    return run


def test_each_file_has_its_own_text(ask, tmp_path):
    texts = {
        "one": "a\n\nb:c\n",
        "empty": "",
        "no-newline": "x",
        "like our marks": "@end\n1:x\n2.\n1!\n2?\n",
        "it's; $(echo) =odd": "ok\n",
        "long": "y" * 70000 + "\n",
    }
    keys = []
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        keys.append(str(tmp_path / name))
    found = ask(tuple(keys))
    expected = {**texts, "no-newline": "x\n"}
    assert [found[key] for key in keys] == list(expected.values())


def test_a_file_that_is_not_there_says_so_and_leaves_the_others(ask, tmp_path):
    (tmp_path / "there").write_text("a\n")
    keys = (str(tmp_path / "not"), str(tmp_path / "there"), str(tmp_path / "there/below"))
    found = ask(keys)
    assert found[keys[1]] == "a\n"
    assert isinstance(found[keys[0]], NotApplicable)
    assert isinstance(found[keys[2]], NotApplicable)


def test_a_folder_is_no_file(ask, tmp_path):
    (tmp_path / "there").write_text("a\n")
    found = ask((str(tmp_path), str(tmp_path / "there")))
    assert type(found[str(tmp_path)]) is CannotAssess
    assert found[str(tmp_path / "there")] == "a\n"


def test_hashes_do_not_leave_the_host(ask, tmp_path):
    (tmp_path / "passwd").write_text(PASSWD)
    path = str(tmp_path / "passwd")
    script = SmallFiles.command([path]).replace('"/etc/passwd"', f'"{path}"')
    text = ask((path,), script)[path]
    assert [accounts.parse_user(line).password for line in text.splitlines()] == [
        "x",
        "(hidden)",
        "",
        "*LK*",
        "(hidden)",
    ]


def test_comments_of_login_defs_stay_on_the_host(ask, tmp_path):
    (tmp_path / "defs").write_text("# a\n\n  # b\nUID_MIN 500 # c\n")
    path = str(tmp_path / "defs")
    script = SmallFiles.command([path]).replace('"/etc/login.defs"', f'"{path}"')
    assert ask((path,), script)[path] == "UID_MIN 500 # c\n"
    assert login_defs.parse("UID_MIN 500 # c\n")["UID_MIN"] == "500"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("sh: 3: cannot open /a: Permission denied\n1!\n1?\n@end\n", Denied),
        ("sh: can't open '/a': no such file\n1!\n1?\n@end\n", NotApplicable),
        ("sh: 3: cannot open /a: Input/output error\n1!\n1?\n@end\n", CannotAssess),
        ("1?\n@end\n", CannotAssess),
        ("1:half\n@end\n", CannotAssess),
    ],
)
def test_what_could_not_be_read_is_never_empty(said, error):
    found = SmallFiles.parse(("/a",), result(0, said.encode()))["/a"]
    assert type(found) is error


def test_a_cut_answer_is_none():
    with pytest.raises(Incomplete):
        SmallFiles.parse(("/a",), result(0, b"1:x\n1.\n"))
    with pytest.raises(CannotAssess, match="awk: not found"):
        SmallFiles.parse(("/a",), result(127, b"", b"sh: awk: not found"))
