"""Kernel settings, mounts, packages, units, sockets, files: usual, odd and broken answers."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import (
    file_stats,
    mounts,
    open_facts,
    os_release,
    packages,
    sockets,
    units,
)


def table(name, answer, **fields):
    """Read the table *name* where every command gets *answer*."""
    transport = FakeTransport(results={bool: answer}, **fields)
    return getattr(open_facts(transport), name)


SYSCTL = """./kernel/ostype:Linux
./kernel/core_pattern:|/usr/lib/x %P
./kernel/many:1
./kernel/many:2
./net/ipv4/ip_forward:0
./net/ipv4/conf/all/rp_filter:1
./net/ipv4/conf/default/rp_filter:0
./net/ipv4/conf/eth0.7/rp_filter:2
./net/ipv4/conf/lo/rp_filter:0
@end 1
"""
SYSCTL_ERRORS = """grep: ./net/ipv4/route/flush: Permission denied
grep: ./vm/stat_refresh: Invalid argument
"""


def test_sysctl_finds_dotted_names_and_odd_interfaces():
    found = table("sysctl", (0, SYSCTL, SYSCTL_ERRORS))
    assert found["kernel.core_pattern"] == "|/usr/lib/x %P"
    assert found["kernel.many"] == "1\n2"
    assert found.number("net.ipv4.ip_forward") == 0
    assert found["net/ipv4/conf/eth0.7/rp_filter"] == "2"
    assert "kernel.no_such" not in found


def test_the_reverse_path_filter_in_force_is_the_greater_one():
    assert table("sysctl", SYSCTL).reverse_path_filter() == {"eth0.7": 2, "lo": 1}


def test_sysctl_takes_names_as_the_tool_does():
    found = table("sysctl", (0, SYSCTL, ""))
    for key in ("net.ipv4.conf.eth0/7.rp_filter", "net/ipv4/conf/eth0.7/rp_filter"):
        assert key in found
        assert found[key] == "2"


def test_a_setting_that_could_not_be_read_is_not_absent():
    err = "grep: ./net/ipv4/conf/eth1/rp_filter: Input/output error\n"
    found = table("sysctl", (0, SYSCTL, err))
    assert "net.ipv4.conf.eth1.rp_filter" in found
    for ask in (
        lambda: found["net.ipv4.conf.eth1.rp_filter"],
        found.reverse_path_filter,
    ):
        with pytest.raises(CannotAssess, match="Input/output error"):
            ask()


def test_sysctl_tells_absent_from_denied():
    found = table("sysctl", (0, SYSCTL, SYSCTL_ERRORS))
    with pytest.raises(NotApplicable, match=r"kernel has no setting kernel\.yama"):
        found["kernel.yama.ptrace_scope"]
    with pytest.raises(Denied):
        found["net.ipv4.route.flush"]
    with pytest.raises(NotApplicable, match="ipv6"):
        found.per_interface("ipv6", "accept_redirects")
    with pytest.raises(CannotAssess, match="not a number"):
        found.number("kernel.core_pattern")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (SYSCTL.removesuffix("@end 1\n"), Incomplete),
        (SYSCTL.replace("@end 1", "@end 137"), Incomplete),
        ("@end 0\n", CannotAssess),
        ("./kernel/ostype\n@end 0\n", CannotAssess),
        ((1, "", "sh: cd: can't cd to /proc/sys"), CannotAssess),
    ],
)
def test_sysctl_that_is_no_answer(answer, error):
    with pytest.raises(error):
        table("sysctl", answer)


def test_mounts_undo_escapes_and_the_last_one_counts():
    found = mounts.parse(
        "/dev/sda1 / ext4 rw 0 0\n"
        "tmpfs /tmp tmpfs rw 0 0\n"
        "tmpfs /tmp tmpfs rw,nosuid,nodev 0 0\n"
        "//nas/a\\040b /srv/a\\040b\\134 cifs ro 0 0\n"
    )
    assert found.at("/tmp").options == {"rw", "nosuid", "nodev"}
    assert found.at("/srv/a b\\").device == "//nas/a b"
    assert found.at("/var") is None


@pytest.mark.parametrize("text", ["", "tmpfs /tmp tmpfs rw 0 0\n", "/dev/sda1 /\n"])
def test_mounts_without_root_or_fields_are_no_table(text):
    with pytest.raises(CannotAssess):
        mounts.parse(text)


def test_os_release_is_read_as_the_shell_would():
    text = 'ID=ubuntu\nID_LIKE=\'debian x\'\n# note\nPRETTY_NAME="A \\"B\\""\nVERSION_ID=24.04\n'
    found = os_release.parse(text)
    assert found.family == ("ubuntu", "debian", "x")
    assert found.pretty_name == 'A "B"'
    assert found.version_id == "24.04"


@pytest.mark.parametrize("text", ['ID="debian', "what is this", "ID=a b"])
def test_broken_os_release(text):
    with pytest.raises(CannotAssess, match="line 1"):
        os_release.parse(text)


def test_os_release_has_two_places():
    transport = FakeTransport(files={"/usr/lib/os-release": "ID=alpine\n"})
    assert open_facts(transport).os_release.id == "alpine"
    with pytest.raises(NotApplicable):
        _ = open_facts(FakeTransport()).os_release
    with pytest.raises(CannotAssess, match="empty"):
        _ = open_facts(FakeTransport(files={"/etc/os-release": "\n"})).os_release


DPKG = """dpkg
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2-1

