"""Certificates and keys on disk, found by several shells, and odd answers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts.certificates import TREES, Certificates
from pytest_sysaudit.transport.base import CommandResult

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]
BLOCK = "-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n"
TRUSTED = BLOCK.replace(" CERT", " TRUSTED CERT")
KEY = "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----\n"


def result(out, code=0, err=b""):
    return CommandResult(command="x", exit_code=code, stdout=out, stderr=err, started=0, duration=0)


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def look(request):
    def look(*keys, before=()):
        keys = [str(key) for key in keys]
        done = subprocess.run(
            [*before, *request.param, "-c", Certificates.command(keys)],
            capture_output=True,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            check=False,
        )
        assert b"c2VjcmV0" not in done.stdout + done.stderr  # no key leaves the host
        return Certificates.parse(keys, result(done.stdout, done.returncode, done.stderr))

    return look


@pytest.fixture
def tree(tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    folder = tmp_path / "it's here"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


def test_what_is_in_a_tree(look, tree):
    (tree / "live").mkdir()
    (tree / "live/chain.pem").write_text(f"text\n{BLOCK}\n{TRUSTED}")
    (tree / "live/a\nb.key").write_text(KEY)
    (tree / "live/a\nb.key").chmod(0o640)
    (tree / "live/both.pem").write_text((KEY + BLOCK).replace("\n", "\r\n"))
    (tree / "live/request.pem").write_text(BLOCK.replace(" CERT", " CERTIFICATE REQUEST"))
    (tree / "live/link.crt").symlink_to("chain.pem")
    (tree / "live/dead.pem").symlink_to("nowhere")
    (tree / "live/folder.pem").mkdir()
    (tree / "live/binary.cer").write_bytes(b"\x30\x82\0\xff\n")
    (tree / "live/README").write_text(BLOCK)
    (tree / "ca-certificates.crt").write_text(BLOCK)
    (tree / ".git").mkdir()
    (tree / ".git/x.pem").write_text(BLOCK)
    os.mkfifo(tree / "live/pipe")
    (tree / "live/pipe.pem").symlink_to("pipe")
    found = look(tree, "/nowhere")
    files = {file.path.removeprefix(f"{tree}/live/"): file for file in found[str(tree)]}
    assert {name: (file.blocks, file.has_key) for name, file in files.items()} == {
        "a\nb.key": ((), True),
        "both.pem": (("QUJDREVG",), True),
        "chain.pem": (("QUJDREVG", "QUJDREVG"), False),
        "link.crt": (("QUJDREVG", "QUJDREVG"), False),
    }
    assert (files["a\nb.key"].mode, files["a\nb.key"].uid) == (0o640, os.getuid())
    found[str(tree)].require_all()
    assert list(found["/nowhere"]) == []
    found["/nowhere"].require_all()


def test_a_tree_without_such_files(look, tree):
    assert list(look(tree)[str(tree)]) == []
    look(tree)[str(tree)].require_all()


def test_files_belong_to_their_own_tree(look, tree):
    for name in ("a", "ab"):
        (tree / name).mkdir()
        (tree / name / "x.pem").write_text(BLOCK)
    found = look(tree / "a", tree / "ab", f"{tree}/a/")
    paths = [[file.path for file in table] for table in found.values()]
    assert paths == [[f"{tree}/a/x.pem"], [f"{tree}/ab/x.pem"], [f"{tree}/a/x.pem"]]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives the files to another user")
def test_what_may_not_be_read_is_not_overlooked(look, tree):
    tree = tree.rename(tree.with_name("plain"))
    for name in ("closed", "open", "other"):
        (tree / name).mkdir()
        (tree / name).chmod(0o755)
    (tree / "closed/private").mkdir(mode=0o700)
    (tree / "open/x.key").write_text(KEY)
    (tree / "open/x.key").chmod(0o600)
    (tree / "open/y.pem").write_text(BLOCK)
    (tree / "open/z.pem").symlink_to(tree / "closed/private/z.pem")
    (tree / "other/x.pem").write_text(BLOCK)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    found = look(tree / "closed", tree / "open", tree / "other", before=user)
    closed, opened, other = found.values()
    assert [Path(file.path).name for file in opened] == ["y.pem"]
    for table in (closed, opened):
        with pytest.raises(Denied, match="needs root"):
            table.require_all()
    other.require_all()


def test_blocks_that_are_no_certificate(look, tree):
    (tree / "x.pem").write_text(BLOCK)
    (file,) = look(tree)[str(tree)]
    with pytest.raises(CannotAssess, match=r"x\.pem: the certificate cannot be read"):
        list(file.certificates())


GOOD = b"@files 1\n/etc/x.pem\0@stat\n644 0 0\n@pem\n1+\n1:QUJD\n1.\n@done\n@end 0\n"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (b"@end 0\n", b"", Incomplete),
        (b"644 0 0\n", b"", Incomplete),
        (b"644 0 0", b"644 0", ValueError),
        (b"\n1.\n", b"\n", Incomplete),
        (b"\n1.\n", b"\n1?\n", Incomplete),
        (b"1:QUJD", b"what is this", Incomplete),
        (b"1:QUJD", b"1:\xff\xff", Incomplete),
        (b"1+", b"7+", IndexError),
        (b"1+\n", b"", IndexError),
    ],
)
def test_answers_that_are_not_whole(old, new, error):
    assert len(Certificates.parse(["/etc"], result(GOOD))["/etc"].files) == 1
    with pytest.raises(error):
        Certificates.parse(["/etc"], result(GOOD.replace(old, new)))


@pytest.mark.parametrize(
    "said",
    [
        b"@files 1\n/etc/x.pem\0@stat\n644 0 0\n@pem\nsh: awk: not found\n@end 0\n",
        b"sh: find: not found\n@end 127\n",
        b"@end 1\n",
    ],
)
def test_tools_that_fail_are_told(said):
    table = Certificates.parse(["/etc"], result(said))["/etc"]
    with pytest.raises(Incomplete):
        table.require_all()


def test_the_folders_that_are_looked_into_are_no_part_of_each_other():
    assert not [a for a in TREES for b in TREES if a != b and a.startswith(f"{b}/")]
