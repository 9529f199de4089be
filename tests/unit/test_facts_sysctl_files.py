"""The files of sysctl: which of them count, in which order, and what they come to."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from lab.fake import FakeTransport
from lab.textfiles import told

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts import open_facts, sysctl_files
from pytest_sysaudit.facts.sysctl_files import MAIN, ROWS, plain_value

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]
RUNNING = [
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/eth0/rp_filter",
    "net/ipv4/conf/eth0.7/rp_filter",
    "net/ipv4/conf/lo/rp_filter",
    "vm/swappiness",
]


def table(files, said="systemd\n@end\n", denied=()):
    results = {
        lambda command: "mask %s" in command: said,
        lambda command: "d 1 /etc/sysctl.d" in command: told(ROWS["texts"], files, denied),
    }
    return open_facts(FakeTransport(results=results)).sysctl_files


def merged(files, **kwargs):
    found = table(files, **kwargs).merged(RUNNING)
    return {path: setting.value for path, setting in found.items()}


@pytest.mark.parametrize(
    ("files", "value"),
    [
        ({"/etc/sysctl.d/a.conf": "a.b=1\na.b=2\n"}, "2"),
        ({"/etc/sysctl.d/10.conf": "a.b=1\n", "/usr/lib/sysctl.d/20.conf": "a.b=2\n"}, "2"),
        ({"/etc/sysctl.d/20.conf": "a.b=1\n", "/usr/lib/sysctl.d/10.conf": "a.b=2\n"}, "1"),
        ({"/etc/sysctl.d/x.conf": "a.b=1\n", "/usr/lib/sysctl.d/x.conf": "a.b=2\n"}, "1"),
        ({"/run/sysctl.d/x.conf": "a.b=1\n", "/usr/lib/sysctl.d/x.conf": "a.b=2\n"}, "1"),
        ({"/usr/lib/sysctl.d/x.conf": "a.b=1\n", "/lib/sysctl.d/x.conf": "a.b=2\n"}, "1"),
        ({"/etc/sysctl.d/x.conf": "", "/usr/lib/sysctl.d/x.conf": "a.b=2\n"}, None),
        ({"/etc/sysctl.d/x.conf": " # a.b=1\n; a.b=1\n-a.b = 3 4 \n"}, "3 4"),
        ({"/etc/sysctl.d/x.conf": "a/b=1\nwhat\n=\n"}, "1"),
        ({"/etc/sysctl.d/x.conf": "a.b=1\n-a.b\n"}, None),
        ({"/etc/sysctl.d/x.conf": "a.b=x=y\n"}, "x=y"),
        ({"/etc/sysctl.d/x.conf": "a.b=1\n", MAIN: "a.b=2\n"}, "1"),
    ],
)
def test_the_last_line_of_the_last_file_counts(files, value):
    assert merged(files).get("a/b") == value


def test_every_other_init_reads_the_main_file_last():
    files = {"/etc/sysctl.d/zz.conf": "a.b=1\n", MAIN: "a.b=2\n"}
    assert merged(files, said="@end\n") == {"a/b": "2"}


def test_lines_of_the_main_file_that_nobody_reads():
    files = {"/etc/sysctl.d/zz.conf": "a.b=1\n", MAIN: "a.b=1\na.c=2\n"}
    (unread,) = table(files).unread
    assert (unread.path, unread.value, unread.place) == ("a/c", "2", f"{MAIN}:2")
    assert table(files, said="@end\n").unread == ()
    assert table({**files, "/etc/sysctl.d/99-sysctl.conf": files[MAIN]}).unread == ()


def test_a_link_to_nothing_hides_the_files_of_its_name():
    files = {"/usr/lib/sysctl.d/x.conf": "a.b=1\n", "/run/sysctl.d/y.conf": "a.c=1\n"}
    said = "systemd\nmask /etc/sysctl.d/x.conf\nmask /lib/sysctl.d/y.conf\n@end\n"
    assert merged(files, said=said) == {"a/c": "1"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("net.ipv4.conf.*.rp_filter=2", {"all": "2", "eth0": "2", "eth0.7": "2", "lo": "2"}),
        (
            "net.ipv4.conf.*.rp_filter=2\n-net.ipv4.conf.all.rp_filter",
            {"eth0": "2", "eth0.7": "2", "lo": "2"},
        ),
        (
            "net.ipv4.conf.eth0.rp_filter=1\nnet.ipv4.conf.*.rp_filter=2",
            {"all": "2", "eth0": "1", "eth0.7": "2", "lo": "2"},
        ),
        ("net.ipv4.conf.eth?.rp_filter=1", {"eth0": "1"}),
        ("net.ipv4.conf.[!el]*.rp_filter=1", {"all": "1"}),
        ("net.ipv4.conf.[a-e]*.rp_filter=1", {"all": "1", "eth0": "1", "eth0.7": "1"}),
        ("net.*.rp_filter=1", {}),
        ("net/ipv4/conf/eth0.7/rp_filter=1", {"eth0.7": "1"}),
        ("net.ipv4.conf.eth0/7.rp_filter=1", {"eth0.7": "1"}),
        (
            "net.ipv4.conf.*.rp_filter=2\nnet.ipv4.conf.l*.rp_filter=0",
            {"all": "2", "eth0": "2", "eth0.7": "2", "lo": "0"},
        ),
    ],
)
def test_patterns_are_for_the_keys_of_the_kernel(lines, expected):
    found = merged({"/etc/sysctl.d/x.conf": lines})
    assert found == {f"net/ipv4/conf/{name}/rp_filter": v for name, v in expected.items()}


@pytest.mark.parametrize(
    ("value", "plain"),
    [("0x01b6", "438"), ("010", "8"), ("-1", "-1"), ("4\t4 1  7", "4 4 1 7"), ("|/x %P", "|/x %P")],
)
def test_values_as_the_kernel_tells_them(value, plain):
    assert plain_value(value) == plain


@pytest.mark.parametrize(
    ("answer", "error"),
    [("systemd\n", Incomplete), ("", Incomplete), ((1, "", "why"), CannotAssess)],
)
def test_files_that_were_not_looked_for_are_no_table(answer, error):
    with pytest.raises(error):
        table({}, said=answer)


def test_a_file_that_may_not_be_read_is_no_table():
    with pytest.raises(Denied):
        table({MAIN: "x=1"}, denied=[MAIN])


@pytest.mark.parametrize("argv", SHELLS, ids=lambda argv: argv[0])
def test_the_script_finds_links_to_nothing(argv, tmp_path):
    folder = tmp_path / "etc/sysctl.d"
    folder.mkdir(parents=True)
    (folder / "x.conf").symlink_to(os.devnull)
    (folder / "y.conf").touch()
    script = sysctl_files._SCRIPT.replace("/etc/", f"{tmp_path}/etc/")
    script = script.replace("/usr/", f"{tmp_path}/usr/").replace(" /lib/", f" {tmp_path}/lib/")
    script = script.replace("/run/systemd", f"{tmp_path}/etc")
    done = subprocess.run([*argv, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == f"mask {folder}/x.conf\n@end\n"
    script = script.replace(f"{tmp_path}/etc/system ]", f"{tmp_path}/etc ]")
    done = subprocess.run([*argv, "-c", script], capture_output=True, check=True)
    assert done.stdout.startswith(b"systemd\n")
