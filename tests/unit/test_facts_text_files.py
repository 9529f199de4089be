"""Text files by a pattern: all of them, or none with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts.text_files import TextFiles
from pytest_sysaudit.transport.base import CommandResult

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]


def read(argv, *keys):
    done = subprocess.run(
        [*argv, "-c", TextFiles.command(keys)],
        capture_output=True,
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        check=False,
    )
    return TextFiles.parse(keys, result(done.stdout, done.returncode, done.stderr))


def result(out, code=0, err=b""):
    return CommandResult(
        command="texts", exit_code=code, stdout=out, stderr=err, started=0, duration=0
    )


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def shell(request):
    return request.param


def test_every_file_that_the_pattern_names(shell, tmp_path):
    folder = tmp_path / "it's here"
    folder.mkdir()
    (folder / "b.conf").write_text("x = 1\n\n# no\n  y\r\nlast")
    (folder / "a\nb.conf").write_bytes(b"caf\xe9\n1:2\n")
    (folder / "empty.conf").touch()
    (folder / "other").write_text("no")
    (folder / "folder.conf").mkdir()
    key = f"{folder}/*.conf"
    found = read(shell, "/nowhere/*", key, f"{folder}/other", f"{folder}/none")
    assert dict(found[key]) == {
        f"{folder}/a\nb.conf": "caf\\xe9\n1:2\n",
        f"{folder}/b.conf": "x = 1\n\n# no\n  y\r\nlast\n",
        f"{folder}/empty.conf": "",
    }
    assert list(found[f"{folder}/other"].values()) == ["no\n"]
    assert dict(found["/nowhere/*"]) == dict(found[f"{folder}/none"]) == {}
    assert [(n, text) for _, n, text in found[key].lines()][2:] == [
        (1, "x = 1"),
        (4, "y"),
        (5, "last"),
    ]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives the files to another user")
def test_what_may_not_be_seen_is_denied_and_not_empty(shell, tmp_path):
    closed = tmp_path / "closed"
    (closed / "below").mkdir(parents=True)
    closed.chmod(0o700)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    keys = [f"{closed}/*", f"{closed}/below/*", f"{closed}/x", f"{tmp_path}/s*", f"{tmp_path}/z*"]
    found = read(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *shell], *keys)
    assert [isinstance(found[key], Denied) for key in keys] == [True, True, True, True, False]


@pytest.mark.parametrize("key", ["/etc/*/x", "/etc/$(id)", "/etc/a b", "/etc/`id`*"])
def test_a_pattern_that_no_shell_may_see(key):
    assert isinstance(read(["sh"], key, "/nowhere/*")[key], CannotAssess)


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (b"1:/a\0@text\x001:x\n", Incomplete),
        (b"1:/a\0", Incomplete),
        (b"", Incomplete),
        (b"what\0@text\0@end\n", ValueError),
        (b"1:/a\0@text\0what\n@end\n", ValueError),
    ],
)
def test_output_that_is_not_whole_is_no_answer(out, error):
    with pytest.raises(error):
        TextFiles.parse(["/a"], result(out))


@pytest.mark.parametrize("tail", [b"1:x\n1?\n", b"1:x\n", b""])
def test_a_file_that_broke_off_is_no_file(tail):
    found = TextFiles.parse(["/a"], result(b"1:/a\0@text\0" + tail + b"@end\n"))
    assert isinstance(found["/a"], CannotAssess)


def test_without_awk_nothing_is_said():
    with pytest.raises(CannotAssess, match="awk"):
        TextFiles.parse(["/a"], result(b"1:/a\0@text\0", 127, b"awk: not found\n"))
