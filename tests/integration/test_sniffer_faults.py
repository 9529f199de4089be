"""What goes wrong with captures: each is said in words, none is a pass, none hangs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from lab import netns
from lab.sshd import free_port, wait_until
from lab.traffic import datagrams, loopback, network

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, TimedOut
from pytest_sysaudit.network import helper
from pytest_sysaudit.network.sniffer import Sniffer

root = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: packet sockets"),
]
pytestmark = root


def helpers() -> list[psutil.Process]:
    """The capture processes that this test has started."""
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any("capture_process.py" in word for word in one.cmdline()):
                found.append(one)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left():
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert helpers() == []
    after = len(list(Path("/proc/self/fd").iterdir()))
    assert after <= before + 2  # the files of captures that are still in use


def refuses_absence(capture, words: str) -> None:
    assert not capture.complete
    with pytest.raises(Incomplete, match=words):
        assert not capture.cleartext_credentials()
    with pytest.raises(Incomplete, match=words):
        assert capture.flows(port=1) == []


def test_lost_packets_are_counted_and_forbid_conclusions():
    port = free_port()
    with loopback()(filter=f"udp port {port}", buffer=4096) as capture:
        (process,) = helpers()
        process.suspend()
        datagrams(port, 500, size=400)
        process.resume()
    assert capture.drops > 0
    assert capture.drops + len(capture.packets.seen) == 500
    refuses_absence(capture, f"it lost {capture.drops} packets, so absence proves nothing")


@pytest.mark.parametrize(
    "bound, words", [({"max_packets": 5}, "max_packets"), ({"max_bytes": 1000}, "max_bytes")]
)
def test_a_bound_that_is_reached_ends_the_capture(bound, words):
    port = free_port()
    with loopback()(filter=f"udp port {port}", **bound) as capture:
        datagrams(port, 50)
    assert 0 < len(capture.packets.seen) < 50
    refuses_absence(capture, words)


def test_time_that_is_over_ends_the_capture():
    port = free_port()
    with loopback()(filter=f"udp port {port}", max_seconds=0.3) as capture:
        datagrams(port, 5)
        time.sleep(1.0)
        datagrams(port, 5)
    assert len(capture.packets.seen) == 5
    refuses_absence(capture, "max_seconds")


def test_a_capture_process_that_is_killed_is_not_the_end_of_the_traffic():
    port = free_port()
    with loopback()(filter=f"udp port {port}") as capture:
        datagrams(port, 5)
        (process,) = helpers()
        wait_until(lambda: _written(process) > 400)
        process.kill()
        process.wait(5)
        datagrams(port, 5)
    assert len(capture.packets.seen) == 5
    refuses_absence(capture, "ended before it was told to")


def _written(process: psutil.Process) -> int:
    """How much the capture process has written into its file, which has no name."""
    files = list(Path(f"/proc/{process.pid}/fd").iterdir())
    return next(one.stat().st_size for one in files if "(deleted)" in str(one.readlink()))


def test_a_capture_process_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(helper, "STOP", 0.5)
    with loopback()(filter="udp port 9") as capture:
        (process,) = helpers()
        process.suspend()
    refuses_absence(capture, "did not say what it saw")


@netns.needs_netns
@pytest.mark.parametrize(
    "change", [("link", "del", "wire0"), ("link", "set", "wire0", "down")], ids=["removed", "down"]
)
def test_an_interface_that_goes_makes_the_capture_incomplete(change):
    sniffer = Sniffer(network(interface="wire0"))
    with (
        netns.pair() as cable,
        netns.inside(cable.near),
        sniffer(filter="udp") as capture,
    ):
        datagrams(9, 3, address=cable.far_address)
        netns.ip("-n", cable.near, *change)
    refuses_absence(capture, "the interface failed")


@netns.needs_netns
def test_an_interface_that_is_down_cannot_be_watched():
    with netns.pair() as cable, netns.inside(cable.near):
        netns.ip("-n", cable.near, "link", "set", cable.interface, "down")
        with (
            pytest.raises(CannotAssess, match="capture on wire0 failed: Network is down"),
            Sniffer(network(interface=cable.interface))(),
        ):
            pytest.fail("it started")


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"interface": "nope0"}, r"no interface 'nope0' on this machine; there are: .*\blo\b"),
        ({"filter": "tcp porty 80"}, "filter 'tcp porty 80' is wrong: libpcap says: .*syntax"),
        ({"filter": "vlan 5"}, "VLAN tags"),
    ],
)
def test_what_cannot_be_started_says_why(asked, words):
    with pytest.raises(CannotAssess, match=words), loopback()(**asked):
        pytest.fail("it started")


def test_no_interface_names_where_to_set_it():
    with pytest.raises(CannotAssess, match=r"set networks\.wire\.interface"), Sniffer(network())():
        pytest.fail("it started")


def test_a_capture_process_that_does_not_start_is_told(monkeypatch, tmp_path):
    script = tmp_path / "broken.py"
    monkeypatch.setattr(helper, "SCRIPT", script)
    script.write_text("raise SystemExit('no such luck')")
    with pytest.raises(CannotAssess, match="capture process failed: no such luck"), loopback()():
        pytest.fail("it started")
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(helper, "START", 0.5)
    with pytest.raises(TimedOut, match="no start within"), loopback()():
        pytest.fail("it started")


def test_an_error_in_the_block_comes_out_and_leaves_no_process():
    with pytest.raises(ZeroDivisionError), loopback()() as capture:
        _ = 1 / 0
    with pytest.raises(RuntimeError, match="still running"):
        _ = capture.packets


def test_a_check_that_judges_too_early_is_told():
    with pytest.raises(RuntimeError, match="after its `with` block"), loopback()() as capture:
        assert not capture.packets


UNPRIVILEGED = """
import json
from lab.traffic import loopback
from pytest_sysaudit.errors import CannotAssess
try:
    with loopback()(): print("started")
