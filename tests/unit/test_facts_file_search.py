"""The search of the file systems: odd names, what was not seen, and both kinds of find."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from lab.fake import FakeTransport
from lab.shells import NOBODY

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.facts import accounts, file_search, local_trees, mounts, open_facts
from pytest_sysaudit.facts.found_files import complaint, parse_records
from pytest_sysaudit.transport.base import CommandResult

MOUNTS = "/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n/dev/fuse /run/doc fuse.portal rw 0 0\n"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Only root in it: what belongs to others is of nobody unless a data base knows them.
ACCOUNTS = accounts.parse("root:x:0:0:::/bin/sh\n", "root:x:0:\n")


def search(out, err="", uid="0"):
    """What the table makes of find's output."""
    answers = {
        "cat /proc/self/mounts": MOUNTS,
        "cat /etc/passwd": "root:x:0:0::/root:/bin/sh\n",
        "cat /etc/group": "root:x:0:\n",
        lambda command: "find / -xdev" in command: (0, f"{uid}\nyes\n{out}", err),
    }
    return open_facts(FakeTransport(results=answers)).file_search


def test_names_may_hold_anything():
    found = search("f 666 0 0 /a b\0d 777 0 0 /srv/x\0d 1777 0 0 /tmp\0f 4755 0 0 /n\nl\0@end 0\n")
    assert [f.path for f in found.with_any(0o002)] == ["/a b"]
    assert [f.path for f in found.open_folders()] == ["/srv/x"]
    assert [f.path for f in found.with_any(0o4000)] == ["/n\nl"]
    found.require_all()


def test_a_link_is_no_open_file():
    found = search("l 777 4 0 /link\0s 777 0 0 /socket\0@end 0\n")
    assert found.with_any(0o777) == found.open_folders() == ()
    assert [(f.path, f.kind) for f in found.files] == [
        ("/link", "symbolic link"),
        ("/socket", "socket"),
    ]


def test_programs_and_logs_are_told_apart_by_where_they_lie():
    lines = ["/tmp/a", "/tmpfs/a", "/var/tmp/x/b", "/var/log/c", "/var/logs/d"]
    found = search("".join(f"f 755 0 0 {path}\0" for path in lines) + "@end 0\n")
    assert [f.path for f in found.programs()] == ["/tmp/a", "/var/tmp/x/b"]
    assert [f.path for f in found.logs()] == ["/var/log/c"]


@pytest.mark.parametrize(
    ("err", "uid", "whole"),
    [
        ("", "0", True),
        ("find: '/proc/7': No such file or directory\n", "0", True),
        ("find: '/run/doc': Permission denied\n", "0", True),
        ("find: File system loop detected; '/x' is part of the same loop as '/'.\n", "0", True),
        ("Failed to get capabilities of file '/x' (Operation not supported)\n", "0", True),
        ("Failed to get capabilities of file '/x' (Permission denied)\n", "0", False),
        ("find: '/root': Permission denied\n", "0", False),
        ("find: /root: Permission denied\n", "0", False),
        ("find: '/x': Input/output error\n", "0", False),
        ("find: unrecognized: -xdev\n", "0", False),
        ("", "1000", False),
        ("", "", False),
    ],
)
def test_a_search_says_what_it_did_not_see(err, uid, whole):
    found = search("@end 1\n", err, uid)
    assert found.files == ()
    if whole:
        found.require_all()
    else:
        with pytest.raises(Incomplete, match="not whole"):
            found.require_all()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("none / 9p rw 0 0\nx /a nfs4 rw 0 0\nx /b squashfs ro 0 0\n", ("/",)),
        ("x / fuse.fuse-overlayfs rw 0 0\nx /s fuse.sshfs rw 0 0\n", ("/",)),
        ("x / ext4 rw 0 0\nx /usb exfat rw 0 0\nx /win fuseblk rw 0 0\n", ("/", "/usb", "/win")),
        ("x / ext4 rw 0 0\nproc /proc proc rw 0 0\nudev /dev devtmpfs rw 0 0\n", ("/",)),
        ("x / ext4 rw 0 0\nx /var/lib/docker/overlay2/1 overlay rw 0 0\n", ("/",)),
        ("x / ext4 rw 0 0\nx /var/lib/dockers overlay rw 0 0\n", ("/", "/var/lib/dockers")),
        ("/dev/a / ext4 rw 0 0\n/dev/a /bind ext4 rw 0 0\n", ("/",)),
        ("/dev/a / btrfs rw 0 0\n/dev/a /home btrfs rw 0 0\n", ("/", "/home")),
        (
            "/dev/a / ext4 rw 0 0\n/dev/b /b ext4 rw 0 0\n/dev/a /b/c ext4 rw 0 0\n",
            ("/", "/b", "/b/c"),
        ),
        ("/dev/a / ext4 rw 0 0\nn /n nfs rw 0 0\n/dev/a /n/c ext4 rw 0 0\n", ("/", "/n/c")),
        ("/dev/a / ext4 rw 0 0\n/dev/b /b ext4 rw 0 0\nh:/ /b nfs rw 0 0\n", ("/",)),
        ("tmpfs / tmpfs rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n", ("/", "/tmp")),
    ],
)
def test_where_a_search_begins(lines, expected):
    assert local_trees.starting_points(mounts.parse(lines)) == expected


