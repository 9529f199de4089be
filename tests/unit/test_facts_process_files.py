"""Files of processes, pressure, sensors and arrays: read by several shells, and odd answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import pressure, process_files, raid, sensors
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.transport.base import CommandResult

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]


def result(out, code=0, err=b""):
    data = out.encode() if isinstance(out, str) else out
    return CommandResult(
        command="x", exit_code=code, stdout=data, stderr=err, started=0, duration=0
    )


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def run(request):
    """Run a script with some of its words changed, and *path* before the usual one."""

    def run(text, path="", **changes):
        for old, new in changes.items():
            text = text.replace(WORDS[old], str(new))
        done = subprocess.run(
            [*request.param, "-c", text],
            capture_output=True,
            env={"LC_ALL": "C", "PATH": f"{path}:{os.environ['PATH']}"},
            check=False,
        )
        return result(done.stdout, done.returncode, done.stderr)

    return run


WORDS = {
    "proc": "cd /proc",
    "pressure": "/proc/pressure",
    "hwmon": "/sys/class/hwmon",
    "mdstat": "/proc/mdstat",
    "zfs": "/sys/module/zfs",
}
LIMITS = "Limit  Soft Limit  Hard Limit  Units\nMax open files   {:20} 4096    files     \n"


@pytest.fixture
def proc(tmp_path):
    """A folder that looks like /proc."""
    (tmp_path / "sys/fs").mkdir(parents=True)
    (tmp_path / "sys/fs/file-nr").write_text("1000\t0\t9223372036854775807\n")
    programs = {1: "/sbin/init", 2: None, 30: "/usr/bin/a b -> c (deleted)", 31: "/tmp/x\ny"}
    for pid, program in programs.items():
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        for number in range(pid % 7):
            (folder / f"fd/{number}").symlink_to("socket:[1]")
        (folder / "limits").write_text(LIMITS.format("unlimited" if pid == 30 else 1024))
        (folder / "status").touch()
        if program:
            (folder / "exe").symlink_to(program)
        else:
            (folder / "exe").touch()  # as ls shows a link that it cannot read
    return tmp_path


def test_files_of_processes(run, proc):
    answer = run(process_files._SCRIPT, proc=f"cd {proc}")
    text = answer.out.replace("-rw-r--r--", "lrwxrwxrwx")
    found = process_files.parse(result(text))
    assert [(p.pid, p.executable, p.deleted, p.open_files, p.limit) for p in found] == [
        (1, "/sbin/init", False, 1, 1024),
        (2, "", False, 2, 1024),
        (30, "/usr/bin/a b -> c", True, 2, None),
        (31, "/tmp/x\ny", False, 3, 1024),
    ]
    assert (found.open_files, found.most_files, found.denied) == (1000, 9223372036854775807, False)
    assert {p.uid for p in found} == {os.getuid()}


def test_a_process_of_this_machine(run):
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        child.stdout.readline()
        expected = len(list(Path(f"/proc/{child.pid}/fd").iterdir()))
        found = {p.pid: p for p in process_files.parse(run(process_files._SCRIPT))}
        child.communicate(b"\n")
    assert found[child.pid].executable == os.path.realpath(sys.executable)
    assert found[child.pid].open_files == expected
    assert not found[child.pid].deleted


def test_without_process_1_only_root_is_told(run, proc):
    shutil.rmtree(proc / "1")
    with pytest.raises(Denied):
        process_files.parse(run(process_files._SCRIPT, proc=f"cd {proc}"))


HEAD = "lrwxrwxrwx 1 0 0 0 Nov 23 15:00"
GOOD = (
    f"{HEAD} 1/exe -> /sbin/init\n@limits\nsys/fs/file-nr:1\t0\t9\n"
    "1/limits:Max open files   1024    4096    files     \n@fds\n1 3\n@end\n"
)


def test_a_process_that_ended_while_we_looked_is_left_out():
    more = GOOD.replace("@limits", f"{HEAD} 7/exe -> /bin/x\n@limits").replace("@end", "8 1\n@end")
    assert [p.pid for p in process_files.parse(result(more))] == [1]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("@end\n", "", Incomplete),
        (f"{HEAD} 1/exe", "what\n" + f"{HEAD} 1/exe", ValueError),
        ("1/limits:Max", "what:Max", ValueError),
        ("sys/fs/file-nr:1\t0\t9\n", "", ValueError),
        ("\n1 3\n", "\n", ValueError),
        ("\n1 3\n", "\n1 x\n", ValueError),
    ],
)
def test_files_of_processes_in_an_unknown_form(old, new, error):
    with pytest.raises(error):
        process_files.parse(result(GOOD.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("out", "err"),
    [
        (GOOD.replace("\n1 3\n", "\n1 -\n"), b""),
        (GOOD, b"ls: cannot read symbolic link '1/exe': Permission denied\n"),
        (GOOD, b"ls: 1/exe: cannot read link: Permission denied\n"),
    ],
)
def test_what_only_root_is_told_is_not_overlooked(out, err):
    with pytest.raises(Denied):
        process_files.parse(result(out, err=err)).require_all()
    process_files.parse(result(GOOD)).require_all()


LINE = "some avg10=0.00 avg60=1.25 avg300=3.50 total=123\n"


def test_pressure(run, tmp_path):
    (tmp_path / "cpu").write_text(LINE)
    (tmp_path / "io").write_text(LINE + LINE.replace("some", "full"))
    found = pressure.parse(script(run(pressure._SCRIPT, pressure=tmp_path), "x"))
    assert found["cpu"].some == {10: 0.0, 60: 1.25, 300: 3.5}
    assert (found["cpu"].full, set(found)) == ({}, {"cpu", "io"})
    assert found["io"].full == found["cpu"].some


def test_a_kernel_without_pressure(run, tmp_path):
    with pytest.raises(NotApplicable):
        script(run(pressure._SCRIPT, pressure=tmp_path / "none"), "pressure")


@pytest.mark.parametrize(
    ("words", "error"),
    [("cat: cpu: Operation not supported", NotApplicable), ("cat: cpu: I/O error", CannotAssess)],
)
def test_pressure_that_cannot_be_read(run, tmp_path, words, error):
    """A kernel that was told not to measure refuses to be read."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/cat").write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    (tmp_path / "bin/cat").chmod(0o755)
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure/cpu").touch()
    text = f"cat() {{ {tmp_path}/bin/cat; }}\n{pressure._SCRIPT}"
    with pytest.raises(error):
        script(run(text, pressure=tmp_path / "pressure"), "pressure")