except CannotAssess as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


@pytest.mark.parametrize(
    "how",
    [("--reuid=65534", "--regid=65534", "--clear-groups"), ("--bounding-set=-net_raw",)],
    ids=["nobody", "root-without-the-capability"],
)
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_without_cap_net_raw_it_is_denied_in_one_line(how):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", *sys.path])}
    argv = ["setpriv", *how, sys.executable, "-c", UNPRIVILEGED]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name, message = json.loads(done.stdout)
    assert name == Denied.__name__
    assert message.startswith("capture on lo needs CAP_NET_RAW: run as root, or `setcap ")
    assert "`via:`" in message
    assert "\n" not in message


def test_the_kernel_may_refuse_what_the_capability_allows(monkeypatch):
    """As a container's seccomp filter does: seen here by hiding that the capability is missing."""
    monkeypatch.setattr("pytest_sysaudit.network.local.may_capture", lambda: True)
    argv = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable]
    popen = subprocess.Popen

    def as_nobody(command, **options):
        return popen([*argv, *command[1:]], **options)

    monkeypatch.setattr(helper.subprocess, "Popen", as_nobody)
    with (
        pytest.raises(Denied, match="refused by the kernel: Operation not permitted"),
        loopback()(),
    ):
        pytest.fail("it started")


def test_the_capture_process_dies_with_whoever_started_it():
    code = (
        "import os, signal\nfrom lab.traffic import loopback\nimport psutil\n"
        "with loopback()():\n"
        "    print(*[one.pid for one in psutil.Process().children()], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (pid,) = map(int, done.stdout.split())
    wait_until(lambda: not psutil.pid_exists(pid), 10, "the capture process to end")


def test_sigterm_ends_the_capture_process_with_its_report(tmp_path):
    """By itself, as another program would use it."""
    port = free_port()
    with (tmp_path / "out.pcap").open("wb") as file:
        config = {"fd": file.fileno(), "interface": "lo", "link": 1, "snaplen": 200}
        config |= {"program": [[6, 0, 0, 200]], "buffer": 1 << 20, "parent": os.getpid()}
        config |= {"max_packets": 99999, "max_bytes": 1 << 24, "max_seconds": 60}
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(helper.SCRIPT), json.dumps(config)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(file.fileno(),),
        )  # fmt: skip
        assert process.stdout.readline() == b"READY\n"
        datagrams(port, 10)
        process.terminate()
        out, _ = process.communicate(timeout=20)
    report = json.loads(out)
    assert process.returncode == 0
    assert (report["drops"], report["truncated"], report["died"]) == (0, "", "")
    assert report["drained"] is True
    assert report["packets"] >= 10
    capture = Sniffer(network(base=tmp_path)).open("out.pcap", f"udp port {port}")
    assert capture.count == 10


def test_the_capture_process_loads_only_the_standard_library():
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", str(helper.SCRIPT), "{"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "json" in loaded
    assert not loaded & {"pytest_sysaudit", "scapy", "pydantic", "ctypes", "site"}


def test_a_recorded_capture_is_judged_in_place_of_a_live_one(tmp_path):
    port = free_port()
    with loopback()(filter=f"udp port {port}") as live:
        datagrams(port, 10)
    whole = live.save(tmp_path / "whole.pcap").read_bytes()
    (tmp_path / "cut.pcap").write_bytes(whole[:-5])
    (tmp_path / "odd.pcap").write_bytes(b"no capture at all")
    sniffer = Sniffer(network(pcap="whole.pcap", base=tmp_path))
    with sniffer(filter=f"udp port {port}") as capture:
        pass
    assert capture.complete
    assert capture.flows() == live.flows()
    assert sniffer.sample() is sniffer.sample()
    with Sniffer(network(pcap="cut.pcap", base=tmp_path))() as capture:
        pass
    assert len(capture.packets.seen) == 9
    refuses_absence(capture, "the file ends within packet 10")
    for name, words in (("odd.pcap", "not a capture file"), ("none.pcap", "No such file")):
        with (
            pytest.raises(CannotAssess, match=words),
            Sniffer(network(pcap=name, base=tmp_path))(),
        ):
            pytest.fail("it was read")


def test_a_sample_is_taken_once_and_so_is_its_failure():
    port, calls = free_port(), []

    def exercise() -> None:
        calls.append(1)
        datagrams(port, 3)

    sniffer = Sniffer(network(interface="lo"), exercise=exercise)
    first = sniffer.sample(0.1)
    assert sniffer.sample(0.1) is first
    assert len(calls) == 1
    assert first.select(f"udp port {port}").count == 3

    def fail() -> None:
        calls.append(2)
        raise CannotAssess("shop: connection refused")

    broken = Sniffer(network(interface="lo"), exercise=fail)
    for _ in range(2):
        with pytest.raises(CannotAssess, match="shop: connection refused"):
            broken.sample(0.1)
    assert calls == [1, 2]


def test_two_captures_at_once_do_not_disturb_each_other():
    one, two = free_port(), free_port()
    with (
        loopback()(filter=f"udp port {one}") as first,
        loopback()(filter=f"udp port {two}") as other,
    ):
        datagrams(one, 20)
        datagrams(two, 30)
    assert (first.count, other.count) == (20, 30)
