"""Processes, kernel modules, clock, disk space: usual, odd and broken answers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.facts import clock, kernel_modules, open_facts, processes
from pytest_sysaudit.facts.health import Disk
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport.base import CommandResult
from pytest_sysaudit.transport.local import LocalTransport


def result(out, code=0, started=1000.0, duration=0.2):
    data = out.encode() if isinstance(out, str) else out
    return CommandResult(
        command="x", exit_code=code, stdout=data, stderr=b"", started=started, duration=duration
    )


def here():
    return open_facts(
        LocalTransport(Target(name="here", kind=Kind.LOCAL, entry=model.Host(connection="local")))
    )


def table(name, answer):
    return getattr(open_facts(FakeTransport(results={bool: answer})), name)


def status(pid, name, state="S (sleeping)", ppid=1, uids="0\t0\t0\t0"):
    rows = {"Name": name, "State": state, "PPid": ppid, "Uid": uids}
    return "".join(f"{pid}/status:{key}:\t{value}\n" for key, value in rows.items())


PROCESSES = (
    status(1, "init", ppid=0)
    + status(9, "a b) S 1", "Z (zombie)", 1, "1000\t0\t0\t0")
    + status(10, "two\\nlines")
    + "@arguments\n1/cmdline:/sbin/init\0\n"
    + "10/cmdline:sh\0-c\0one\n10/cmdline:1/cmdline:two\0\nself/cmdline:grep\0''\0\n"
    + "\n@end\n"
)


def test_processes_with_odd_names_and_arguments():
    init, zombie, odd = table("processes", PROCESSES)
    assert (init.pid, init.ppid, init.state, init.arguments) == (1, 0, "S", ("/sbin/init",))
    assert (zombie.name, zombie.state, zombie.uid, zombie.euid) == ("a b) S 1", "Z", 1000, 0)
    assert zombie.arguments == ()
    assert odd.arguments == ("sh", "-c", "one\n1/cmdline:two")


def test_arguments_that_grep_cuts_off_are_not_known():
    cut = PROCESSES.replace("grep\0''\0", "grep")
    assert {process.arguments for process in table("processes", cut)} == {None}


def test_a_process_that_ended_while_we_looked_is_left_out():
    text = PROCESSES.replace("10/status:Uid:\t0\t0\t0\t0\n", "")
    assert [process.pid for process in table("processes", text)] == [1, 9]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (PROCESSES.removesuffix("@end\n"), Incomplete),
        (PROCESSES.partition("@arguments")[0], Incomplete),
        (PROCESSES.replace("1/status:Name:\tinit\n", "", 1), Incomplete),
        (PROCESSES.replace("1/status:Name", "1-status:Name", 1), CannotAssess),
        ((1, "", "sh: cd: can't cd to /proc"), CannotAssess),
    ],
)
def test_processes_that_were_not_all_seen_are_no_table(answer, error):
    with pytest.raises(error):
        _ = table("processes", answer)


def test_processes_of_this_machine():
    argument = "a\nb 'c' \t"
    with subprocess.Popen(
        [sys.executable, "-c", "input()", argument], stdin=subprocess.PIPE
    ) as child:
        found = {process.pid: process for process in here().processes}
        child.communicate(b"\n")
    assert found[child.pid].arguments == (sys.executable, "-c", "input()", argument)
    assert found[child.pid].ppid == os.getpid()
    assert found[os.getpid()].uid == os.getuid()
    assert 1 in found


MODULES = """usb_storage 1 0 - Live 0x0
@config
blacklist pcspkr
install cramfs /bin/true
install udf /bin/false
install  net-pf  /usr/bin/false \\
 && true
