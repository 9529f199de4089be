"""A canned host on which all is well, and rows that break one thing of it at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from lab.fake import FakeTransport, fake_target, judge_check

from pytest_sysaudit.host import Host
from pytest_sysaudit.record import Verdict
from pytest_sysaudit.transport.base import Command, show

Answer = tuple[int, str, str] | str | BaseException

Well = Mapping[str, tuple[str, Answer]]
"""By a name for tests: a word that only this command has, and what the well host answers."""

DENIED = (1, "", "Permission denied")
NOT_ROOT = (43, "", "")
ABSENT = (42, "", "")
CUT = "cut o"

PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
sync:x:4:65534::/bin:/bin/sync
ann:x:1000:1000::/home/ann:/bin/bash
"""
GROUP = "root:x:0:\ndaemon:x:1:\nshadow:x:42:\nann:x:1000:\nnogroup:x:65534:\n"
SHADOW = "root:!:1:9:19000:0:99999:7:\ndaemon:*:1:9:::::\nann:$y$:73:9:19000:1:365:7:30\n"
STAT = """@stat
755 0 0 /etc/ssh|directory
644 0 0 /etc/ssh/sshd_config|regular file
755 0 0 /etc/ssh/sshd_config.d|directory
644 0 0 /etc/ssh/sshd_config.d/lab.conf|regular file
600 0 0 /etc/ssh/ssh_host_rsa_key|regular file
440 0 0 /etc/sudoers|regular file
750 0 0 /etc/sudoers.d|directory
440 0 0 /etc/sudoers.d/README|regular file
644 0 0 /etc/passwd|regular file
644 0 0 /etc/passwd-|regular file
640 0 42 /etc/shadow|regular file
640 0 42 /etc/shadow-|regular file
644 0 0 /etc/group|regular file
644 0 0 /etc/group-|regular file
640 0 42 /etc/gshadow|regular file
640 0 42 /etc/gshadow-|regular file
644 0 0 /etc/crontab|regular file
755 0 0 /etc/cron.d|directory
644 0 0 /etc/cron.d/backup|regular file
755 0 0 /etc/cron.daily|directory
755 0 0 /etc/cron.hourly|directory
755 0 0 /etc/cron.monthly|directory
755 0 0 /etc/cron.weekly|directory
@acl
@end
"""
SYSCTL = """./kernel/ostype:Linux
./kernel/randomize_va_space:2
./kernel/kptr_restrict:1
./kernel/dmesg_restrict:1
./kernel/perf_event_paranoid:2
./kernel/unprivileged_bpf_disabled:2
./kernel/yama/ptrace_scope:1
./kernel/core_pattern:core
./fs/suid_dumpable:0
./fs/protected_hardlinks:1
./fs/protected_symlinks:1
./fs/protected_fifos:1
./fs/protected_regular:2
./net/ipv4/tcp_syncookies:1
./net/ipv4/ip_forward:0
./net/ipv4/icmp_echo_ignore_broadcasts:1
./net/ipv4/icmp_ignore_bogus_error_responses:1
./net/ipv4/conf/all/forwarding:0
./net/ipv4/conf/eth0/forwarding:0
./net/ipv4/conf/all/accept_redirects:0
./net/ipv4/conf/all/secure_redirects:0
./net/ipv4/conf/all/send_redirects:0
./net/ipv4/conf/all/accept_source_route:0
./net/ipv4/conf/all/rp_filter:0
./net/ipv4/conf/default/accept_source_route:0
./net/ipv4/conf/default/rp_filter:0
./net/ipv4/conf/eth0/accept_redirects:0
./net/ipv4/conf/eth0/secure_redirects:0
./net/ipv4/conf/eth0/send_redirects:0
./net/ipv4/conf/eth0/rp_filter:2
./net/ipv4/conf/lo/accept_redirects:1
./net/ipv4/conf/lo/rp_filter:0
./net/ipv6/conf/all/forwarding:0
./net/ipv6/conf/all/accept_redirects:0
./net/ipv6/conf/all/accept_source_route:-1
./net/ipv6/conf/default/accept_source_route:0
@end 1
"""
SSHD = """port 22
usepam yes
logingracetime 60
maxauthtries 4
maxsessions 10
clientaliveinterval 300
clientalivecountmax 3
permitrootlogin without-password
ignorerhosts yes
hostbasedauthentication no
passwordauthentication no
kbdinteractiveauthentication no
x11forwarding no
strictmodes yes
permitemptypasswords no
gatewayports no
allowtcpforwarding no
allowagentforwarding no
disableforwarding no
allowstreamlocalforwarding no
ciphers chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com
macs hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com
kexalgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256,diffie-hellman-group14-sha256
hostkeyalgorithms ssh-ed25519,rsa-sha2-512,rsa-sha2-256
loglevel VERBOSE
maxstartups 10:30:60
permittunnel no
permituserenvironment no
@files
PermitRootLogin prohibit-password
@end
"""
UNITS = """Id=ssh.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled

Id=cups.service
LoadState=loaded
ActiveState=inactive
SubState=dead
UnitFileState=disabled
@files
ssh.service enabled enabled
cups.service disabled enabled
@end
"""
SUDOERS = """{"User_Specs": [{"User_List": [{"username": "root"}], "Host_List": [],
"Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]}]}"""
SS = """ss
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=33,fd=3))
tcp LISTEN 0 128 127.0.0.1:25 0.0.0.0:*
@end
"""
MEMINFO = """MemTotal: 1000 kB
MemFree: 100 kB
MemAvailable: 500 kB
SwapTotal: 1000 kB
SwapFree: 900 kB
"""
DISKS = """24 1 8:1 / / rw - ext4 /dev/sda1 rw

Filesystem 1024-blocks Used Available Capacity Mounted on
/dev/sda1 1000 500 500 50% /

Filesystem Inodes IUsed IFree IUse% Mounted on
/dev/sda1 1000 100 900 10% /
"""
STAT_LINES = "1 (init) S 0 1 1 0\n7 (my )sh) S 1 7 7 0\n"