@pytest.mark.parametrize("out", ["f 666 0 0 /a\0", "", "f 666 0 0 /a"])
def test_a_search_that_was_cut_is_no_answer(out):
    with pytest.raises(Incomplete):
        search(out)


@pytest.mark.parametrize(
    "out",
    [
        "f 666 0 0 /a\0@end 137\n",
        "@end 127\n",
        "what\0@end 0\n",
        "f 666 0 0 /a@end 0\n",
        "!/gone\0@end 0\n",
        "=/bin/x cap_chown=ep\n@127\0@end 0\n",
    ],
)
def test_a_search_that_failed_is_no_answer(out):
    with pytest.raises(CannotAssess):
        search(out)


def test_more_than_may_be_sent_is_a_part(monkeypatch):
    monkeypatch.setattr(file_search, "LIMIT", 40)
    found = search("f 666 0 0 /first\0f 666 0 0 /second/is/cut")
    assert [f.path for f in found.files] == ["/first"]
    with pytest.raises(Incomplete, match="more was found"):
        found.require_all()


def test_the_search_stops_at_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(file_search, "LIMIT", 4096)
    for number in range(300):
        (tmp_path / f"{number:03}").touch()
        (tmp_path / f"{number:03}").chmod(0o666)
    result = run(["sh"], file_search.command([str(tmp_path)]))
    assert len(result.stdout) == 4096
    found = file_search.parse(result)
    assert 0 < len(found.files) < 300
    with pytest.raises(Incomplete):
        found.require_all()


def run(argv, command, path=PATH):
    done = subprocess.run(
        [*argv, "-c", command],
        capture_output=True,
        env={"LC_ALL": "C", "PATH": path},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return CommandResult(
        command=command,
        exit_code=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        started=0,
        duration=0,
    )


@pytest.fixture(params=["dash", "bash", "mksh", "busybox"])
def shell(request, tmp_path_factory):
    """A shell with its tools: GNU's, or all of them busybox'."""
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"there is no {request.param}")
    if request.param != "busybox":
        return lambda command: run([program], command)
    folder = tmp_path_factory.mktemp("bin")
    for tool in ("find", "stat", "sh", "head", "id"):
        (folder / tool).symlink_to(program)
    if getcap := shutil.which("getcap", path=PATH):
        (folder / "getcap").symlink_to(getcap)
    return lambda command: run([program, "sh"], command, str(folder))


def tree(top):
    """A folder with one file of each kind that matters, and many that do not."""
    for name, mode in {
        "plain": 0o644,
        "two\nlines": 0o666,
        "suid": 0o4755,
        "sgid": 0o2755,
        b"odd\xff".decode("utf-8", "surrogateescape"): 0o666,
    }.items():
        (top / name).touch()
        (top / name).chmod(mode)
    for name, mode in {"open": 0o777, "sticky here": 0o1777, "closed": 0o755}.items():
        (top / name).mkdir()
        (top / name).chmod(mode)
    (top / "link").symlink_to("plain")
    os.mkfifo(top / "pipe", 0o666)
    return str(top)


