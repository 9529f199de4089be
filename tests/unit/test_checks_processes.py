"""Every check of processes, pressure, sensors and arrays on canned hosts."""

from __future__ import annotations

import pytest
from lab.wellhost import ABSENT, CUT, NOT_ROOT, Case, answers, breaks, rows, uncovered

from checks.health import test_load, test_processes

HEAD = "lrwxrwxrwx 1 0 0 0 Nov 23 15:00"
PROCESS_FILES = f"""{HEAD} 1/exe -> /sbin/init
{HEAD} 2/exe
lrwxrwxrwx 1 33 33 0 Nov 23 15:00 7/exe -> /usr/sbin/nginx
@limits
sys/fs/file-nr:1000\t0\t100000
1/limits:Max open files            1024                 524288               files     \n\
2/limits:Max open files            1024                 4096                 files     \n\
7/limits:Max open files            unlimited            unlimited            files     \n\
@fds
1 90
2 0
7 12
@end
"""
KERNEL_THREAD = "ls: cannot read symbolic link '2/exe': No such file or directory\n"
PRESSURE = "".join(
    f"{kind} some avg10=0.00 avg60=1.50 avg300=0.00 total=9\n"
    f"{kind} full avg10=0.00 avg60=1.00 avg300=0.00 total=9\n"
    for kind in ("cpu", "memory", "io")
)
SENSORS = """45000 100000 hwmon0/temp1_input coretemp Package id 0
60000 - hwmon1/temp1_input nvme
- - hwmon1/temp2_input nvme
@end
"""
RAID = """@md
Personalities : [raid1]
md0 : active raid1 sdb1[1] sda1[0]
      1046528 blocks super 1.2 [2/2] [UU]
      bitmap: 0/1 pages [0KB], 65536KB chunk

unused devices: <none>
@zfs
tank\tONLINE
@code 0
@smart 0
@disk /dev/sda
SMART overall-health self-assessment test result: PASSED
@code 0
@disk /dev/sdb
Device is in STANDBY mode, exit(2)
@code 2
@end
"""


def replaced(there):
    """What stat says of /usr/sbin/nginx: whether another file stands at its place now."""
    if there:
        return "efx\x0081ed 0 0 5 0 7 1 root:root\n\0@end\n"
    return ": sh: 1: cannot open /usr/sbin/nginx: No such file\n\0\0@end\n"


MORE = {
    "process_files": ("sys/fs/file-nr", (0, PROCESS_FILES, KERNEL_THREAD)),
    "replaced": ("for p in /usr/sbin/nginx;", replaced(there=False)),
    "pressure": ("cd /proc/pressure", f"{PRESSURE}@end\n"),
    "sensors": ("/sys/class/hwmon", SENSORS),
    "raid": ("/proc/mdstat", RAID),
}


def process(old, new):
    """The table of processes has *new* instead of *old*."""
    assert old in PROCESS_FILES
    return answers("process_files", (0, PROCESS_FILES.replace(old, new), KERNEL_THREAD))


DENIED = "ls: cannot read symbolic link '1/exe': Permission denied\n"
NO_PROCESSES = (
    answers("process_files", CUT),
    answers("process_files", NOT_ROOT),
    answers("process_files", (0, PROCESS_FILES, DENIED)),
    process("\n1 90", "\n1 -"),
    process("@limits\nsys/fs/file-nr:1000\t0\t100000\n", "@limits\n"),
    answers("process_files", (127, "", "sh: ls: not found")),
)
DELETED = process("/usr/sbin/nginx", "/usr/sbin/nginx (deleted)")

