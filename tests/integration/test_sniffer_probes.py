"""Probes: only where the inventory allows them, and nothing leaves otherwise.

All of them run between two namespaces that no cable joins to anything else.
"""

from __future__ import annotations

import socket
import time

import pytest
from lab import netns
from lab.traffic import listener, network
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether

from pytest_sysaudit.errors import CannotAssess, RefusedByPolicy
from pytest_sysaudit.network import probes
from pytest_sysaudit.network.sniffer import Sniffer

pytestmark = [pytest.mark.root, netns.needs_netns]
BROADCAST = "ff:ff:ff:ff:ff:ff"


@pytest.fixture(scope="module")
def cable():
    with netns.pair() as made:
        yield made


@pytest.fixture
def near(cable):
    with netns.inside(cable.near):
        yield cable


def allowed(**entry: object) -> Sniffer:
    given = {"interface": "wire0", "active_probes": True, "cidrs": ("192.0.2.0/24",), **entry}
    return Sniffer(network(**given))


REFUSED = {
    "switched-off": ({"active_probes": False}, IP(dst="192.0.2.2") / ICMP(), "not true"),
    "no-ranges": ({"cidrs": ()}, IP(dst="192.0.2.2") / ICMP(), r"cidrs \(none\)"),
    "outside": ({}, IP(dst="198.51.100.1") / ICMP(), "198.51.100.1 is outside"),
    "one-of-many": ({}, IP(dst=["192.0.2.2", "198.51.100.1"]) / ICMP(), "198.51.100.1 is outside"),
    "too-many": ({}, IP(dst="192.0.2.2") / UDP(dport=(1, 2000)), "more than 1000 packets"),
    "inside-a-tunnel": (
        {}, IP(dst="192.0.2.2") / IP(dst="198.51.100.1") / ICMP(), "198.51.100.1 is outside"),
    "source-route": (
        {}, IP(dst="192.0.2.2", options=[IPOption_LSRR(routers=["198.51.100.1"])]) / ICMP(),
        "names its own way"),
    "ipv6": ({}, IPv6(dst="::1") / ICMPv6EchoRequest(), "::1 is outside|not reachable|on wire0"),
    "broadcast": ({}, Ether(dst=BROADCAST) / IP(dst="255.255.255.255") / UDP(), "is outside"),
    "arp": ({}, Ether(dst=BROADCAST) / ARP(pdst="198.51.100.1"), "198.51.100.1 is outside"),
    "no-address": ({}, Ether(dst=BROADCAST) / b"raw", "no IP or ARP destination"),
    "unasked-resolution": ({}, Ether() / IP(dst="192.0.2.2") / ICMP(), "set Ether"),
    "no-link": ({}, ARP(pdst="192.0.2.2"), "begins with Ether, IP or IPv6, not ARP"),
}  # fmt: skip


@pytest.mark.parametrize("entry, packet, words", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_never_leaves(near, entry, packet, words):
    with allowed()(allow_silence=True) as wire, pytest.raises(CannotAssess, match=words):
        allowed(**entry).probe(packet, timeout=0.2)
    assert wire.count == 0, wire.packets


def test_a_policy_refusal_has_its_own_class(near):
    with pytest.raises(RefusedByPolicy):
        allowed(active_probes=False).probe(IP(dst="192.0.2.2") / ICMP())


def test_answers_come_back(near):
    sniffer = allowed()
    answer = sniffer.ask(IP(dst=near.far_address) / ICMP(id=77))
    assert (answer["IP"].src, answer["ICMP"].type) == (near.far_address, 0)
    refused = sniffer.ask(IP(dst=near.far_address) / TCP(sport=50000, dport=9, flags="S"))
    assert str(refused["TCP"].flags) == "RA"
    unreachable = sniffer.ask(IP(dst=near.far_address) / UDP(sport=50000, dport=9) / b"x")
    assert unreachable["ICMP"].type == 3
    owner = sniffer.ask(Ether(dst=BROADCAST) / ARP(pdst=near.far_address))
    assert owner["ARP"].psrc == near.far_address


def test_an_open_port_answers(near):
    with netns.inside(near.far):
        waiting = listener(8443, near.far_address)
    with waiting:
        answer = allowed().ask(IP(dst=near.far_address) / TCP(sport=50001, dport=8443, flags="S"))
    assert str(answer["TCP"].flags) == "SA"


def test_no_answer_is_none_and_what_was_sent_was_seen(near):
    with netns.inside(near.far):
        quiet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        quiet.bind((near.far_address, 7777))
    packet = IP(dst=near.far_address) / UDP(sport=50002, dport=7777) / b"anybody?"
    with quiet:
        assert allowed().ask(packet, timeout=0.3) is None
        capture = allowed().probe(packet, timeout=0.3)
    assert [flow.service for flow in capture.flows(protocol="udp")] == ["udp/7777"]


def test_a_range_is_sent_no_faster_than_the_bound(near, monkeypatch):
    waited: list[float] = []
    sleep = time.sleep
    monkeypatch.setattr(probes.time, "sleep", lambda seconds: (waited.append(seconds), sleep(0)))
    many = IP(dst=near.far_address) / TCP(sport=50003, dport=(1, 20), flags="S")
    capture = allowed().probe(many, timeout=0.3)
    assert {flow.server_port for flow in capture.flows(protocol="tcp")} == set(range(1, 21))
    assert waited.count(1 / probes.PER_SECOND) == 19
