"""What the health of a host is read from, row by row."""

from __future__ import annotations

import struct

import pytest
from lab.fake import FakeTransport, fake_host

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts import health_shell, health_users
from pytest_sysaudit.facts.health import Disk, Health, ListeningSocket, LoggedIn, Memory, Swap
from pytest_sysaudit.transport.base import CommandResult

MEMINFO = "MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 100 kB\nSwapFree: 25 kB\nHuge: 0\n"
STAT = (
    "cpu  10 0 10 70 10 0 0 0 5 0\ncpu0 5 0 5 35 5 0 0 0 0 0\ncpu1 5 0 5 35 5 0 0 0 0 0\nbtime 0\n"
)


def result(out="", code=0, err=""):
    data = out if isinstance(out, bytes) else out.encode()
    return CommandResult(
        command="x", exit_code=code, stdout=data, stderr=err.encode(), started=0, duration=0
    )


def health(**changed):
    """A host over ssh without python; each part can be given another answer."""
    parts = {
        "load": "0.50 1.00 3.00 1/99 4242\n",
        "memory": MEMINFO,
        "stat": STAT,
        "uptime": "3600.5 100.0\n",
        "disks": DISKS,
        "processes": PROCESSES,
        "listening": "ss\n@end\n",
        "users": "sessions\n",
        **changed,
    }
    files = {"load": "loadavg", "memory": "meminfo", "stat": "stat", "uptime": "uptime"}
    commands = health_shell.COMMANDS | {k: f"cat /proc/{name}" for k, name in files.items()}
    results = {commands[name]: answer for name, answer in parts.items()}
    results[health_shell._CPU] = "cpu 0 0 0 0 0 0 0 0 0 0\ncpu 30 0 20 40 10 0 0 0 9 0\n"
    return fake_host(FakeTransport(results=results)).health


DISKS = r"""22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 8:1 /srv /bind rw - ext4 /dev/sda1 rw
24 22 0:5 / /proc rw shared:5 - proc proc rw
25 22 0:40 / /mnt/a\040b rw shared:9 master:1 - tmpfs tmpfs rw
26 22 0:41 / /hidden/below rw - tmpfs tmpfs rw
27 22 0:42 / /data rw - btrfs /dev/sdb rw
28 22 0:43 /sub /data/sub rw - btrfs /dev/sdb rw
29 22 0:44 / /empty rw - tmpfs none rw

Filesystem     1024-blocks  Used Available Capacity Mounted on
/dev/sda1              1000   600       200      75% /
/dev/sda1              1000   600       200      75% /bind
tmpfs                   100     0       100       0% /mnt/a b
tmpfs                   100     0       100       0% /hidden
/dev/sdb               5000  1000      4000      20% /data
/dev/sdb               5000  1000      4000      20% /data/sub
none                      0     0         0       -  /empty

Filesystem     Inodes IUsed IFree IUse% Mounted on
/dev/sda1        1000   970    30   97% /
/dev/sda1        1000   970    30   97% /bind
tmpfs              10     1     9   10% /mnt/a b
tmpfs              10     1     9   10% /hidden
/dev/sdb            0     0     0     - /data
/dev/sdb            0     0     0     - /data/sub
none               10     1     9   10% /empty
"""
PROCESSES = """50
1 (init) S 0 1 1 0
7 (a) b) S) Z 1 7 7 0
8 (new
line) R 1 8 8 0
50 (sh) S 9 50 50 0
51 (cat) R 50 50 50 0
52 (sh) Z 50 50 50 0
"""


def test_one_round_trip_says_it_all():
    found = health()
    assert found.cpu_count == 2
    assert found.load == (0.5, 1.0, 3.0)
    assert found.load_per_core == 1.5
    assert found.memory == Memory(total=1024000, available=256000)
    assert found.memory.available_percent == 25
    assert found.swap == Swap(total=102400, used=76800)
    assert found.swap.percent == 75
    assert found.boot_time.isoformat() == "1970-01-01T00:00:00+00:00"
    assert found.uptime == 3600.5
    assert found.users == ()
    assert found.cpu_percent == 50


def test_disks_are_real_seen_and_counted_once():
    found = {disk.mount: disk for disk in health().disks}
    assert list(found) == ["/", "/data", "/mnt/a b"]
    assert found["/"] == Disk(
        mount="/",
        device="/dev/sda1",
        fstype="ext4",
        total=1024000,
        used=614400,
        free=204800,
        inodes_total=1000,
        inodes_used=970,
    )
    assert (found["/"].used_percent, found["/"].inodes_percent) == (75, 97)
    assert found["/data"].inodes_percent is None


def test_our_own_session_is_no_process_and_no_zombie_of_the_host():
    found = health().processes
    assert (found.count, found.zombies) == (3, 1)


