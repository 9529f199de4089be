"""Who keeps the clock: what each daemon says, odd and broken answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts import timesync

SHELLS = [
    argv for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(argv[0])
]
MAY = "may 000001ffffffffff\n"
CHRONYD = f"seen\ndaemon chronyd\n{MAY}"
TRACKING = (
    "C0000201,192.0.2.1,3,1700000000.1,0.000010,-0.000020,0.0,0.0,0.0,0.0,0.0,0.0,64.2,Normal"
)
SOURCES = """^,*,ntp1.example,2,6,377,9,0.1,0.1,0.1
=,+,192.0.2.2,2,6,377,9,0.1,0.1,0.1
#,-,PHC0,0,4,377,9,0.1,0.1,0.1
"""
TIMESYNCD = "seen\ndaemon systemd-timesyn\n"
SAID = """LinkNTPServers=192.0.2.7
SystemNTPServers=ntp1.example ntp2.example
FallbackNTPServers=0.debian.pool.ntp.org 1.debian.pool.ntp.org
ServerName=ntp1.example
"""
NTPD = "seen\ndaemon ntpd\n"
PEERS = """     remote           refid      st t when poll reach   delay   offset   jitter
===============================================================================
*192.0.2.1       .GPS.            1 u   33   64  377   0.5      0.1      0.02
+2001:db8::1     192.0.2.9        2 u   33   64  377   0.5      0.1      0.02
 127.127.1.0     .LOCL.          10 l   33   64  377   0.5      0.1      0.02
"""
NTPCTL = """1/2 peers valid, clock synced, stratum 3

peer
   wt tl st  next  poll          offset       delay      jitter
192.0.2.1 from pool pool.example
 *  1 10  2   13s   31s        -1.5ms        20ms       0.1ms
ntp2.example
    1 10  3   13s   31s        -1.5ms        20ms       0.1ms
