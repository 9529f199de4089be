"""Homes and the files with passwords in them: in every shell, and what cannot be seen."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts import home_files
from pytest_sysaudit.facts.home_files import HomeFiles, parse

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def shell(request):
    return request.param


@pytest.fixture
def look(shell, tmp_path):
    """Run the script with account and mount files of its own; busybox with its own tools too."""
    path = os.environ["PATH"]
    if shell[0] == "busybox":
        tools = tmp_path / "tools"
        tools.mkdir()
        for tool in ("awk", "stat"):
            (tools / tool).symlink_to(shutil.which("busybox"))
        path = f"{tools}:{path}"
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)

    def run(passwd, mounts="r / ext4 rw 0 0\n", *before):
        (tmp_path / "passwd").write_text(passwd)
        (tmp_path / "mounts").write_text(mounts)
        text = home_files._SCRIPT.replace("/proc/self/mounts", f"{tmp_path}/mounts")
        text = text.replace("/etc/passwd", f"{tmp_path}/passwd")
        env = {"LC_ALL": "C", "PATH": path}
        argv = [*before, *shell, "-c", text]
        done = subprocess.run(argv, capture_output=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        return parse(done.stdout.decode("utf-8", "backslashreplace"))

    return run


def line(home, name="a"):
    return f"{name}:x:1000:1000::{home}:/bin/sh\n"


def test_homes_and_what_lies_in_them(look, tmp_path):
    ann, bob = tmp_path / "it's ann's", tmp_path / "bob@example.org"
    (ann / ".aws").mkdir(parents=True)
    bob.mkdir(mode=0o700)
    for path in (ann / ".netrc", ann / ".aws/credentials", bob / ".pgpass", bob / "netrc"):
        path.touch(0o640)
    (bob / ".my.cnf").symlink_to("nowhere")
    (tmp_path / "file").touch()
    passwd = "# note\n+::::::\n" + "".join(
        line(home)
        for home in (ann, bob, ann, tmp_path / "file", tmp_path / "none", f"{bob}/", "", "x")
    )
    found = look(passwd)
    assert [entry.path for entry in found.secrets(str(ann))] == [
        f"{ann}/.netrc",
        f"{ann}/.aws/credentials",
    ]
    assert [e.path for e in found.secrets(f"{bob}/")] == [f"{bob}/.pgpass"]
    assert found.home(str(bob)).permissions == 0o700
    assert found.home(str(bob)).is_folder
    assert not found.home(f"{tmp_path}/file").is_folder
    assert found.home(f"{tmp_path}/none") is None
    assert not list(found.unseen([str(ann), str(bob)]))
    assert set(found.found) == {
        *(str(path) for path in (ann, bob, ann / ".netrc", ann / ".aws/credentials")),
        *(f"{bob}/", f"{bob}/.pgpass", f"{tmp_path}/file"),
    }


def test_homes_of_other_hosts_are_not_looked_at(look, tmp_path):
    near, far = tmp_path / "near", tmp_path / "net/far"
    for home in (near, far):
        home.mkdir(parents=True)
    mounts = f"r / nfs rw 0 0\nauto {tmp_path}/net autofs rw 0 0\nx {tmp_path}/ne nfs4 rw 0 0\n"
    found = look(line(near) + line(far) + line(f"{tmp_path}/net"), mounts)
    assert list(found.found) == [str(near)]
    for path in (far, tmp_path / "net"):
        with pytest.raises(CannotAssess, match="not looked at"):
            found.home(str(path))
    assert len(list(found.unseen([str(far)]))) == 1


def test_a_host_with_the_root_folder_as_home(look):
    found = look(line("/"))
    assert found.home("/").is_folder
    assert not found.missing


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives the homes to another user")
def test_what_is_closed_to_us_is_not_missing(look, tmp_path):
    shut, half = tmp_path / "shut", tmp_path / "half"
    (shut / "below").mkdir(parents=True)
    (half / ".aws").mkdir(parents=True)
    (shut / ".netrc").touch()
    for folder in (shut, half / ".aws"):
        folder.chmod(0o700)
    half.chmod(0o755)
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    passwd = line(shut) + line(half) + line(shut / "below")
    found = look(passwd, "r / ext4 rw 0 0\n", *user)
    assert found.home(str(shut)).permissions == 0o700
    assert not list(found.secrets(str(shut)))
    assert [type(error) for error in found.unseen([str(shut)])] == [Denied, Denied]
    assert [type(error) for error in found.unseen([str(half)])] == [Denied]
    with pytest.raises(Denied):
        found.home(f"{shut}/below")


@pytest.mark.parametrize(
    "text",
    ["", "@stat\n", "@stat\n41c0 0 0 /root\n", "none/a\nx", "@end\n", "@stat\n@end"],
)
def test_output_that_is_cut_is_no_answer(text):
    with pytest.raises(Incomplete):
        parse(text)


@pytest.mark.parametrize(
    "text", ["what/a\0@stat\n@end\n", "@stat\nwhat\n@end\n", "@stat\n41c0 0 0 root\n@end\n"]
)
def test_output_of_another_form_is_no_table(text):
    with pytest.raises(ValueError, match=r"not|unpack"):
        parse(text)


def test_odd_reasons_are_no_answer():
    found = parse("none/a\nsh: cannot open /a: Input/output error\0@stat\n@end\n")
    with pytest.raises(CannotAssess, match="Input/output error"):
        found.home("/a")
    with pytest.raises(CannotAssess, match="nothing is known"):
        HomeFiles({}).home("/b")
    with pytest.raises(CannotAssess, match="it changed"):
        parse("none/a\n\0@stat\n@end\n").home("/a")