CASES = [
    Case(
        test_processes.test_no_process_runs_a_hidden_program,
        fails=(
            DELETED,
            process("/usr/sbin/nginx", "/tmp/nginx"),
            process("/usr/sbin/nginx", "/dev/shm/.x/sh"),
            process("/usr/sbin/nginx", "/memfd:x (deleted)"),
            process("/usr/sbin/nginx", "/tmp/a\n/usr/bin/b"),
            process(f"{HEAD} 2/exe", f"{HEAD} 2/exe -> /tmp/x\n{HEAD} 2/exe -> /bin/x"),
        ),
        errors=NO_PROCESSES,
        passes=(
            process("/usr/sbin/nginx", "/memfd:runc_cloned:/proc/self/exe (deleted)"),
            process("/usr/sbin/nginx", "/tmpfiles/nginx"),
        ),
        more=MORE,
    ),
    Case(
        test_processes.test_processes_run_the_programs_on_disk,
        fails=(DELETED,),
        errors=NO_PROCESSES,
        passes=(process("/usr/sbin/nginx", "/tmp/nginx"),),
        more={**MORE, "replaced": ("for p in /usr/sbin/nginx;", replaced(there=True))},
    ),
    Case(
        test_processes.test_processes_can_open_files,
        fails=(process("\n1 90", "\n1 820"), process(":1000\t", ":80001\t")),
        errors=NO_PROCESSES,
        passes=(
            process("\n7 12", "\n7 99999"),
            process("\n1/limits:Max open files            1024", "\n1/limits:Max open files  1"),
            process(":1000\t", ":80000\t"),
        ),
        more=MORE,
    ),
    *(
        Case(
            test_load.test_work_does_not_wait,
            fails=(breaks("pressure", f"{kind} some avg10=0.00 avg60=1.50", f"{kind} some {bad}"),),
            errors=(
                answers("pressure", CUT),
                answers("pressure", "@end\n"),
                answers("pressure", (1, "", "cat: cpu: Input/output error")),
                answers("pressure", "what\n@end\n"),
            ),
            absent=(answers("pressure", ABSENT),),
            params={"resource": kind},
            more=MORE,
        )
        for kind, bad in (
            ("cpu", "avg10=0.00 avg60=90.50"),
            ("memory", "avg10=0.00 avg60=20.01"),
            ("io", "avg10=0.00 avg60=99.00"),
        )
    ),
    Case(
        test_load.test_only_expected_users_are_logged_in,
        fails=(
            answers("users", "sessions\nName=bob\nTTY=pts/0\nRemoteHost=192.0.2.7\nClass=user\n\n"),
        ),
        errors=(
            answers("users", (127, "sessions\n", "neither utmp nor loginctl")),
            answers("users", "utmp x86_64\nhalf"),
        ),
        passes=(
            answers("users", "sessions\nName=ann\nTTY=tty1\nRemoteHost=\nClass=user\n\n"),
            answers("users", "sessions\nName=bob\nTTY=\nRemoteHost=192.0.2.7\nClass=user\n\n"),
        ),
        inputs={"users": ["ann"]},
        more=MORE,
    ),
    Case(
        test_load.test_temperatures_are_low,
        fails=(breaks("sensors", "45000 1", "95001 1"), breaks("sensors", "60000 -", "91000 -")),
        errors=(
            answers("sensors", CUT),
            answers("sensors", "x - hwmon0/temp1_input a\n@end\n"),
            answers("sensors", "- - hwmon0/temp1_input a\n@end\n"),
            answers("sensors", (1, "", "/sys is not mounted")),
        ),
        absent=(answers("sensors", "@end\n"),),
        passes=(breaks("sensors", "45000 100000", "85000 0"),),
        more=MORE,
    ),
    Case(
        test_load.test_disks_and_arrays_are_whole,
        fails=(
            breaks("raid", "[2/2] [UU]", "[2/1] [U_]"),
            breaks("raid", "md0 : active raid1", "md0 : inactive"),
            breaks("raid", "sdb1[1] ", "sdb1[1](F) "),
            breaks("raid", "tank\tONLINE", "tank\tDEGRADED"),
            breaks("raid", "result: PASSED", "result: FAILED!"),
        ),
        errors=(
            answers("raid", CUT),
            breaks("raid", "@smart 0", "@smart 1000"),
            breaks("raid", "tank\tONLINE\n@code 0", "sh: zpool: not found\n@code 127"),
            breaks("raid", "SMART overall-health self-assessment test result: PASSED", "Oops"),
            breaks("raid", "@disk /dev/sda\n", "@scan 1\n@disk /dev/sda\n"),
        ),
        absent=(
            answers("raid", "@md\nPersonalities :\nunused devices: <none>\n@end\n"),
            answers(
                "raid", "@md\n@smart 0\n@disk /dev/sdb\nDevice is in STANDBY mode\n@code 2\n@end\n"
            ),
        ),
        passes=(
            breaks("raid", "tank\tONLINE\n", "no pools available\n"),
            breaks("raid", "Device is in STANDBY mode, exit(2)", "Unknown USB bridge [0x1:0x2]"),
        ),
        more=MORE,
    ),
]


@pytest.mark.parametrize(("case", "broken", "expected"), rows(CASES))
def test_verdicts(case, broken, expected):
    verdict, reason = case.judge(*broken)
    assert verdict is expected, reason


def test_every_check_has_rows():
    assert not uncovered(CASES, test_processes, test_load)


def test_a_program_that_an_update_replaced_is_not_hidden():
    case = Case(
        test_processes.test_no_process_runs_a_hidden_program,
        more={**MORE, "replaced": ("for p in /usr/sbin/nginx;", replaced(there=True))},
    )
    assert case.judge(DELETED)[0] == "pass"


def test_a_replaced_program_that_is_not_known_is_no_pass():
    refused = ": sh: 1: cannot open /usr/sbin/nginx: Permission denied\n\0\0@end\n"
    for check in (
        test_processes.test_no_process_runs_a_hidden_program,
        test_processes.test_processes_run_the_programs_on_disk,
    ):
        case = Case(check, more={**MORE, "replaced": ("for p in /usr/sbin/nginx;", refused)})
        assert case.judge(DELETED)[0] == "error"


def test_without_expected_users_nothing_is_judged():
    verdict, reason = Case(test_load.test_only_expected_users_are_logged_in).judge()
    assert verdict == "not_applicable"
    assert "input `users`" in reason
