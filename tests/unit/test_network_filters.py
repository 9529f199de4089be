"""Capture filters: libpcap's programs, our own assembler's, and the machine that runs both."""

from __future__ import annotations

import itertools

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.network import bpf

needs_libpcap = pytest.mark.skipif(bpf.libpcap() is None, reason="needs libpcap")


#: Both addresses are given: scapy would ask the real network for one that is missing.
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def no_libpcap() -> None:
    return None


def _packets() -> list[bytes]:
    """Frames of many kinds, some of them cut."""
    heads = [IP(src=a, dst=b) for a, b in itertools.permutations(
        ["10.0.0.1", "10.0.0.2", "10.1.0.1", "192.0.2.7"], 2)]  # fmt: skip
    heads += [IPv6(src="2001:db8::1", dst="2001:db8:1::2"), IPv6(src="fe80::2", dst="2001:db8::1")]
    bodies = [TCP(sport=40000, dport=80), TCP(sport=443, dport=40001), UDP(sport=53, dport=9999)]
    bodies += [UDP(sport=8080, dport=53), ICMP(), ICMPv6EchoRequest()]
    frames = [bytes(ETHER / head / body / b"payload") for head in heads for body in bodies]
    frames.append(bytes(ETHER / ARP(hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", pdst="10.0.0.2")))
    frames.append(
        bytes(ETHER / IP(src="10.0.0.9", dst="10.0.0.1", frag=7, proto=17) / b"\0\x35\0\x35later")
    )
    frames.append(
        bytes(ETHER / IP(src="10.0.0.9", dst="10.0.0.1", options=b"\1\1\1\1") / UDP(dport=53))
    )
    return [*frames, *(frame[:36] for frame in frames), b"", b"\0" * 12]


PACKETS = _packets()
FILTERS = [
    "tcp", "udp", "icmp", "icmp6", "ip", "ip6", "arp", "tcp or icmp", "not arp",
    "host 10.0.0.1", "src host 10.0.0.1", "dst host 192.0.2.7", "src 10.0.0.2",
    "host 2001:db8::1", "dst host 2001:db8:1::2", "net 10.0.0.0/24", "src net 10.0.0.0/8",
    "net 2001:db8::/32", "net 2001:db8:1::/48", "net 0.0.0.0/0", "arp host 10.0.0.1",
    "port 53", "udp port 53", "tcp port 80", "tcp dst port 80", "udp src port 53",
    "portrange 50-60", "tcp portrange 400-500", "ip host 10.0.0.1",
    "tcp port 80 and host 10.0.0.1", "not port 53 and not arp",
    "tcp and not (port 443 or port 53)", "udp port 53 or tcp port 80 and src 10.0.0.1",
    "(tcp or udp) and net 192.0.2.0/24", "! tcp && ! udp", "not not tcp || arp",
    "port 0", "port 65535",
]  # fmt: skip


def keeps(program: bpf.Program) -> list[bool]:
    return [bpf.run(program, packet) > 0 for packet in PACKETS]


@needs_libpcap
@pytest.mark.parametrize("expression", FILTERS)
def test_our_assembler_means_what_libpcap_means(expression):
    theirs = keeps(bpf.compile_filter(expression, 1, 65535))
    ours = keeps(bpf.compile_filter(expression, 1, 65535, library=no_libpcap))
    assert ours == theirs
    assert any(ours) is (expression not in ("port 0", "port 65535"))
    assert not all(ours)


@needs_libpcap
@pytest.mark.parametrize("expression", [one for one in FILTERS if "arp" not in one])
def test_our_assembler_on_packets_without_a_link_layer(expression):
    bare = [packet[14:] for packet in PACKETS if len(packet) > 36 and packet[12:14] != b"\x08\x06"]
    theirs = bpf.compile_filter(expression, 101, 65535)
    ours = bpf.compile_filter(expression, 101, 65535, library=no_libpcap)
    assert [bpf.run(ours, one) > 0 for one in bare] == [bpf.run(theirs, one) > 0 for one in bare]


@needs_libpcap
@pytest.mark.parametrize(
    "expression",
    ["tcp[tcpflags] & tcp-syn != 0", "len > 60", "ip[8] = 64", "udp[4:2] - 8 > 3", "greater 50",
     "ether broadcast", "ip[0] & 0xf != 5", "icmp[icmptype] == icmp-echo",
     "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x7061796c"],
)  # fmt: skip
def test_the_machine_runs_what_libpcap_makes(expression):
    """Oracle: libpcap's own interpreter."""
    import ctypes

    program = bpf.compile_filter(expression, 1, 65535)
    lines = (bpf._Line * len(program))(*program)
    library = bpf.libpcap()
    library.bpf_filter.restype = ctypes.c_uint
    library.bpf_filter.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint]
    theirs = [library.bpf_filter(lines, one, len(one), len(one)) > 0 for one in PACKETS]
    assert keeps(program) == theirs


@needs_libpcap
@pytest.mark.parametrize("expression", ["tcp porty 80", "tcp port", "(tcp", "host", "port 70000"])
def test_libpcaps_own_words_are_in_the_error(expression):
    with pytest.raises(CannotAssess, match=r"is wrong: libpcap says: .*\w"):
        bpf.compile_filter(expression, 1, 65535)


@pytest.mark.parametrize(
    "expression",
    ["tcp porty 80", "tcp port", "(tcp", "host", "port 70000", "port 5-3", "host nowhere.example",
     "icmp port 80", "ip6 host 10.0.0.1", "arp host ::1", "len > 60", "tcp)",
     "tcp udp", ")", "and"],
)  # fmt: skip
def test_without_libpcap_the_error_says_what_is_known(expression):
    with pytest.raises(CannotAssess, match=r"not understood at .*libpcap0\.8"):
        bpf.compile_filter(expression, 1, 65535, library=no_libpcap)


def test_without_libpcap_a_long_filter_is_refused():
    long = " or ".join(f"(host 10.0.0.{number} and port 80)" for number in range(40))
    with pytest.raises(CannotAssess, match="too long"):
        bpf.compile_filter(long, 1, 65535, library=no_libpcap)


def test_without_libpcap_a_strange_link_type_is_refused():
    with pytest.raises(CannotAssess, match="link type 147 needs libpcap"):
        bpf.compile_filter("tcp", 147, 65535, library=no_libpcap)


def test_no_filter_keeps_the_first_bytes_of_everything():
    assert bpf.compile_filter("  ", 1, 96) == ((0x06, 0, 0, 96),)
    assert bpf.run(((0x06, 0, 0, 96),), b"") == 96


def test_vlan_tags_do_not_hide_a_packet_unless_asked_for():
    tagged = bytes(ETHER / Dot1Q(vlan=5) / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dport=80))
    assert bpf.matcher("tcp port 80", 1)(tagged)
    if bpf.libpcap():
        assert bpf.matcher("vlan 5", 1)(tagged)
        assert not bpf.matcher("vlan 6", 1)(tagged)


@pytest.mark.parametrize("line", [(0x34, 0, 0, 0), (0x28, 0, 0, 999), (0x3C, 0, 0, 0)])
def test_a_division_by_zero_or_a_load_beyond_the_end_refuses_the_packet(line):
    assert bpf.run((line, (0x06, 0, 0, 1)), b"x" * 60) == 0