def test_every_kind_is_found_by_every_find(shell, tmp_path):
    (tmp_path / "it's").mkdir()
    top = tree(tmp_path / "it's")
    found = file_search.parse(shell(file_search.command([top])))
    assert {f.path.removeprefix(f"{top}/"): (f.kind, f.mode) for f in found.files} == {
        "odd\\xff": ("regular file", 0o666),
        "open": ("directory", 0o777),
        "sgid": ("regular file", 0o2755),
        "sticky here": ("directory", 0o1777),
        "suid": ("regular file", 0o4755),
        "two\nlines": ("regular file", 0o666),
    }


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives files to others")
def test_files_of_nobody_are_found_by_every_find(shell, tmp_path):
    top = tree(tmp_path)
    os.chown(tmp_path / "plain", 424242, 0)
    os.chown(tmp_path / "suid", 0, 434343)
    (tmp_path / "suid").chmod(0o755)
    os.chown(tmp_path / "link", 424242, 0, follow_symlinks=False)
    everybody = accounts.parse("root:x:0:0:::/bin/sh\nx:x:7:7:::/bin/sh\n", "root:x:0:\n")
    os.chown(tmp_path / "closed", 7, 0)
    found = file_search.parse(shell(file_search.command([top], everybody)))
    ids = {f.path.removeprefix(f"{top}/"): (f.uid, f.gid) for f in found.files if f.uid or f.gid}
    assert ids == {"plain": (424242, 0), "suid": (0, 434343), "link": (424242, 0)}


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root gives the files to another user")
def test_a_closed_folder_is_told(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    found = file_search.parse(run([*NOBODY, "sh"], file_search.command([str(tmp_path)])))
    with pytest.raises(Incomplete, match="closed"):
        found.require_all()


@pytest.mark.parametrize("missing", ["find", "head"])
def test_without_its_tools_nothing_is_said(tmp_path, missing):
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in {"find", "stat", "sh", "head", "id"} - {missing}:
        (folder / tool).symlink_to(shutil.which(tool))
    result = run([shutil.which("sh")], file_search.command([str(tmp_path)]), str(folder))
    with pytest.raises(CannotAssess):
        file_search.parse(result)


def test_without_getcap_the_rest_is_found(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("find", "sh", "head", "id"):
        (folder / tool).symlink_to(shutil.which(tool))
    (tmp_path / "open").touch()
    (tmp_path / "open").chmod(0o666)
    result = run([shutil.which("sh")], file_search.command([str(tmp_path)]), str(folder))
    found = file_search.parse(result)
    assert [f.path for f in found.files] == [str(tmp_path / "open")]
    assert found.capabilities is None


def test_a_record_of_each_find_is_the_same():
    assert parse_records(["x 89ed 0 7 /a"]) == parse_records(["f 4755 0 7 /a"])
    assert parse_records(["x 43ff 0 7 /a"]) == parse_records(["d 1777 0 7 /a"])
    assert parse_records(["f 644 0 0 /b", "f 644 0 0 /a", "f 644 0 0 /b"])[0].path == "/a"
    for record in ("x 89ed 0 0 a", "f 999 0 0 /a", "", "f 644 0 /a"):
        with pytest.raises(ValueError):
            parse_records([record])


def test_complaints_of_places_that_are_not_searched_do_not_count():
    message = "find: '/run/user/7/doc': Permission denied"
    assert complaint(message) == message
    assert complaint(message, ["/run/user/7/doc"]) == ""


def test_exceptions_are_paths_or_patterns():
    files = parse_records(["f 666 0 0 /srv/a/b", "f 666 0 0 /srv/[x]", "f 666 0 0 /opt/c"])
    assert [f.path for f in file_search.but(files, ["/srv/a/*", "/srv/[x]"])] == ["/opt/c"]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [("100000 100042", True), ("0 100042", False), ("100000 0", False), ("1000 1000", False)],
)
def test_what_belongs_to_a_container_of_a_user(ids, expected):
    inside = "/home/ann/.local/share/containers/storage/1/bin/su"
    (file,) = parse_records([f"f 4755 {ids} {inside}"])
    assert file_search.within_containers(file) is expected
    (file,) = parse_records([f"f 4755 {ids} /srv/su"])
    assert not file_search.within_containers(file)
