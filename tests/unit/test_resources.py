"""Resources over canned output: an answer is an answer, and what was not answered is never a no."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from lab.fake import FakeTransport, fake_host, fake_target

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts.frame import PREAMBLE
from pytest_sysaudit.facts.os_release import parse as parse_os_release
from pytest_sysaudit.host import Host
from pytest_sysaudit.query_modules import SureSystemdService
from pytest_sysaudit.resources import NEEDS, RESOURCES, Absent
from pytest_sysaudit.transport.base import show

LINUX = {"exec uname -srm": "Linux 6.1.0 x86_64\n"}


def says(word, answer):
    """Return the canned *answer* for every command that holds *word*."""
    return {
        lambda command: word in show(command) and not show(command).startswith(PREAMBLE): answer
    }


def ask(text, *answers):
    """Evaluate *text* on a host that gives the canned *answers*, and nothing else."""
    results = dict(LINUX)
    for canned in answers:
        results.update(canned)
    return eval(text, {"host": fake_host(FakeTransport(results=results))})


def path(record, stat=""):
    return says("stat -L", f"{record}\0{stat}\0@end\n")


STAT = "81a4 0 42 7 86400 99 1 root:shadow\n"
NO_FILE = path(": sh: 1: cannot open /x: No such file")
CLOSED = path(": sh: 1: cannot open /x: Permission denied")
BROKEN = path(": sh: can't open '/x': Input/output error")


@pytest.mark.parametrize(
    ("text", "canned", "expected"),
    [
        ("host.file('/x').exists", path("ef", STAT), True),
        ("host.file('/x').mode", path("ef", STAT), 0o644),
        ("host.file('/x').group", path("ef", STAT), "shadow"),
        ("host.file('/x').gid", path("ef", STAT), 42),
        ("host.file('/x').inode", path("ef", STAT), 99),
        ("host.file('/x').mtime", path("ef", STAT), datetime.fromtimestamp(86400)),  # noqa: DTZ006 - as testinfra
        ("host.file('/x').is_file", path("e", "6180 0 6 0 0 1 1 root:a b\n"), False),
        ("host.file('/x').group", path("e", "6180 0 6 0 0 1 1 root:a b\n"), "a b"),
        ("host.file('/x').exists", NO_FILE, False),
        ("host.file('/x').exists", path(": sh: can't open /x: no such file"), False),
        ("host.file('/x').exists", path(": bash: line 1: /x: Not a directory"), False),
        ("host.file('/x').is_symlink", path("L: sh: 1: cannot open /x: Permission denied"), True),
        ("host.file('/x').exists", path("ef", ""), True),
        ("repr(host.file('/x'))", {}, "<file /x>"),
        ("host.file('/x') == '/x' == host.file('/x')", {}, True),
        ("host.file('/x') != host.file('/y')", {}, True),
        ("host.file('/x').contains('a')", says("grep -q", (1, "", "")), False),
        ("host.file('/x').contains('a')", says("grep -q", ""), True),
        ("host.file('/x').sha256sum", says("sha256sum", f"{'a' * 64}  -\n"), "a" * 64),
    ],
)
def test_files(text, canned, expected):
    assert ask(text, canned) == expected


SPEC4, SPEC6, SPEC = "'tcp://127.0.0.1:22'", "'tcp://::1:22'", "'tcp://22'"


def ss(*local):
    return says("ss -Hlntu", "ss\n" + "".join(f"tcp L 0 0 {a} *:*\n" for a in local) + "@end\n")


def proc(*digits):
    lines = "".join(f"{name}: 0: {local}:0016 0:0 0A 0\n" for name, local in digits)
    return says("ss -Hlntu", "proc\n" + lines.replace(": 0:", " 0:") + "@end\n")


def net(inet6, connections="ss\n"):
    unix = "Num RefCount\n0000: 00000002 00000000 00010000 0001 01 55 /run/a b\n"
    return says("/proc/net ||", f"{connections}@unix\n{unix}@inet6\n{inet6}@end\n")


ANY6 = ("tcp6", "0" * 32)


@pytest.mark.parametrize(
    ("spec", "canned", "expected"),
    [
        (SPEC4, ss("127.0.0.1:22"), True),
        (SPEC4, ss("0.0.0.0:22"), True),
        (SPEC4, ss("*:22"), True),
        (SPEC4, ss("[::ffff:127.0.0.1]:22"), True),
        (SPEC4, ss("127.0.0.1%lo:22"), True),
        (SPEC4, ss("[::]:22"), False),
        (SPEC4, ss("0.0.0.0:23", "127.0.0.2:22"), False),
        (SPEC4, ss(), False),
        (SPEC6, ss("[::]:22"), True),
        (SPEC6, ss("[::1]:22"), True),
        (SPEC6, ss("0.0.0.0:22"), False),
        ("'tcp://:::22'", ss("*:22"), True),
        ("'tcp://:::22'", ss("[::1]:22"), False),
        ("'udp://22'", ss("*:22"), False),
        (SPEC, ss("*:22"), True),
        (SPEC, ss("0.0.0.0:22", "[::]:22"), True),
        (SPEC, {**ss("0.0.0.0:22"), **net("")}, True),
        (SPEC, {**ss("0.0.0.0:22"), **net("0 lo\n")}, False),
        (SPEC, ss("127.0.0.1:22"), False),
        (SPEC4, proc(("tcp", "0100007F")), True),
        (SPEC6, proc(ANY6), True),
        (SPEC4, proc(ANY6, ("tcp", "00000000")), True),
        ("'unix:///run/a b'", net(""), True),
        ("'unix:///run/a'", net(""), False),
    ],
)
def test_sockets(spec, canned, expected):
    assert ask(f"host.socket({spec}).is_listening", canned) is expected


#: How the kernel writes ::ffff:... and fe80::..., but the last word.
MAPPED, LOCAL6 = "0000000000000000FFFF0000", "000080FE0000000000000000"


@pytest.mark.parametrize(
    "connections",
    [
        (
            "ss\ntcp 0 0 127.0.0.1:22 127.0.0.9:7\ntcp 0 0 [::ffff:1.2.3.4]:22 [::ffff:1.2.3.5]:8\n"
            "tcp 0 0 [fe80::1]%eth0:22 [fe80::2]:9\nudp 0 0 127.0.0.1:22 127.0.0.9:6\n"
        ),
        (
            "proc\n"
            "tcp 0: 0100007F:0016 0900007F:0007 01 0\n"
            "tcp 0: 0100007F:0016 0800007F:0007 06 0\n"
            f"tcp6 0: {MAPPED}04030201:0016 {MAPPED}05030201:0008 01 0\n"
            f"tcp6 0: {LOCAL6}01000000:0016 {LOCAL6}02000000:0009 01 0\n"
            "udp 0: 0100007F:0016 0900007F:0006 01 0\n"
        ),
    ],
    ids=["ss", "proc"],
)
def test_clients(connections):
    def clients(spec):
        return ask(f"host.socket({spec!r}).clients", net("", connections))

    four = [("127.0.0.9", 7), ("1.2.3.5", 8)]
    assert clients("tcp://127.0.0.1:22") == four[:1]
    assert clients("tcp://0.0.0.0:22") == four
    assert clients("tcp://:::22") == [("fe80::2", 9)]
    assert clients("tcp://22") == [*four, ("fe80::2", 9)]
    assert clients("tcp://23") == []
    assert clients("udp://22") == [("127.0.0.9", 6)]


@pytest.mark.parametrize("spec", ["tcp://x", "tcp://300.0.0.1:22", "sctp://22", "22", "tcp://1:x"])
def test_what_is_no_socket(spec):
    with pytest.raises(RuntimeError, match="Cannot validate"):
        ask(f"host.socket({spec!r})")


def test_sockets_read_as_testinfras_do():
    assert ask("repr(host.socket('tcp://127.0.0.1:22'))") == "<socket tcp://127.0.0.1:22>"
    listed = ask("host.socket.get_listening_sockets()", {**ss("*:22", "[::1]:9"), **net("")})
    assert listed == ["tcp://:::22", "tcp://0.0.0.0:22", "tcp://::1:9", "unix:///run/a b"]


def unit(load="loaded", active="active", state="enabled", more=""):
    block = f"Id=ssh.service\nNames=sshd.service ssh.service\nLoadState={load}\n{more}"
    block += f"ActiveState={active}\nSubState=x\nUnitFileState={state}\n"
    return says("systemctl show", f"{block}@files\n@end\n")


INIT = "SourcePath=/etc/init.d/ssh\n"


@pytest.mark.parametrize(
    ("question", "canned", "expected"),
    [
        ("is_running", unit(), True),
        ("is_running", unit(active="reloading"), True),
        ("is_running", unit(active="activating"), False),
        ("is_running", unit(load="not-found", active="inactive", state=""), False),
        ("exists", unit(), True),
        ("exists", unit(load="not-found", state=""), False),
        ("exists", unit(load="masked", state="masked"), True),
        ("is_enabled", unit(), True),
        ("is_enabled", unit(state="static"), True),
        ("is_enabled", unit(state="disabled"), False),
        ("is_enabled", unit(load="masked", state="masked"), False),
        ("is_enabled", unit(state="generated", more=INIT + "WantedBy=multi-user.target\n"), True),
        ("is_enabled", unit(state="generated", more=INIT + "WantedBy=\n"), False),
        ("is_enabled", unit(load="masked", state="generated", more=INIT), False),
        ("is_masked", unit(load="masked", state="masked"), True),
        ("is_masked", unit(), False),
    ],
)
@pytest.mark.parametrize("name", ["ssh", "sshd", "ssh.service"])
def test_services(name, question, canned, expected):
    assert ask(f"host.service({name!r}).{question}", canned) is expected


def test_a_unit_that_is_not_there_is_not_enabled():
    gone = unit(load="not-found", active="inactive", state="")
    assert ask("host.service('ssh').is_enabled", gone) is False
    with pytest.raises(AssertionError, match="systemd knows no file"):
        ask("host.service('ssh.service').is_enabled", gone)


def test_templates_are_looked_for_among_the_files():
    listed = says("list-unit-files", "@files\ngetty@.service enabled enabled\n@end\n")
    assert ask("host.service('getty@').exists", listed) is True
    assert ask("host.service('getty@').is_enabled", listed) is True
    assert ask("host.service('getty@').is_running", listed) is False
    assert ask("host.service('getty@').exists", says("list-unit-files", "@files\n@end\n")) is False


def test_properties_of_a_unit():
    shown = says("systemctl show --no-pager -- ssh.service", "Id=ssh.service\nA=b=c\nd e\nF=\n")
    found = ask("host.service('ssh').systemd_properties", shown)
    assert found == {"Id": "ssh.service", "A": "b=c\nd e", "F": ""}


def verify(code, out="", err=""):
    return says("systemd-analyze", (code, out, err))


def test_a_valid_unit():
    assert ask("host.service('ssh').is_valid", verify(0)) is True
    with pytest.raises(AssertionError, match="Unknown key"):
        ask("host.service('ssh').is_valid", verify(0, err="/x:1: Unknown key name\n"))
    with pytest.raises(CannotAssess):
        ask("host.service('ssh').is_valid", verify(127, err="sh: systemd-analyze: not found\n"))


DPKG = (
    "dpkg-query\nii \tnginx\t1.2-3\tamd64\t\nrc \told\t1\tall\t\niU \thalf\t2\tall\t\n"
    "ii \tlibc6\t2.36\tamd64\t\nii \tlibc6\t2.36\ti386\t\nhi \tkept\t4\tall\t\n@end\n"
)
RPM = "rpm\nnginx\t1.2-3.el9\tx86_64\tnginx, web\ngcc-c++\t1-2\tnoarch\t\n@end\n"
APK = "apk\nP:nginx\nV:1.2-r3\nA:x86_64\n\n@end\n"


def packages(text):
    return says("/var/lib/dpkg/status", text)


@pytest.mark.parametrize(
    ("text", "listed", "expected"),
    [
        ("host.package('nginx').is_installed", DPKG, True),
        ("host.package('kept').is_installed", DPKG, True),
        ("host.package('old').is_installed", DPKG, False),
        ("host.package('half').is_installed", DPKG, False),
        ("host.package('half').version", DPKG, "2"),
        ("host.package('none').is_installed", DPKG, False),
        ("host.package('nginx').version", DPKG, "1.2-3"),
        ("host.package('libc6:i386').is_installed", DPKG, True),
        ("host.package('libc6:arm64').is_installed", DPKG, False),
        ("host.package('libc*').is_installed", DPKG, True),
        ("host.package('web').is_installed", RPM, False),
        ("host.package('nginx').version", RPM, "1.2"),
        ("host.package('nginx').release", RPM, "3.el9"),
        ("host.package('nginx-1.2').is_installed", RPM, True),
        ("host.package('nginx.x86_64').is_installed", RPM, True),
        ("host.package('nginx-1.3').is_installed", RPM, False),
        ("host.package('nginx').version", APK, "1.2"),
        ("host.package('nginx').release", APK, "r3"),
        ("host.package('none').is_installed", APK, False),
        ("repr(host.package('x'))", DPKG, "<package x>"),
    ],
)
def test_packages(text, listed, expected):
    assert ask(text, packages(listed)) == expected


def test_packages_that_are_not_there_have_no_version():
    for name in ("old", "none"):
        with pytest.raises(AssertionError, match=f"package {name} is not installed"):
            ask(f"host.package({name!r}).version", packages(DPKG))
    with pytest.raises(NotImplementedError):
        ask("host.package('nginx').release", packages(DPKG))


PASSWD = says("/etc/passwd", "root:x:0:0:r:/root:/bin/sh\nann:x:7:8:Ann:/home/ann:/bin/zsh\n")
GROUP = says("/etc/group", "root:x:0:\nstaff:x:8:bob,ann\n")
LOCAL = {**says("getent shadow", "ann:$6$x:19000:1:90:7::100:\n"), **PASSWD, **GROUP}
REMOTE = {
    **says("getent passwd", "eve:$6$hash:70:80:Eve:/home/eve:/bin/sh\n"),
    **says("getent group", "ldap:*:80:eve\n"),
    **PASSWD,
    **GROUP,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host.user('ann').exists", True),
        ("host.user('ann').uid", 7),
        ("host.user('ann').group", "staff"),
        ("host.user('ann').home", "/home/ann"),
        ("host.user('ann').shell", "/bin/zsh"),
        ("host.user('ann').gecos", "Ann"),
        ("host.user('ann').password", "$6$x"),
        ("host.user('ann').password_max_days", 90),
        ("host.user('ann').password_min_days", 1),
        ("host.user('ann').expiration_date", datetime(1970, 4, 11)),  # noqa: DTZ001 - as testinfra
        ("host.user('ann').get_local_users", ["root", "ann"]),
        ("host.group('staff').exists", True),
        ("host.group('staff').gid", 8),
        ("host.group('staff').members", ["bob", "ann"]),
        ("host.group('staff').get_local_groups", ["root", "staff"]),
        ("repr(host.user('ann')), repr(host.group('x'))", ("<user ann>", "<group x>")),
    ],
)
def test_local_accounts(text, expected):
    assert ask(text, LOCAL) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host.user('eve').exists", True),
        ("host.user('eve').uid", 70),
        ("host.user('eve').group", "ldap"),
        ("host.group('ldap').members", ["eve"]),
    ],
)
def test_accounts_of_a_directory(text, expected):
    assert ask(text, REMOTE) == expected


def getent(*answer):
    return {**says("getent passwd", answer), **says("getent group", answer), **PASSWD, **GROUP}


def test_groups_of_a_user():
    assert ask("host.user('ann').groups", says("id -G", "8 0\nstaff root\n")) == ["staff", "root"]
    assert ask("host.user('ann').gids", says("id -G", "8 0\nstaff root\n")) == [8, 0]
    with pytest.raises(AssertionError):
        ask("host.user('x').gids", says("id -G", (1, "", "id: 'x': no such user\n")))
    with pytest.raises(CannotAssess, match="cannot be told apart"):
        ask("host.user('ann').groups", says("id -G", "8 9\nstaff domain users\n"))


def processes(*lines):
    listed = "".join(f"{line}\n" for line in lines)
    return {**says("ps -Aww", f"ps\nHEAD\n{listed}@end\n"), **PASSWD, **GROUP}


def process(pid, comm, user="root", args="x"):
    words = f"{pid} 0 1 1 0 0 0 0 ? Ss S 0 19 1 1 100 200 0.5 1.0 60 01:00 00:00:01"
    wide = "".join(f"{name:32} " for name in (user, user, "a b", "a b")) + f"{comm:64} "
    return f"{words} Mon Nov  2 08:00:00 2026 {wide}{args}"


TWO = processes(process(1, "init"), process(9, "tmux: server", "ann", "tmux  new -s x"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host.process.get(comm='tmux: server').pid", 9),
        ("host.process.get(user='ann').args", "tmux new -s x"),
        ("host.process.get(euser='ann').pcpu", 0.5),
        ("host.process.get(pid='9').group", "a b"),
        ("host.process.get(pid=9).lstart", "Mon Nov 2 08:00:00 2026"),
        ("len(host.process.filter(ppid=0))", 2),
        ("host.process.filter(comm='x')", []),
        ("repr(host.process.get(pid=1))", "<process init (pid=1)>"),
    ],
)
def test_processes(text, expected):
    assert ask(text, TWO) == expected


def status(pid, name, uid=0):
    lines = (f"Name:\t{name}", "State:\tS (sleeping)", "PPid:\t0", f"Uid:\t0\t{uid}\t0\t0")
    lines += ("Gid:\t8\t8\t8\t8", "VmRSS:\t   90 kB", "Threads:\t1")
    return "".join(f"/proc/{pid}/status:{line}\n" for line in lines)


def test_processes_of_a_host_without_the_ps_of_procps():
    listed = status(1, "init") + status(7, "two words", 7) + status(8, "ended")
    text = f"proc\n{listed}@args\n1 \n7 /bin/two  words \n9 began\n@end\n"
    canned = {**says("ps -Aww", text), **PASSWD, **GROUP}
    found = ask("host.process.filter(group='staff')", canned)
    assert [process.pid for process in found] == [1, 7]
    assert [process.args for process in found] == ["[init]", "/bin/two words"]
    two = ask("host.process.get(user='ann')", canned)
    assert (two.comm, two.ruser, two.rss, two.s) == ("two words", "root", 90, "S")


def test_processes_that_are_not_one():
    for filters, words in (("comm='x'", "No process"), ("ppid=0", "Multiple process")):
        with pytest.raises(AssertionError, match=words):
            ask(f"host.process.get({filters})", TWO)


def test_a_field_that_the_table_has_not():
    def more(year, second=0):
        started = f"Mon Nov 2 08:00:{second:02} {year}"
        return says("ps -ww -p", f"STARTED LABEL\n{started} unconfined\n")

    busybox = {**says("command -v", "/bin/x\0@end\n"), **path(": sh: /x: No such file")}
    # testinfra looks whether ps is that of busybox
    busybox |= says("readlink -f", "/usr/bin/ps\n")
    assert ask("host.process.get(pid=9).label", TWO, busybox, more(2026)) == "unconfined"
    # ps reckons from the time of the boot, which the clock moves
    assert ask("host.process.get(pid=9).label", TWO, busybox, more(2026, 1)) == "unconfined"
    with pytest.raises(Absent, match="has ended"):
        ask("host.process.get(pid=9).label", TWO, busybox, more(2027))


MOUNTS = says(
    "/proc/self/mounts",
    "rootfs / rootfs rw 0 0\n/dev/sda1 / ext4 rw,relatime,acl 0 0\n"
    "systemd-1 /auto autofs rw 0 0\nbin /auto misc ro 0 0\n",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host.mount_point('/').options", ["rw", "relatime", "acl"]),
        ("host.mount_point('/').device", "/dev/sda1"),
        ("host.mount_point('/auto').filesystem", "misc"),
        ("host.mount_point('/auto/').exists", True),
        ("host.mount_point('/x').exists", False),
        ("[m.path for m in host.mount_point.get_mountpoints()]", ["/", "/auto", "/auto"]),
    ],
)
def test_mount_points(text, expected):
    assert ask(text, MOUNTS) == expected


def test_no_path_is_no_mount_point():
    assert ask("host.mount_point('').exists", MOUNTS) is False


def test_a_line_of_shadow_may_be_short():
    with pytest.raises(CannotAssess, match="2 fields only"):
        ask("host.user('ann').expiration_date", says("getent shadow", "ann:!\n"))


def test_a_mount_point_reads_as_testinfras_does():
    shown = re.sub(" at 0x[0-9a-f]+", "", ask("repr(host.mount_point('/auto'))", MOUNTS))
    assert shown == (
        '<MountPoint(path="/auto", exists=True, device="bin", filesystem="misc", options="ro")>'
    )
    assert 'exists=False, device=""' in ask("repr(host.mount_point('/x'))", MOUNTS)


IP = says(
    "ip -o link",
    "1: lo: <UP> mtu 65536\\ link/loopback\n2: eth0@if3: <UP> mtu 1500\\ altname enp1s0\n"
    "@addresses\n1: lo    inet 127.0.0.1/8 scope host lo\n"
    "2: eth0    inet 10.0.0.1 peer 10.0.0.2/32 scope global eth0\n"
    "2: eth0    inet6 fe80::1/64 scope link\n"
    "@inet\n10.0.0.0/24 dev default proto kernel\ndefault via 10.0.0.9 dev lo metric 200\n"
    "default via 10.0.0.8 dev eth0 metric 100\n@inet6\n@end\n",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host.interface.names()", ["lo", "eth0"]),
        ("host.interface('eth0').exists", True),
        ("host.interface('enp1s0').addresses", ["10.0.0.1", "fe80::1"]),
        ("host.interface('eth0', 'inet6').addresses", ["fe80::1"]),
        ("host.interface('eth1').exists", False),
        ("repr(host.interface.default())", "<interface eth0>"),
        ("repr(host.interface.default('inet6'))", "<interface None>"),
    ],
)
def test_interfaces(text, expected):
    assert ask(text, IP) == expected


def test_settings():
    def read(text, err=""):
        return says("/proc/sys", (0, text, err))

    assert ask("host.sysctl('a.b')", read("+\0./a/b:7\n\0@end\n")) == 7
    assert ask("host.sysctl('a.b')", read("+\0./a/b:x:y\n./a/b:z\n\0@end\n")) == "x:y\nz"
    assert ask("host.sysctl('a.b')", read("+\0\0@end\n")) == ""
    assert ask("host.sysctl('net.eth0/7.x')", read("+\0./net/eth0.7/x:1\n\0@end\n")) == 1
    assert ask("repr(host.sysctl)") == "<sysctl>"
    with pytest.raises(Denied):
        ask("host.sysctl('a.b')", read("+\0\0@end\n", "grep: ./a/b: Permission denied\n"))


def system(os_release, **results):
    """Return ``host.system_info`` of a host whose table ``os_release`` gives, or raises, that."""

    def read(_):
        if isinstance(os_release, Exception):
            raise os_release
        return parse_os_release(os_release)

    transport = FakeTransport(results={**LINUX, **results})
    return Host(fake_target(), transport, extra_facts={"os_release": read}).system_info


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        ("ID=debian\nVERSION_ID='12'\nVERSION_CODENAME=bookworm\n", ("debian", "12", "bookworm")),
        ("ID=debian\n", ("debian", None, None)),
        ("ID=arch\n", ("arch", "rolling", None)),
        ("NAME=x\n", (None, None, None)),
    ],
)
def test_the_system(os_release, expected):
    info = system(os_release)
    assert (info.type, info.arch) == ("linux", "x86_64")
    assert (info.distribution, info.release, info.codename) == expected
    assert info.sysinfo["release"] == expected[1]


def test_a_system_without_os_release():
    results = {"uname -s": "Linux\n", "uname -m": "x86_64\n", "cat /etc/os-release": (1, "", "")}
    centos = {"cat /etc/redhat-release": "CentOS release 6.9 (Final)\n"}
    info = system(NotApplicable("none"), **results, **centos)
    assert (info.distribution, info.release, info.codename) == ("CentOS", "6.9", None)
    with pytest.raises(Denied):
        _ = system(Denied("sudo")).distribution


UNIT_GONE = says("systemctl", (1, "", "Failed to connect to bus: Permission denied\n"))
SS_FAILS = says("ss -Hlntu", (255, "ss\n", "Cannot open netlink socket\n"))


@pytest.mark.parametrize(
    ("text", "canned", "error"),
    [
        ("host.file('/x').exists", CLOSED, Denied),
        ("host.file('/x').is_directory", CLOSED, Denied),
        ("host.file('/x').is_symlink", CLOSED, Denied),
        ("host.file('/x').mode", CLOSED, Denied),
        ("host.file('/x').exists", BROKEN, CannotAssess),
        ("host.file('/x').exists", path(": "), CannotAssess),
        ("host.file('/x').exists", says("stat -L", "ef\0"), Incomplete),
        ("host.file('/x').exists", says("stat -L", Denied("sudo")), Denied),
        ("host.file('/x').mode", path("ef", ""), CannotAssess),
        ("host.file('/x').mode", NO_FILE, Absent),
        ("host.file('/x\\0').exists", {}, CannotAssess),
        (
            "host.file('/x').contains('a')",
            says("grep -q", (2, "", "grep: /x: Permission denied\n")),
            Denied,
        ),
        (
            "host.file('/x').contains('a')",
            says("grep -q", (2, "", "grep: Unmatched [\n")),
            CannotAssess,
        ),
        (
            "host.file('/x').sha256sum",
            says("sha256sum", (2, "", "cannot open /x: No such file")),
            Absent,
        ),
        ("host.file('/x').sha256sum", says("sha256sum", ""), CannotAssess),
        (
            "host.file('/x').content",
            says("cat", (126, "", "cat: Exec format error\n")),
            CannotAssess,
        ),
        ("host.package('x').is_installed", packages("dpkg-query\nii \tx\n"), AssertionError),
        ("host.user('x').exists", getent(3, "", ""), CannotAssess),
        ("host.user('x').exists", getent(127, "", "sh: getent: not found\n"), CannotAssess),
        ("host.user('x').exists", getent(42, "7\n", ""), CannotAssess),
        ("host.user('x').uid", getent(2, "", ""), Absent),
        ("host.user('x').password", says("getent shadow", (43, "", "")), Denied),
        ("host.user('x').password", says("getent shadow", (2, "", "")), Absent),
        ("host.group('x').exists", getent(127, "", "sh: getent: not found\n"), CannotAssess),
        ("host.group('x').members", getent(127, "", "sh: getent: not found\n"), CannotAssess),
        ("host.group('x').gid", getent(2, "", ""), Absent),
        ("host.service('x').exists", UNIT_GONE, Denied),
        ("host.service('x').is_running", UNIT_GONE, Denied),
        ("host.service('x').is_enabled", UNIT_GONE, Denied),
        ("host.service('x').is_masked", UNIT_GONE, Denied),
        ("host.service('x').is_running", says("systemctl", (127, "", "not found\n")), CannotAssess),
        ("host.service('x').is_running", says("systemctl", "@files\n@end\n"), CannotAssess),
        ("host.service('x*').exists", {}, CannotAssess),
        (
            "host.service('ssh.timer').is_enabled",
            says(
                "systemctl",
                "Id=ssh.timer\nNames=ssh.timer\nLoadState=not-found\nActiveState=inactive\n@files\n@end\n",
            ),
            Absent,
        ),
        ("host.service('ssh').is_enabled", unit(state="bad"), CannotAssess),
        (f"host.socket({SPEC4}).is_listening", SS_FAILS, CannotAssess),
        (f"host.socket({SPEC4}).is_listening", proc(ANY6), CannotAssess),
        (f"host.socket({SPEC}).is_listening", proc(ANY6), CannotAssess),
        ("host.socket('unix:///x').is_listening", says("/proc/net", (1, "", "")), CannotAssess),
        (
            "host.sysctl('x')",
            says("/proc/sys", "sh: 1: cannot open ./x: Permission denied\n\0\0@end\n"),
            Denied,
        ),
        (
            "host.sysctl('x')",
            says("/proc/sys", "sh: 1: cannot open ./x: No such file\n\0\0@end\n"),
            Absent,
        ),
        ("host.sysctl('x')", says("/proc/sys", "+\0"), Incomplete),
        ("host.mount_point('/x').exists", says("/proc/self/mounts", Denied("sudo")), Denied),
        ("host.mount_point('/x').options", MOUNTS, Absent),
        ("host.process.get(pid=9)", processes(process(9, "sh")), Incomplete),
        ("host.process.filter(comm='x')", processes("short"), CannotAssess),
        ("host.interface('x').exists", says("ip -o", (127, "", "ip: not found\n")), CannotAssess),
        ("host.interface('x').addresses", IP, Absent),
        ("host.exists('x')", says("command -v", (1, "", "")), CannotAssess),
        ("host.run('true')", says("true", Denied("sudo")), Denied),
    ],
)
def test_a_question_that_was_not_answered_is_never_a_no(text, canned, error):
    with pytest.raises(error) as caught:
        ask(text, canned)
    assert caught.type is error


def test_a_host_without_systemd_is_asked_by_testinfras_own_module():
    results = {
        **LINUX,
        **says("systemctl show", (42, "", "")),
        **path(": sh: 1: cannot open /x: No such file"),
        **says("for c in service;", "/usr/sbin/service\0@end\n"),
        **says("command -v", "\0@end\n"),
        "/usr/sbin/service x status": (3, "", ""),
        "/usr/sbin/service y status": "running\n",
        "/usr/sbin/service z status": (1, "", "z: cannot tell\n"),
        "find -L /etc/rc?.d/ -name 'S??x'": "",
    }
    host = fake_host(results=results)
    assert host.service("x").is_running is False
    assert host.service("y").is_running is True
    assert host.service("x").is_enabled is False
    with pytest.raises(CannotAssess, match="cannot tell"):
        _ = host.service("z").is_running


@pytest.mark.parametrize(
    ("state", "expected"), [("masked", True), ("masked-runtime", True), ("enabled", False)]
)
def test_a_unit_masked_until_the_next_start_is_masked_where_systemd_does_not_run(state, expected):
    class Asked:
        name = "x"
        _host = fake_host(FakeTransport(results={bool: (1, f"{state}\n", "")}))

    assert SureSystemdService.is_masked.fget(Asked) is expected


def test_a_host_with_openrc():
    results = {
        **LINUX,
        **says("systemctl show", (42, "", "")),
        **path(": sh: 1: cannot open /x: No such file"),
        **says("for c in rc-service;", "/sbin/rc-service\0@end\n"),
        **says("command -v", "\0@end\n"),
        "/sbin/rc-service x status": (3, " * status: stopped\n", ""),
        "/sbin/rc-service y status": " * status: started\n",
        "/sbin/rc-service z status": (1, "", " * rc-service: service `z' does not exist\n"),
        "/sbin/rc-service w status": (1, "", "cannot open /run/openrc\n"),
        "find /etc/runlevels/ -name y": "/etc/runlevels/default/y\n",
    }
    host = fake_host(results=results)
    assert [host.service(name).is_running for name in "xyz"] == [False, True, False]
    assert host.service("y").is_enabled
    with pytest.raises(CannotAssess, match="cannot open"):
        _ = host.service("w").is_running


def test_a_host_that_is_no_linux_is_asked_by_testinfras_own_modules():
    results = {
        "exec uname -srm": "FreeBSD 14.1 amd64\n",
        "uname -s": "FreeBSD\n",
        "uname -r": "14.1\n",
        "uname -m": "amd64\n",
        "stat -f %Lp /x": "644\n",
    }
    host = fake_host(results=results)
    assert host.system_info.type == "freebsd"
    assert host.file("/x").mode == 0o644


def test_a_block_device_begins_where_it_begins():
    report = "RO RA SSZ BSZ StartSec Size Device\nrw 256 512 4096 2048 100 /dev/sda1\n"
    host = fake_host(results={**LINUX, **says("blockdev", report)})
    device = host.block_device("/dev/sda1")
    assert (device.start_sector, device.sector_size, device.is_partition) == (2048, 512, True)
    host = fake_host(results={**LINUX, **says("blockdev", (1, "", "x: Permission denied\n"))})
    with pytest.raises(Denied):
        _ = host.block_device("/dev/sda1").size


def ping(*answer):
    return says("ping -W 1", answer)


def test_addresses():
    assert ask("host.addr('a b').is_reachable", ping(0, "", "")) is True
    assert ask("host.addr('x').is_reachable", ping(1, "1 packets, 0 received\n", "")) is False
    assert (
        ask("host.addr('x').is_reachable", ping(2, "", "ping: x: Name or service not known\n"))
        is False
    )
    with pytest.raises(CannotAssess):
        ask("host.addr('x').is_reachable", ping(127, "", "sh: ping: not found\n"))
    with pytest.raises(CannotAssess):
        ask("host.addr('x').is_reachable", ping(2, "", "ping: socket: Operation not permitted\n"))
    assert ask("host.addr('x').is_resolvable", says("getent ahosts", (2, "", ""))) is False
    with pytest.raises(CannotAssess):
        ask("host.addr('x').is_resolvable", says("getent ahosts", (127, "", "not found\n")))


def test_an_account_is_asked_for_as_the_user_of_sudo():
    transport = FakeTransport(results={**LINUX, **path("ef", STAT)})
    host = fake_host(transport)
    assert host.file("/x").exists
    with host.sudo("ann"):
        assert host.file("/x").exists
        assert host.file("/x").mode == 0o644
    assert host.file("/x").exists
    assert [user for _, user in transport.calls] == [None, None, "ann"]


@pytest.mark.parametrize("name", RESOURCES)
def test_what_a_resource_needs_are_tables(name):
    facts = fake_host().facts
    needs = [NEEDS[name], *NEEDS[name].members.values()]
    for need in needs:
        assert {*need.tables, *need.keyed} <= set(dir(facts))


def test_needs():
    assert [need.keys("/x") for need in NEEDS["file"].of("mode")] == [{"paths": "/x"}]
    assert [need.keys("/x") for need in NEEDS["file"].of("content")] == [{"contents": "/x"}]
    assert [need.keys("ssh") for need in NEEDS["service"].of()] == [{"unit_states": "ssh.service"}]
    assert [need.keys("a*") for need in NEEDS["service"].of()] == [{}]
    assert [need.tables for need in NEEDS["package"].of("version")] == [("packages",)]