install dccp /sbin/modprobe --ignore-install dccp
install rds /bin/true; /sbin/modprobe --ignore-install rds
options x y=1
@dep
cramfs
usb-storage
sctp
@whole
@builtin
squashfs
@whole
@end
"""


def test_kernel_modules_by_either_spelling():
    found = table("kernel_modules", MODULES)
    assert found.is_loaded("usb-storage")
    assert found.is_loaded("squashfs")
    assert not found.is_loaded("sctp")
    assert found.is_loadable("sctp")
    assert not found.is_loadable("cramfs")
    assert not found.is_loadable("freevxfs")
    assert [found.is_refused(n) for n in ("udf", "net_pf", "dccp", "sctp", "rds")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert found.blacklisted == {"pcspkr"}


def test_modules_that_are_not_on_this_disk_are_not_known():
    bare = MODULES.replace("@whole\n", "").replace("sctp\n", "")
    found = table("kernel_modules", bare)
    assert found.is_loaded("usb_storage")
    assert not found.is_loadable("cramfs")
    for ask in (found.is_loadable, found.is_loaded):
        with pytest.raises(CannotAssess, match="squashfs"):
            ask("squashfs")


def test_a_kernel_without_modules_loads_none():
    assert not table("kernel_modules", (42, "", "")).is_loadable("cramfs")


@pytest.mark.parametrize(
    "answer", [MODULES.removesuffix("@end\n"), MODULES.replace("@dep\n", ""), (1, "", "why")]
)
def test_modules_that_were_not_read_are_no_table(answer):
    with pytest.raises(CannotAssess):
        _ = table("kernel_modules", answer)


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"], ["bash", "--posix"]])
def test_the_reading_scripts_run_in_every_shell(shell):
    for script in (processes._SCRIPT, kernel_modules._SCRIPT):
        done = subprocess.run([*shell, "-c", script], capture_output=True, check=False)
        assert done.returncode in (0, 42), done.stderr
        assert done.returncode == 42 or done.stdout.endswith(b"@end\n")


@pytest.mark.parametrize(
    ("text", "skew", "error"),
    [
        ("1000.100000000\n", 0, 0.1),
        ("1005.1\n", 5, 0.1),
        ("995.100000000\n", -5, 0.1),
        ("1000\n", 0.4, 0.6),
        ("1000.%N\n", 0.4, 0.6),
    ],
)
def test_the_clock_is_compared_with_the_middle_of_the_round_trip(text, skew, error):
    assert clock.parse_date(result(text)) == (pytest.approx(skew), pytest.approx(error))


def test_a_clock_may_be_right_within_its_error():
    assert clock.Time(5.05, 0.1).within(5)
    assert clock.Time(-5.05, 0.1).within(5)
    assert not clock.Time(-5.2, 0.1).within(5)


def test_the_clock_of_this_machine_is_ours():
    found = here().time
    assert found.within(0.5)


@pytest.mark.parametrize("answer", ["@end\n", (1, "", "date: why")])
def test_a_clock_that_does_not_answer_is_not_right(answer):
    with pytest.raises(CannotAssess):
        _ = table("time", answer)


def test_disk_space_is_what_health_says():
    facts = here()
    assert [disk.mount for disk in facts.disk_space] == [disk.mount for disk in facts.health.disks]


DISKS = """24 1 8:1 / / rw - ext4 /dev/sda1 rw

Filesystem 1024-blocks Used Available Capacity Mounted on
/dev/sda1 1000 600 200 75% /

Filesystem Inodes IUsed IFree IUse% Mounted on
/dev/sda1 1000 970 30 97% /
"""


def test_disk_space_of_another_host():
    (disk,) = table("disk_space", DISKS)
    assert isinstance(disk, Disk)
    assert (disk.used_percent, disk.inodes_percent) == (75, 97)
    with pytest.raises(Incomplete, match="Permission denied"):
        _ = table("disk_space", (1, DISKS, "df: /x: Permission denied"))


def test_users_and_groups_are_those_of_accounts():
    facts = open_facts(
        FakeTransport(
            results={
                "cat /etc/passwd": "root:x:0:0:root:/root:/bin/sh\nroot:x:7:0::/:/bin/sh\n",
                "cat /etc/group": "root:x:0:\nadm:x:4:ann\n",
            }
        )
    )
    assert facts.passwd.get("root").uid == 0
    assert [user.uid for user in facts.passwd] == [0, 7]
    assert facts.group.get("adm").members == ("ann",)
    assert facts.group.get("none") is facts.passwd.get("none") is None
    assert len(facts.transport.calls) == 1
    assert facts.observations("passwd") == facts.observations("group")