"""


def parse(text):
    return timesync.parse(f"{text}@end\n")


def test_chronyd():
    found = parse(f"{CHRONYD}@chrony\n{TRACKING}\n@sources\n{SOURCES}@\n")
    assert (found.daemons, found.synchronized, found.offset) == (("chronyd",), True, -0.00002)
    assert (found.sources, found.own_clock) == (("192.0.2.2", "ntp1.example"), True)


@pytest.mark.parametrize(
    ("old", "new", "synchronized"),
    [
        ("C0000201", "7F7F0101", False),
        ("Normal", "Not synchronised", False),
        ("Normal", "Insert second", True),
        (TRACKING, "506 Cannot talk to daemon", None),
        (TRACKING, "", None),
    ],
)
def test_what_chronyd_follows(old, new, synchronized):
    told = f"{CHRONYD}@chrony\n{TRACKING}\n@sources\n{SOURCES}@\n".replace(old, new)
    assert parse(told).synchronized is synchronized


@pytest.mark.parametrize(
    ("said", "sources"), [("", ()), ("506 Cannot talk to daemon\n", None), ("^,*\n", None)]
)
def test_sources_that_chronyd_does_not_tell(said, sources):
    assert parse(f"{CHRONYD}@chrony\n{TRACKING}\n@sources\n{said}@\n").sources == sources


@pytest.mark.parametrize(
    ("said", "sources"),
    [
        (SAID, ("192.0.2.7", "ntp1.example", "ntp2.example")),
        (SAID.replace("LinkNTPServers=192.0.2.7\n", ""), ("ntp1.example", "ntp2.example")),
        (
            SAID.replace("192.0.2.7", "").replace("ntp1.example ntp2.example", ""),
            ("0.debian.pool.ntp.org", "1.debian.pool.ntp.org"),
        ),
        ("Failed to connect to bus\n", None),
    ],
)
def test_timesyncd(said, sources):
    found = parse(f"{TIMESYNCD}timesync yes\n@timesyncd\n{said}@\n")
    assert (found.daemons, found.synchronized) == (("systemd-timesyncd",), True)
    assert found.sources == sources
    assert parse(f"{TIMESYNCD}@timesyncd\n{said}@\n").synchronized is None
    assert parse(f"{TIMESYNCD}timesync \n@timesyncd\n{said}@\n").synchronized is False
    found = parse(f"{TIMESYNCD}timesync yes\nmissing timedatectl\n")
    assert (found.synchronized, found.sources) == (True, None)


@pytest.mark.parametrize(
    ("said", "synchronized", "offset"),
    [
        ("leap=00, refid=192.0.2.1, offset=0.25", True, 0.00025),
        ("leap=11, refid=INIT, offset=0.000000", False, 0.0),
        ("leap=00, refid=LOCAL(0), offset=0", False, 0.0),
        ("leap=00,\nrefid=127.127.1.0", False, None),
        ("ntpq: read: Connection refused", None, None),
    ],
)
def test_ntpd(said, synchronized, offset):
    found = parse(f"{NTPD}@ntpq\n{said}\n@peers\n{PEERS}@\n")
    assert (found.synchronized, found.offset) == (synchronized, offset)
    assert found.sources == ("192.0.2.1", "2001:db8::1")
    assert parse(f"{NTPD}@ntpq\n{said}\n@peers\nntpq: timed out\n@\n").sources is None


def test_openntpd():
    found = parse(f"{NTPD}@ntpctl\n{NTPCTL}@\n")
    assert (found.synchronized, found.sources) == (True, ("192.0.2.1", "ntp2.example"))
    found = parse(f"{NTPD}@ntpctl\n{NTPCTL.replace('clock synced', 'clock unsynced')}@\n")
    assert found.synchronized is False
    assert parse(f"{NTPD}@ntpctl\nntpctl: connect: Permission denied\n@\n").synchronized is None


def test_who_runs():
    assert parse("").daemons is None
    assert parse("seen\n").daemons == ()
    both = parse("seen\ndaemon phc2sys\ndaemon ptp4l\ndaemon chronyd\ndaemon openntpd\n")
    assert both.network_daemons == ("chronyd", "ntpd")
    assert parse("seen\ndaemon phc2sys\n").network_daemons == ("phc2sys",)
    assert parse("seen\ndaemon chronyd\nmissing chronyc\n").missing == ("chronyc",)


@pytest.mark.parametrize(
    ("text", "own"),
    [
        (MAY, True),
        ("", True),
        ("may 000001fffdffffff\n", False),
        (f"{MAY}container\n", False),
        (f"{MAY}container\ndaemon chronyd\n", True),
        ("may 000001fffdffffff\ndaemon chronyd\n", False),
    ],
)
def test_whether_the_clock_is_this_hosts(text, own):
    assert parse(text).own_clock is own


def test_a_cut_or_strange_answer():
    with pytest.raises(Incomplete):
        timesync.parse(CHRONYD)
    with pytest.raises(ValueError):
        parse("may what\n")
    with pytest.raises(ValueError):
        parse(f"{CHRONYD}@chrony\n{TRACKING.replace('-0.000020', 'x')}\n@\n")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
def test_the_reading_script_runs_in_every_shell(shell):
    done = subprocess.run([*shell, "-c", timesync._SCRIPT], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert timesync.parse(done.stdout.decode()).daemons is not None


@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
@pytest.mark.parametrize(
    ("age", "line"), [(60, "timesync yes"), (90000, "timesync "), (None, "timesync ")]
)
def test_when_timesyncd_last_heard_from_a_server(shell, age, line, tmp_path):
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/comm").write_text("systemd-timesyn\n")
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    if age is not None:
        path = tmp_path / "run/systemd/timesync/synchronized"
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    script = timesync._SCRIPT.replace("/run/", f"{tmp_path}/run/").replace(
        "/proc", f"{tmp_path}/proc"
    )
    done = subprocess.run([*shell, "-c", script], capture_output=True, check=True)
    assert line in done.stdout.decode().split("\n")