@pytest.mark.parametrize(
    ("part", "answer", "name", "error"),
    [
        ("memory", (1, "", "cat: /proc/meminfo: Permission denied"), "memory", CannotAssess),
        ("memory", "MemTotal: 1 kB\n", "memory", CannotAssess),
        ("memory", "MemTotal lots\n", "memory", CannotAssess),
        ("stat", "btime 1\n", "cpu_count", CannotAssess),
        ("stat", "cpu0 1\n", "boot_time", CannotAssess),
        ("load", "", "load", CannotAssess),
        ("uptime", "never", "uptime", CannotAssess),
        ("disks", (1, DISKS, "df: /x: Permission denied"), "disks", Incomplete),
        ("disks", DISKS.replace("75% /bind", "lots"), "disks", CannotAssess),
        ("processes", "50\n50 (sh) S 9 50 50 0\n", "processes", Incomplete),
        ("listening", "ss\ntcp LISTEN\n@end\n", "listening", CannotAssess),
        ("listening", "proc\ntcp 0: 0100007F:0016 00000000:0000 0A\n", "listening", CannotAssess),
        ("users", "utmp x86_64\nshort", "users", CannotAssess),
        ("users", (127, "sessions\n", "neither utmp nor loginctl"), "users", CannotAssess),
    ],
)
def test_a_part_that_was_not_read_does_not_take_the_others_with_it(part, answer, name, error):
    found = health(**{part: answer})
    with pytest.raises(error):
        getattr(found, name)
    others = {"memory", "load", "disks", "users"} - {name}
    assert all(getattr(found, other) is not None for other in others)


def test_a_part_is_read_once_and_its_error_is_remembered():
    calls = []

    def read():
        calls.append(1)
        raise Denied("no")

    found = Health({"load": read})
    for _ in range(2):
        with pytest.raises(Denied):
            _ = found.load
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'tcp LISTEN 0 128 0.0.0.0:22 *:* users:(("sshd",pid=70,fd=3),("init",pid=1,fd=9))',
            ListeningSocket(protocol="tcp", address="0.0.0.0", port=22, pid=1, process="init"),
        ),
        ("tcp LISTEN 0 128 *:80 *:*", ListeningSocket(protocol="tcp", address="::", port=80)),
        (
            "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*",
            ListeningSocket(protocol="udp", address="127.0.0.53", port=53),
        ),
        (
            "tcp LISTEN 0 1 [fe80::1]%eth0:9 [::]:*",
            ListeningSocket(protocol="tcp", address="fe80::1", port=9),
        ),
    ],
)
def test_listening_sockets_as_ss_prints_them(line, expected):
    assert health(listening=f"ss\n{line}\n@end\n").listening == (expected,)


def test_listening_sockets_of_a_host_without_ss_come_from_proc():
    lines = (
        "tcp 0: 0100007F:1F90 00000000:0000 0A 0\n"
        "tcp6 0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0\n"
        "tcp 1: 0100007F:1F91 0100007F:1234 01 0\n"
        "udp 2: 00000000:0044 00000000:0000 07 0\n"
    )
    found = health(listening=f"proc\n{lines}@end\n").listening
    assert {(item.protocol, item.address, item.port) for item in found} == {
        ("tcp", "127.0.0.1", 8080),
        ("tcp", "::", 22),
        ("udp", "0.0.0.0", 68),
    }


def utmp(*rows, wide=False):
    record = "<h2xi32s4s32s256s"
    size = 400 if wide else 384
    return b"".join(
        struct.pack(record, kind, 1, line, b"", name, host).ljust(size, b"\0")
        for kind, line, name, host in rows
    )


@pytest.mark.parametrize(("machine", "wide"), [("x86_64", False), ("aarch64", True)])
def test_users_come_from_utmp(machine, wide):
    data = utmp(
        (7, b"pts/1", b"zoe", b"192.0.2.7"),
        (8, b"pts/2", b"gone", b""),
        (7, b"tty1", b"ann\xff", b""),
        wide=wide,
    )
    found = health(users=(0, f"utmp {machine}\n".encode() + data, "")).users
    assert found == (
        LoggedIn(name="ann\\xff", terminal="tty1", host=""),
        LoggedIn(name="zoe", terminal="pts/1", host="192.0.2.7"),
    )


def test_users_come_from_logind_where_there_is_no_utmp():
    text = (
        "Name=ann\nTTY=pts/0\nRemoteHost=192.0.2.7\nClass=user\n\nName=gdm\nTTY=\nClass=greeter\n"
    )
    assert health_users.parse(result("sessions\n" + text)) == [
        {"name": "ann", "terminal": "pts/0", "host": "192.0.2.7"}
    ]


def test_cpu_time_of_guests_is_not_counted_twice():
    text = "cpu 0 0 0 0 0 0 0 0 0 0\ncpu 100 0 0 100 0 0 0 0 100 0\n"
    assert health_shell.cpu_percent(result(text)) == 50
