"""Files of a host over SFTP: what is there, what is not, and what we may not see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lab.sshd import Secrets, Sshd, needs_sshd, temporary_user, wait_until

from pytest_sysaudit.errors import CannotAssess, ConnectionLost, Denied, Incomplete, NotApplicable
from pytest_sysaudit.transport import command_files
from pytest_sysaudit.transport.ssh import open_ssh

pytestmark = needs_sshd


@pytest.fixture(scope="module", params=["sftp", "commands"])
def remote(request, tmp_path_factory):
    """A host with SFTP, and one without."""
    sftp = "internal-sftp" if request.param == "sftp" else None
    with Sshd(tmp_path_factory.mktemp("sshd"), sftp=sftp) as server:
        transport = open_ssh(server.target(), Secrets(), {})
        yield transport
        transport.close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(256)) * 400)
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_read(remote, folder):
    assert remote.read(str(folder / "file")) == bytes(range(256)) * 400
    assert remote.read(str(folder / "link")) == bytes(range(256)) * 400
    assert remote.read(str(folder / "empty")) == b""
    assert remote.read("/proc/self/limits").startswith(b"Limit")  # its size is 0, they say


def test_read_up_to_the_limit(remote, folder):
    assert len(remote.read(str(folder / "file"), limit=102_400)) == 102_400
    with pytest.raises(Incomplete, match=r"web1: .*/file is larger than 102399 bytes"):
        remote.read(str(folder / "file"), limit=102_399)


@pytest.mark.parametrize("name", ["none", "file/below", "dangling"])
def test_what_is_not_there(remote, folder, name):
    with pytest.raises(NotApplicable, match=f"web1: there is no {folder}/{name}"):
        remote.read(f"{folder}/{name}")


@pytest.mark.parametrize("name", ["folder", "pipe"])
def test_what_is_no_file(remote, folder, name):
    with pytest.raises(CannotAssess, match="is not a regular file"):
        remote.read(f"{folder}/{name}")


@pytest.mark.parametrize("name", ["file", "empty", "folder", "link", "dangling", "pipe"])
def test_stat_is_that_of_the_path_itself(remote, folder, name):
    path = folder / name
    path.chmod(0o4751) if name == "file" else None
    facts, here = remote.stat(str(path)), path.lstat()
    assert (facts.path, facts.mode, facts.uid, facts.gid, facts.size, facts.mtime) == (
        str(path), here.st_mode, here.st_uid, here.st_gid, here.st_size, int(here.st_mtime)
    )  # fmt: skip


def test_stat_of_nothing(remote, folder):
    with pytest.raises(NotApplicable, match="there is no"):
        remote.stat(f"{folder}/none")


def test_listdir(remote, folder):
    for name in (".hidden", "with space", "-dash", "*", "new\nline", "é"):
        (folder / "folder" / name).touch()
    (folder / "folder" / ".git").mkdir()
    (folder / "folder" / ".git" / "inner").touch()
    expected = sorted([".hidden", "with space", "-dash", "*", "new\nline", "é", ".git"])
    assert remote.listdir(str(folder / "folder")) == expected
    assert remote.listdir(f"{folder}/folder/") == expected


def test_listdir_of_nothing_and_of_a_file(remote, folder):
    assert remote.listdir(str(folder / "folder")) == []
    for name in ("none", "file"):
        with pytest.raises(NotApplicable, match="there is no"):
            remote.listdir(f"{folder}/{name}")


def test_names_that_are_not_utf8(remote, folder):
    name = os.fsdecode(b"caf\xe9")
    (folder / "folder" / name).write_bytes(b"x")
    assert remote.listdir(str(folder / "folder")) == [name]
    assert remote.read(f"{folder}/folder/{name}") == b"x"
    assert remote.stat(f"{folder}/folder/{name}").size == 1


def test_big_file(remote, tmp_path):
    data = os.urandom(5_000_000)
    (tmp_path / "big").write_bytes(data)
    assert remote.read(str(tmp_path / "big")) == data


def test_listing_has_a_limit(remote, folder, monkeypatch):
    monkeypatch.setattr(command_files, "MOST_NAMES", 3)
    with pytest.raises(Incomplete, match="has more than 3 names"):
        remote.listdir(str(folder))


def test_files_need_no_channel_of_their_own(tmp_path):
    with Sshd(tmp_path / "sshd") as server:
        transport = open_ssh(server.target(), Secrets(), {})
        for _ in range(5):
            transport.read("/etc/hostname")
            transport.run(["true"])
        transport.close()
        assert server.logged("Starting session:") == 1


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a mount namespace")
def test_a_host_without_the_programs_is_read_over_sftp(tmp_path, folder):
    hide = " && ".join(f"mount --bind /dev/null /usr/bin/{p}" for p in ("head", "stat", "find"))
    wrap = ["unshare", "-m", "/bin/sh", "-c", f'{hide} && exec "$@"', "sh"]
    with Sshd(tmp_path / "sshd", wrap=wrap) as server:
        transport = open_ssh(server.target(), Secrets(), {})
        for _ in range(2):
            assert transport.read(f"{folder}/file") == bytes(range(256)) * 400
            assert transport.stat(f"{folder}/link").size == len("file")
            assert "dangling" in transport.listdir(str(folder))
            with pytest.raises(NotApplicable, match="there is no"):
                transport.read(f"{folder}/none")
        transport.close()
        assert server.logged("Starting session: subsystem 'sftp'") == 1


def test_connection_cut_between_reads(tmp_path):
    """It gets a new one, once."""
    with Sshd(tmp_path / "sshd") as server:
        transport = open_ssh(server.target(), Secrets(), {})
        for _ in range(2):
            assert transport.read("/etc/hostname") == Path("/etc/hostname").read_bytes()
            server.kill_sessions()
            wait_until(lambda: not transport.connected)
        for _ in range(2):
            with pytest.raises(ConnectionLost, match="web1: "):
                transport.read("/etc/hostname")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make users")
@pytest.mark.parametrize("sftp", ["internal-sftp", None])
def test_what_the_login_user_may_not_see(tmp_path, sftp):
    with temporary_user() as user, Sshd(tmp_path / "sshd", user=user.name, sftp=sftp) as server:
        closed = user.home / "closed"
        closed.mkdir(mode=0o700)
        (closed / "file").touch()
        half = user.home / "half"
        half.mkdir(mode=0o711)  # may be entered, may not be listed
        transport = open_ssh(server.target(), Secrets(), {})
        for ask in (
            lambda: transport.read("/etc/shadow"),
            lambda: transport.read(f"{closed}/file"),
            lambda: transport.stat(f"{closed}/file"),
            lambda: transport.stat(f"{closed}/none"),
            lambda: transport.listdir(str(closed)),
            lambda: transport.listdir(str(half)),
        ):
            with pytest.raises(Denied, match="may not be read"):
                ask()
        assert transport.read("/etc/hostname") == Path("/etc/hostname").read_bytes()
        transport.close()