Package: vsftpd
Status: deinstall ok config-files
Architecture: amd64
Version: 3.0-1
Provides: ftp-server

Package: linux-image
Status: hold ok installed
Architecture: amd64
Version: 6.1

Package: half
Status: install ok unpacked
Architecture: all
Version: 1

Package: reinstall
Status: install reinstreq installed
Architecture: all
Version: 1

Package: ghost
Status: unknown ok not-installed
Architecture: all

Package: inetutils-telnetd
Status: install ok installed
Provides: telnet-server, telnetd (= 2.4)
Architecture: amd64
Version: 2:2.4

@end
"""
ODD = "Package: a\nStatus: install ok nowhere\nArchitecture: all\nVersion: 1\n\n"
DPKG_QUERY = (
    "dpkg-query\n"
    "ii \tbash\t5.2-1\tamd64\t\n"
    "rc \tvsftpd\t3.0-1\tamd64\tftp-server\n"
    "hi \tlinux-image\t6.1\tamd64\t\n"
    "iU \thalf\t1\tall\t\n"
    "iiR\treinstall\t1\tall\t\n"
    "un \tghost\t\t\t\n"
    "ii \tinetutils-telnetd\t2:2.4\tamd64\ttelnet-server, telnetd (= 2.4)\n"
    "@end\n"
)


@pytest.mark.parametrize("listed", [DPKG, DPKG_QUERY], ids=["data base", "dpkg-query"])
def test_dpkg_states(listed):
    found = packages.parse(listed)
    assert found.manager == "dpkg"
    assert {p.name: p.state for p in found} == {
        "bash": "installed",
        "vsftpd": "removed",
        "linux-image": "installed",
        "half": "broken",
        "reinstall": "broken",
        "inetutils-telnetd": "installed",
    }
    assert found.get("vsftpd") is None
    assert found.get("bash").version == "5.2-1"
    assert found.get("linux-image").held
    assert found.present("vsftpd") == ()
    assert [p.name for p in found.present("telnetd")] == ["inetutils-telnetd"]
    assert [p.name for p in found.present("half")] == ["half"]


def test_an_index_holds_what_the_list_holds():
    index = table("package_index", DPKG).by_name
    listed = packages.parse(DPKG)
    assert table("package_index", DPKG_QUERY).by_name["bash"] == index["bash"]
    assert [p for name in index for p in index[name]] == list(listed)
    assert len(index) == len(set(index))
    assert index["bash"] == (listed.get("bash"),)
    assert index["ghost"] == ()
    assert "telnetd" not in index
    one = "Package: libc6\nStatus: install ok installed\nArchitecture: {}\nVersion: 1\n\n"
    twice = "dpkg\n" + one.format("amd64") + one.format("i386") + "@end\n"
    assert [p.architecture for p in table("package_index", twice).by_name["libc6"]] == [
        "amd64",
        "i386",
    ]
    for odd in (ODD, "Package: a\n\n"):
        with pytest.raises(CannotAssess, match="unknown format"):
            _ = table("package_index", f"dpkg\n{odd}@end\n").by_name["a"]


def test_rpm_and_apk_lists():
    rpm = packages.parse("rpm\nbash\t5.2-1\tx86_64\tbash, bash(x86-64), \n@end\n")
    assert rpm.get("bash").provides == {"bash", "bash(x86-64)"}
    apk = packages.parse(
        "apk\nC:Q1\nP:musl\nV:1.2\nA:x86_64\np:so:libc.so=1 x=2\n\nP:a\nV:1\n\n@end\n"
    )
    assert [(p.name, p.version) for p in apk] == [("musl", "1.2"), ("a", "1")]
    assert "x" in apk.get("musl").provides


@pytest.mark.parametrize("name", ["packages", "package_index"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((42, "", ""), NotApplicable),
        (DPKG.removesuffix("@end\n"), Incomplete),
        ("dpkg\n@end\n", CannotAssess),
        ("dpkg-query\nii bash\n@end\n", CannotAssess),
        ("dpkg\nStatus: install ok installed\nVersion: 1\n\n@end\n", CannotAssess),
        ("pacman\nbash\n@end\n", CannotAssess),
        ((2, "dpkg-query\n", "dpkg-query: error: lock"), CannotAssess),
    ],
)
def test_packages_that_are_no_answer(name, answer, error):
    with pytest.raises(error):
        table(name, answer)


@pytest.mark.parametrize(
    "answer", ["dpkg-query\nzz \ta\t1\tall\t\n@end\n", f"dpkg\n{ODD}@end\n", "apk\nV:1\n@end\n"]
)
def test_a_package_that_is_no_answer(answer):
    with pytest.raises(CannotAssess):
        table("packages", answer)


UNITS = """Id=ssh.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
Result=success