MOUNTS = """/dev/sda1 / ext4 rw 0 0
tmpfs /tmp tmpfs rw,nosuid,nodev,noexec 0 0
tmpfs /dev/shm tmpfs rw,nosuid,nodev,noexec 0 0
"""
#: Table: what tells its command from others, and what it answers.
WELL: Well = {
    "passwd": ("/etc/passwd", PASSWD),
    "group": ("cat /etc/group", GROUP),
    "shadow": ("/etc/shadow", SHADOW),
    "login_defs": ("cat /etc/login.defs", "UID_MIN 1000\n"),
    "mounts": (
        "cat /proc/self/mounts",
        MOUNTS,
    ),
    "packages": (
        "dpkg-query",
        "dpkg-query\nii \tbash\t5\tamd64\t\nrc \tvsftpd\t3\tamd64\t\n@end\n",
    ),
    "file_stats": ("stat -L", STAT),
    "sysctl": ("cd /proc/sys", SYSCTL),
    "sshd": ('"$sshd" -T', SSHD),
    "units": ("systemctl show", UNITS),
    "sudoers": ("cvtsudoers", SUDOERS),
    "sockets": ("ss -Hlntup", SS),
    "file_search": ("echo $c\nfind /", "0\nyes\n@end 0\n"),
    "load": ("cat /proc/loadavg", "0.1 0.2 0.3 1/99 7\n"),
    "memory": ("cat /proc/meminfo", MEMINFO),
    "stat": ("/proc/stat", "cpu 1 2 3\ncpu0 1 2 3\nbtime 1700000000\n"),
    "uptime": ("cat /proc/uptime", "86400.5 1.0\n"),
    "disks": ("/proc/self/mountinfo", DISKS),
    "processes": ("/proc/[0-9]*/stat", f"9\n{STAT_LINES}9 (sh) R 1 9 9 0\n10 (x) Z 9 9 9 0\n"),
    "users": ("utmp", "utmp x86_64\n"),
}


