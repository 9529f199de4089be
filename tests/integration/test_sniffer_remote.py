"""Captures by tcpdump on a host: this machine, and one behind a real sshd."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from lab.fake import FakeTransport
from lab.sshd import Secrets, Sshd, free_port, needs_sshd, wait_until
from lab.traffic import converse, datagrams, network

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, RefusedByPolicy
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.network import tcpdump
from pytest_sysaudit.network.sniffer import Sniffer
from pytest_sysaudit.transport import open_transport
from pytest_sysaudit.transport.base import Transport
from pytest_sysaudit.transport.local import LocalTransport

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: tcpdump"),
    pytest.mark.skipif(shutil.which("tcpdump") is None, reason="needs tcpdump"),
]


@dataclass(frozen=True)
class Watcher:
    """What the sniffer needs of a host."""

    target: Target
    transport: Transport


@pytest.fixture
def here(tmp_path, monkeypatch):
    """This machine through its transport, with temporary files in a folder of the test's own."""
    folder = tmp_path / "remote"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    entry = model.Host(connection="local")
    target = Target(name="gate", kind=Kind.LOCAL, entry=entry)
    yield Watcher(target, LocalTransport(target))
    wait_until(lambda: not list(folder.iterdir()), 10, "the folder on the host to go")
    wait_until(lambda: not _captures(folder), 10, "tcpdump to end")


def _captures(folder: Path) -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter():
        try:
            if one.name() == "tcpdump" and one.cwd().startswith(str(folder)):
                found.append(one)
        except psutil.Error:
            continue
    return found


def on(host: Watcher, **entry: object) -> Sniffer:
    return Sniffer(network(interface="lo", via="gate", **entry), host=host)


def test_nothing_is_lost_at_the_start_or_the_end(here):
    port = free_port()
    for _ in range(4):
        with on(here)(filter=f"udp port {port}") as capture:
            datagrams(port, 50)
        assert capture.complete, capture.gaps
        numbers = [int(bytes(one["Raw"].load)[:8]) for one in capture.packets]
        assert numbers == list(range(50))
    assert capture.recording.place == "lo of gate"


def test_silence_and_bounds_mean_the_same_as_here(here):
    port = free_port()
    with on(here)(filter=f"udp port {port}") as capture:
        pass
    assert capture.complete
    with pytest.raises(Incomplete, match="0 packets were seen on lo of gate"):
        assert not capture.packets
    for bound, words in (({"max_packets": 5}, "max_packets"), ({"max_bytes": 3000}, "max_bytes")):
        with on(here)(filter=f"udp port {port}", **bound) as capture:
            datagrams(port, 80)
            time.sleep(0.3)
        with pytest.raises(Incomplete, match=words):
            assert not capture.flows(port=1)


def test_time_that_is_over_ends_the_capture(here):
    port = free_port()
    with on(here)(filter=f"udp port {port}", max_seconds=1) as capture:
        datagrams(port, 5)
        time.sleep(2.5)
    with pytest.raises(Incomplete, match="max_seconds"):
        assert not capture.flows(port=1)
    assert len(capture.packets.seen) == 5


def test_what_nobody_fetches_removes_itself(here, monkeypatch, tmp_path):
    monkeypatch.setattr(tcpdump, "LINGER", 1)
    recorder = tcpdump.TcpdumpRecorder(here, "lo", "udp port 9", tcpdump.Bounds(max_seconds=1))
    recorder.start()
    assert list((tmp_path / "remote").iterdir())
    wait_until(lambda: not list((tmp_path / "remote").iterdir()), 15)
    with pytest.raises(CannotAssess):
        recorder.stop()


def test_tcpdump_that_is_killed_makes_the_capture_incomplete(here, tmp_path):
    port = free_port()
    with on(here)(filter=f"udp port {port}") as capture:
        datagrams(port, 5)
        (process,) = _captures(tmp_path / "remote")
        wait_until(lambda: (Path(process.cwd()) / "pcap").stat().st_size > 400)
        process.kill()
        wait_until(lambda: not _captures(tmp_path / "remote"))
    assert len(capture.packets.seen) == 5
    with pytest.raises(Incomplete, match="tcpdump ended before it was told to"):
        assert not capture.flows(port=1)


def test_an_error_in_the_block_leaves_nothing_there(here):
    with pytest.raises(ZeroDivisionError), on(here)():
        _ = 1 / 0


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"filter": "tcp porty 3"}, "capture on lo of gate: tcpdump: .*syntax error"),
        ({"interface": "nope0"}, r"No such device exists.*; there are: .*\blo\b"),
        ({"filter": "'; touch /tmp/owned; '"}, "capture on lo of gate: tcpdump: "),
        ({"interface": "-w"}, "capture on -w of gate: "),
    ],
)
def test_what_cannot_be_started_says_why(here, asked, words):
    with pytest.raises(CannotAssess, match=words), on(here)(**asked):
        pytest.fail("it started")
    assert not Path("/tmp/owned").exists()


@pytest.mark.parametrize(
    "code, words, error, said",
    [
        (69, "", CannotAssess, "gate: there is no tcpdump; install it, or watch"),
        (74, "tcpdump: eth0: You don't have permission to perform this capture\nlo eth0",
         Denied, "not permitted: .*become.*setcap"),
        (73, "mktemp: No space left on device", CannotAssess, "No space left"),
    ],
)  # fmt: skip
def test_refusals_of_the_host(code, words, error, said):
    transport = FakeTransport("gate", results={lambda _: True: (code, "", words)})
    host = Watcher(Target(name="gate", kind=Kind.SSH, entry=model.Host(address="x")), transport)
    with pytest.raises(error, match=said), on(host)():
        pytest.fail("it started")


def test_probes_are_not_sent_from_elsewhere(here):
    from scapy.layers.inet import ICMP, IP

    sniffer = on(here, active_probes=True, cidrs=("127.0.0.0/8",))
    with pytest.raises(RefusedByPolicy, match="watched from elsewhere"):
        sniffer.ask(IP(dst="127.0.0.1") / ICMP())


@needs_sshd
def test_over_ssh_the_connection_that_we_use_is_left_out(tmp_path):
    before = set(Path(tempfile.gettempdir()).glob("sysaudit.*"))
    with Sshd(tmp_path / "sshd") as server:
        target = server.target("gate")
        transport = open_transport(target, Secrets(), {})
        try:
            with on(Watcher(target, transport))(filter="tcp") as capture:
                turns = [("s", b"220 x\r\n"), ("c", b"USER alice\r\n"), ("s", b"331\r\n")]
                port = converse([*turns, ("c", b"PASS hunter2\r\n")])
                assert transport.run(["echo", "over ssh"]).out == "over ssh\n"
        finally:
            transport.close()
    assert capture.complete, capture.gaps
    assert "not (tcp and host 127.0.0.1" in capture.recording.filter
    assert capture.flows(port=port)
    assert not capture.flows(port=server.port)
    assert [one.user for one in capture.select(f"port {port}").cleartext_credentials()] == ["a***"]
    assert set(Path(tempfile.gettempdir()).glob("sysaudit.*")) <= before