Id=ghost.service
LoadState=not-found
ActiveState=failed
SubState=failed
UnitFileState=

Id=bad.service
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=disabled

Id=vsftpd.service
LoadState=not-found
ActiveState=inactive
SubState=dead
@files
ssh.service enabled enabled
vsftpd.service enabled enabled
later.service enabled -
bad.service disabled enabled
off.service masked -
@end
"""


def test_a_unit_is_on_by_each_of_its_names():
    text = UNITS.replace("Id=ssh.service\n", "Id=ssh.service\nNames=sshd.service ssh.service\n")
    found = units.parse(text)
    assert found.get("sshd.service") is found.get("ssh.service")
    assert found.is_on("sshd.service")
    idle = units.parse(text.replace("ActiveState=active", "ActiveState=inactive"))
    assert idle.is_on("sshd.service")  # it is enabled by its other name


def test_units():
    found = units.parse(UNITS)
    assert [unit.name for unit in found.failed()] == ["bad.service", "ghost.service"]
    assert found.get("ssh.service").file_state == "enabled"
    names = ["ssh", "vsftpd", "later", "bad", "off", "none"]
    assert [name for name in names if found.is_on(f"{name}.service")] == ["ssh", "later"]


@pytest.mark.parametrize("load", ["masked", "not-found"])
def test_a_unit_that_runs_is_on_whatever_became_of_its_file(load):
    text = f"Id=telnet.service\nLoadState={load}\nActiveState=active\nSubState=running\n"
    assert units.parse(f"{text}@files\n@end\n").is_on("telnet.service")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((42, "", ""), NotApplicable),
        ((1, "", "Failed to connect to bus: No such file or directory"), CannotAssess),
        (UNITS.removesuffix("@end\n"), Incomplete),
        (UNITS.replace("@files\n", ""), CannotAssess),
        ("@files\na.service enabled -\n@end\n", CannotAssess),
        ("Id=a.service\n@files\n@end\n", CannotAssess),
    ],
)
def test_units_that_are_no_answer(answer, error):
    with pytest.raises(error):
        table("units", answer)


SS = """ss
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=33,fd=3),("systemd",pid=1,fd=9))
tcp LISTEN 0 128 [::1]:25 [::]:*
tcp LISTEN 0 511 *:80 *:* users:(("nginx: a",pid=7,fd=3))
udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*
udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:*
udp UNCONN 0 0 *%eth0:547 *:*
tcp LISTEN 0 1 [::ffff:127.0.0.1]:8080 *:*
@end
"""
PROC = """proc
tcp 0: 0100007F:0016 00000000:0000 0A 0:0 00:0 0 0 0 1
tcp 1: 0100007F:0016 0100007F:9C40 01 0:0 00:0 0 0 0 1
tcp6 0: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 0:0 0
tcp6 0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0
udp 2: 00000000:0044 00000000:0000 07 0:0 00:0 0 0 0 1
udp 3: 00000000:0045 0100007F:0035 07 0:0 00:0 0 0 0 1
@end
"""


def test_sockets_of_ss():
    found = sockets.parse(SS)
    assert [str(item) for item in found.exposed()] == [
        "tcp *:80 (nginx: a)",
        "tcp 0.0.0.0:22 (sshd, systemd)",
        "udp *%eth0:547",
        "udp [fe80::1%eth0]:546",
    ]
    assert len(found.listeners) == 7


def test_sockets_of_proc():
    found = sockets.parse(PROC)
    assert [(i.protocol, i.address, i.port) for i in found] == [
        ("tcp", "127.0.0.1", 22),
        ("tcp", "::", 80),
        ("tcp", "::1", 25),
        ("udp", "0.0.0.0", 68),
    ]
    assert [i.port for i in found.exposed()] == [80, 68]


def test_nothing_listens_is_an_answer():
    assert sockets.parse("ss\n@end\n").listeners == ()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (SS.removesuffix("@end\n"), Incomplete),
        ("", Incomplete),
        ("netstat\n@end\n", CannotAssess),
        ("ss\nraw UNCONN 0 0 0.0.0.0:1 0.0.0.0:*\n@end\n", CannotAssess),
        ("ss\ntcp LISTEN 0 1 host:22 *:*\n@end\n", CannotAssess),
        ("ss\ntcp LISTEN 0 1 1.2.3.4:ssh *:*\n@end\n", CannotAssess),
        ((255, "ss\n", "Cannot open netlink socket"), CannotAssess),
    ],
)
def test_sockets_that_are_no_answer(answer, error):
    with pytest.raises(error):
        table("sockets", answer)


STAT = """@stat
755 0 0 /etc/ssh|directory
644 0 0 /etc/passwd|regular file
600 0 42 /etc/ssh/ssh_host_rsa_key|regular empty file
@acl
-rw-r--r--+ 1 root root 9 Jan  1 12:00 /etc/passwd
@end
"""
STAT_ERRORS = """stat: cannot statx '/etc/hosts.equiv': No such file or directory
stat: cannot statx '/etc/ssh/sshd_config.d/*': No such file or directory
stat: can't stat '/etc/shadow': Permission denied
"""


def test_file_stats_tell_absent_from_denied():
    found = table("file_stats", (0, "/etc/sudoers.d\n" + STAT, STAT_ERRORS))
    assert found["/etc/passwd"].mode == 0o644
    assert (found["/etc/passwd"].acl, found["/etc/ssh"].acl) == (True, False)
    assert [f.path for f in found.matching("/etc/ssh/ssh_host_*_key")] == [
        "/etc/ssh/ssh_host_rsa_key"
    ]
    assert found.matching("/etc/ssh/sshd_config.d/*") == ()
    assert not found.exists("/etc/hosts.equiv")
    assert found.exists("/etc/ssh")
    with pytest.raises(NotApplicable):
        found["/etc/hosts.equiv"]
    for ask in (
        lambda: found["/etc/shadow"],
        lambda: found.exists("/etc/shadow"),
        lambda: found.matching("/etc/sudoers.d/*"),
    ):
        with pytest.raises(Denied):
            ask()
    for ask in (lambda: found["/etc/other"], lambda: found.matching("/etc/other/*")):
        with pytest.raises(CannotAssess, match="not among"):
            ask()


@pytest.mark.parametrize(
    ("mode", "allowed", "expected"),
    [(0o644, 0o644, False), (0o600, 0o644, False), (0o664, 0o644, True), (0o4644, 0o644, True)],
)
def test_modes_are_compared_bit_by_bit(mode, allowed, expected):
    fact = file_stats.FileFact("/x", mode, 0, 0, "regular file")
    assert fact.laxer_than(allowed) is expected
    assert replace(fact, acl=True).laxer_than(allowed)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((0, STAT.removesuffix("@end\n"), ""), Incomplete),
        ((0, "@stat\n@acl\n@end\n", "sh: stat: not found"), CannotAssess),
        ((0, STAT, "stat: cannot statx '/etc/passwd': Input/output error"), CannotAssess),
        ((0, "@stat\n644 0 0 name with\n@acl\n@end\n", ""), CannotAssess),
        ((0, "644 0 0 /etc/passwd|regular file\n@end\n", ""), CannotAssess),
    ],
)
def test_file_stats_that_are_no_answer(answer, error):
    with pytest.raises(error):
        table("file_stats", answer)


@pytest.mark.skipif(not Path("/var/lib/dpkg/status").exists(), reason="needs a Debian")
def test_a_data_base_without_its_tool_is_not_absent(tmp_path):
    done = subprocess.run(
        ["/bin/sh", "-c", packages._SCRIPT],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 127
    with pytest.raises(CannotAssess, match="grep"):
        table("packages", (done.returncode, done.stdout, done.stderr))


@pytest.mark.skipif(not Path("/var/lib/dpkg/status").exists(), reason="needs a Debian")
def test_the_data_base_of_dpkg_says_what_dpkg_query_says(tmp_path):
    (tmp_path / "0001").touch()  # as while dpkg runs
    waiting = packages._SCRIPT.replace("/var/lib/dpkg/updates", str(tmp_path))
    quick, slow = (
        subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
        for script in (packages._SCRIPT, waiting)
    )
    assert quick.startswith("dpkg\n")
    assert slow.startswith("dpkg-query\n")

    def order(package):
        return package.name, package.architecture

    assert sorted(packages.parse(quick), key=order) == sorted(packages.parse(slow), key=order)


def test_a_data_base_that_we_cannot_read_is_not_absent(tmp_path):
    (tmp_path / "local").mkdir()
    script = packages._SCRIPT.replace("/var/lib/pacman", str(tmp_path))
    for known in ("/var/lib/dpkg/status", "/var/lib/apk", "/lib/apk/db/installed"):
        script = script.replace(known, str(tmp_path / "none"))
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=False, env={"PATH": "/bin"}
    )
    with pytest.raises(CannotAssess, match="no way to read the packages of"):
        table("packages", (done.returncode, done.stdout, done.stderr))