@dataclass(frozen=True)
class Break:
    """One thing that is not well: in the answer of *table*, *old* becomes *new*."""

    table: str
    old: str | None
    new: Answer

    def answer(self, well: Well) -> Answer:
        before = well[self.table][1]
        if self.old is None:
            return self.new
        assert isinstance(before, str)
        assert isinstance(self.new, str)
        assert self.old in before, f"{self.table} has no {self.old!r}"
        return before.replace(self.old, self.new)


def breaks(table: str, old: str, new: str) -> Break:
    """The host's *table* has *new* instead of *old*."""
    return Break(table, old, new)


def answers(table: str, answer: Answer) -> Break:
    """The host's *table* is *answer*."""
    return Break(table, None, answer)


def well_host(
    *broken: Break,
    vars: Mapping[str, Any] | None = None,  # noqa: A002 - as in Target
    more: Well | None = None,
) -> Host:
    """Return the host with everything of *broken*, and with *more* than `WELL`."""
    well = {**(more or {}), **WELL, **(more or {})}
    replies = {table: answer for table, (_, answer) in well.items()}
    replies |= {item.table: item.answer(well) for item in broken}

    def fits(mark: str) -> Callable[[Command], bool]:
        return lambda command: mark in show(command)

    # file_stats names /etc/passwd too, and a search the mounts: the longer commands come first.
    order = sorted(well, key=lambda name: name in ("passwd", "shadow"))
    results = {fits(well[name][0]): replies[name] for name in order}
    return Host(fake_target(vars=vars or {}), FakeTransport(results=results))


@dataclass(frozen=True)
class Case:
    """A check, and what makes it fail, keeps it from knowing, or makes it not apply.

    ``vars`` are the target's, ``inputs`` and ``params`` those of the check; ``more`` are answers of
    the well host beyond `WELL`.
    """

    check: Callable[..., None]
    fails: tuple[Break, ...] = ()
    errors: tuple[Break, ...] = ()
    absent: tuple[Break, ...] = ()
    passes: tuple[Break, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    more: Well = field(default_factory=dict)

    def judge(self, *broken: Break) -> tuple[Verdict, str]:
        host = well_host(*broken, vars=self.vars, more=self.more)
        return judge_check(self.check, inputs=self.inputs, host=host, **self.params)


def assert_verdict(case: Case, broken: Sequence[Break], expected: Verdict) -> None:
    """Judge *case*; every command must have had a canned answer, and what is no pass a reason."""
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason
    assert "no answer for the command" not in reason, reason
    assert reason or verdict is Verdict.PASS, f"{verdict} without a reason"


def rows(cases: list[Case]) -> list[Any]:
    """Every row of *cases*: the case, what is broken, the expected verdict."""
    return list(_rows(cases))


def _rows(cases: list[Case]) -> Iterator[Any]:
    for case in cases:
        name = "-".join([case.check.__name__, *map(str, case.params.values())])
        yield pytest.param(case, (), Verdict.PASS, id=f"{name}-well")
        kinds = {
            Verdict.PASS: case.passes,
            Verdict.FAIL: case.fails,
            Verdict.ERROR: case.errors,
            Verdict.NOT_APPLICABLE: case.absent,
        }
        for verdict, broken in kinds.items():
            for number, item in enumerate(broken):
                yield pytest.param(case, (item,), verdict, id=f"{name}-{verdict}-{number}")


def uncovered(cases: list[Case], *modules: Any) -> set[str]:
    """Return the checks of *modules* that lack a failing or an error row."""
    found = {
        name
        for module in modules
        for name, check in vars(module).items()
        if name.startswith("test_") and callable(check)
    }
    covered = {case.check.__name__ for case in cases if case.fails and case.errors}
    return found - covered
