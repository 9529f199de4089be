"""Captures of real packets, on loopback and on a cable between two namespaces."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest
from lab import netns
from lab.sshd import free_port
from lab.traffic import converse, datagrams, listener, loopback, network

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.network.sniffer import Sniffer

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: packet sockets"),
]


@pytest.fixture(scope="module")
def cable():
    with netns.pair() as made:
        yield made


def numbers(capture) -> list[int]:
    return [int(bytes(packet["Raw"].load)[:8]) for packet in capture.packets]


def test_nothing_is_lost_at_the_start_or_the_end():
    sniffer, port = loopback(), free_port()
    for run in range(20):
        with sniffer(filter=f"udp port {port}") as capture:
            datagrams(port, 50)
        assert capture.complete, (run, capture.gaps)
        assert numbers(capture) == list(range(50)), run


def test_each_packet_on_loopback_is_there_once_and_in_order():
    with loopback()(filter="tcp") as capture:
        port = converse([("c", b"GET / HTTP/1.0\r\n\r\n"), ("s", b"HTTP/1.0 200 OK\r\n\r\n")])
    mine = capture.select(f"port {port}")
    (flow,) = mine.flows(protocol="tcp")
    assert (flow.server, flow.server_port, flow.sent, flow.received) == ("127.0.0.1", port, 18, 19)
    (stream,) = mine.streams()
    assert stream.said(client=True) == b"GET / HTTP/1.0\r\n\r\n"
    flags = [str(packet["TCP"].flags) for packet in mine.packets]
    assert flags[:3] == ["S", "SA", "A"]
    assert mine.packets[0]["IP"].dst == "127.0.0.1"


def test_more_packets_than_one_burst_all_come():
    port = free_port()
    with loopback()(filter=f"udp port {port}") as capture:
        datagrams(port, 5000, size=200)
    assert capture.complete
    assert capture.count == 5000


def test_the_block_ends_on_a_busy_interface():
    """What comes after the end is not waited for."""
    port, stop = free_port(), threading.Event()

    def flood() -> None:
        while not stop.is_set():
            datagrams(port, 100)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        with loopback()(filter=f"udp port {port}") as capture:
            datagrams(port, 10, address="127.0.0.9")
    finally:
        stop.set()
        thread.join()
    assert capture.complete, capture.gaps
    assert numbers(capture.select("dst 127.0.0.9")) == list(range(10))


def test_silence_is_a_result_only_where_it_is_asked_for():
    port = free_port()
    with loopback()(filter=f"udp port {port}") as capture:
        pass
    with pytest.raises(Incomplete, match="0 packets were seen on lo with filter"):
        assert not capture.packets
    with loopback()(filter=f"udp port {port}", allow_silence=True) as capture:
        pass
    assert not capture.packets


@netns.needs_netns
def test_packets_on_a_cable_between_two_namespaces(cable):
    sniffer = Sniffer(network(interface=cable.interface))
    with netns.inside(cable.far):
        waiting = listener(8080, cable.far_address)
    request = b"GET / HTTP/1.1\r\nAuthorization: Basic YWxpY2U6cHc=\r\n\r\n"
    with netns.inside(cable.near), waiting, sniffer(filter="tcp port 8080") as capture:
        client = socket.create_connection((cable.far_address, 8080), timeout=10)
        server, _ = waiting.accept()
        with client, server:
            client.sendall(request)
            assert server.recv(100) == request
    (flow,) = capture.flows()
    assert str(flow.addresses[0]) == cable.near_address
    assert (flow.server, flow.service) == (cable.far_address, "tcp/8080")
    (found,) = capture.cleartext_credentials()
    assert (found.kind, found.user) == ("http-basic", "a***")


@netns.needs_netns
def test_vlan_tags_are_put_back_and_do_not_hide_packets(cable):
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Dot1Q, Ether

    ether = Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff")
    ends = IP(src=cable.far_address, dst=cable.near_address) / UDP(sport=50009, dport=4444)
    with netns.inside(cable.far):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        raw.bind((cable.interface, 0))
    sniffer = Sniffer(network(interface=cable.interface))
    with netns.inside(cable.near), raw, sniffer(filter="udp port 4444") as capture:
        raw.send(bytes(ether / Dot1Q(vlan=77) / ends / b"hello"))
    assert capture.packets[0]["Dot1Q"].vlan == 77
    assert bytes(capture.packets[0]["UDP"].payload) == b"hello"
    assert capture.select("udp port 4444").count == 1
    assert [flow.service for flow in capture.flows()] == ["udp/4444"]


@netns.needs_netns
def test_fragments_belong_to_the_flow_of_their_first_one(cable):
    sniffer = Sniffer(network(interface=cable.interface))
    with netns.inside(cable.near), sniffer(filter="udp or ip[6:2] & 0x1fff != 0") as capture:
        datagrams(5555, 1, address=cable.far_address, size=4000)
    (flow,) = capture.flows(protocol="udp")
    assert (flow.server_port, flow.packets) == (5555, 3)


def test_a_snaplen_keeps_the_head_and_the_length():
    port = free_port()
    with loopback()(filter=f"udp port {port}", snaplen=96) as capture:
        datagrams(port, 3, size=1000)
    trace = capture.recording.trace
    assert [(len(frame.data), frame.length) for frame in trace] == [(96, 1042)] * 3
    assert capture.complete
    assert not capture.flows(port=1)
    with pytest.raises(Incomplete, match=r"3 packets were cut \(snaplen\)"):
        assert not capture.cleartext_credentials()


def test_capturing_loads_no_scapy_until_a_packet_is_asked_for():
    code = (
        "import sys; from lab.traffic import loopback, datagrams\n"
        "with loopback()(filter='udp port 9') as capture: datagrams(9, 2)\n"
        "assert capture.flows() and not capture.cleartext_credentials()\n"
        "assert not [name for name in sys.modules if name.startswith('scapy')]\n"
        "assert capture.packets[0].haslayer('UDP') and 'scapy' in sys.modules\n"
        "import logging; log = logging.getLogger('scapy'); assert log.propagate\n"
        "assert [type(one) for one in log.handlers] == [logging.NullHandler]\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)  # noqa: PLW1510 - judged below
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