@pytest.mark.parametrize("text", ["", "@end\n", "cpu what\n@end\n", f"cpu {LINE}"])
def test_pressure_in_an_unknown_form(text):
    with pytest.raises((CannotAssess, ValueError)):
        pressure.parse(text)


def test_sensors(run, tmp_path):
    for number, files in enumerate(
        [
            {"temp1_input": "45500", "temp1_crit": "100000", "temp1_label": "Package id 0"},
            {"temp1_input": "-3000", "temp1_crit": "0", "name": "nv me"},
            {"temp2_crit": "90000", "fan1_input": "900"},
        ]
    ):
        folder = tmp_path / f"hwmon{number}"
        folder.mkdir()
        for name, text in {"name": "chip", **files}.items():
            (folder / name).write_text(f"{text}\n")
    (tmp_path / "hwmon2/temp2_input").mkdir()  # it refuses to be read
    found = sensors.parse(script(run(sensors._SCRIPT, hwmon=tmp_path), "x"))
    one, two, three = found
    assert (one.name, one.value, one.critical) == ("chip Package id 0", 45.5, 100.0)
    assert (two.value, two.critical) == (-3.0, None)
    assert (three.name, three.value, three.critical) == ("chip", None, 90.0)


def test_a_host_without_sensors(run, tmp_path):
    assert sensors.parse(script(run(sensors._SCRIPT, hwmon=tmp_path), "x")) == ()


MDSTAT = """Personalities : [raid1] [raid6]
md0 : active raid1 sdb1[1] sda1[0]
      1046528 blocks super 1.2 [2/2] [UU]
      [=>...]  resync = 8.8% (1/2) finish=1.1min speed=1K/sec
{blank}
md1 : active raid5 sdd[3] sdc[1](F) sdb[0]
      100 blocks level 5, 64k chunk, algorithm 2 [3/2] [U_U]

md2 : inactive sdx[0](S)
      100 blocks
md_d3 : active (auto-read-only) raid0 sdy[0] sdz[1]
      100 blocks 64k chunks

unused devices: <none>
"""


def tool(folder, name, text):
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_arrays(run, tmp_path):
    (tmp_path / "mdstat").write_text(MDSTAT.format(blank=" " * 6))
    (tmp_path / "zfs").mkdir()
    tool(tmp_path, "zpool", "printf 'tank\\tONLINE\\nold pool\\tDEGRADED\\n'")
    tool(
        tmp_path,
        "smartctl",
        """case $* in
--scan) echo '/dev/sda -d sat # /dev/sda'; echo '/dev/sdb -d nvme # x'; echo '# none';;
*sda) echo 'SMART overall-health self-assessment test result: PASSED';;
*) echo 'SMART Health Status: FAILURE PREDICTION'; exit 8;;
esac""",
    )
    answer = run(raid._SCRIPT, tmp_path, mdstat=tmp_path / "mdstat", zfs=tmp_path / "zfs")
    if os.geteuid():
        with pytest.raises(Denied):
            raid.parse(answer.out)
        answer = result(answer.out.partition("@smart")[0] + "@end\n")
    found = [(x.name, x.healthy, x.state) for x in raid.parse(answer.out)]
    assert found[:6] == [
        ("md0", True, "active UU"),
        ("md1", False, "active U_U"),
        ("md2", False, "inactive"),
        ("md_d3", True, "active"),
        ("tank", True, "ONLINE"),
        ("old pool", False, "DEGRADED"),
    ]
    if not os.geteuid():
        assert found[6:] == [("/dev/sda", True, "PASSED"), ("/dev/sdb", False, "FAILURE")]


def test_a_host_without_arrays(run, tmp_path):
    text = raid._SCRIPT.replace("command -v smartctl", "false")
    answer = run(text, mdstat=tmp_path / "none", zfs=tmp_path / "none")
    assert raid.parse(answer.out) == ()


def test_tools_that_fail_are_named(run, tmp_path):
    (tmp_path / "zfs").mkdir()
    tool(tmp_path, "zpool", "echo 'zpool: no module' >&2; exit 1")
    text = raid._SCRIPT.replace("command -v smartctl", "false")
    answer = run(text, tmp_path, mdstat=tmp_path / "none", zfs=tmp_path / "zfs")
    with pytest.raises(CannotAssess, match="zpool: exit code 1: zpool: no module"):
        raid.parse(answer.out)


@pytest.mark.parametrize("text", ["", "@md\n", "@end\n", "@md\n@zfs\ntank\tONLINE\n@end\n"])
def test_arrays_in_an_unknown_form(text):
    with pytest.raises((CannotAssess, ValueError)):
        raid.parse(text)
