"""Capture files: every form that tools write, and damage."""

from __future__ import annotations

import struct

import pytest
from lab.traffic import capture_of, network, talk

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.network import pcap
from pytest_sysaudit.network.pcap import Frame
from pytest_sysaudit.network.sniffer import Sniffer

FRAMES = [
    Frame(1_700_000_000_123_456_000, b"a" * 60, 60, 1),
    Frame(1_700_000_001_000_000_000, b"b" * 14, 1514, 1),
]


def classic(order: str, magic: int, unit: int) -> bytes:
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    for frame in FRAMES:
        seconds, rest = divmod(frame.time_ns, 10**9)
        sizes = len(frame.data), frame.length
        data += struct.pack(order + "IIII", seconds, rest // unit, *sizes) + frame.data
    return data


def block(order: str, kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = len(body) + 12
    return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link: int = 1, resolution: int | None = None) -> bytes:
    body = struct.pack(order + "HHI", link, 0, 0)
    if resolution is not None:
        body += struct.pack(order + "HHBxxxHH", 9, 1, resolution, 0, 0)
    return block(order, 1, body)


def enhanced(order: str, frame: Frame, units: int, index: int = 0) -> bytes:
    stamp = frame.time_ns * units // 10**9
    sizes = len(frame.data), frame.length
    head = struct.pack(order + "IIIII", index, stamp >> 32, stamp & 0xFFFFFFFF, *sizes)
    return block(order, 6, head + frame.data)


def next_generation(order: str, resolution: int | None = None, units: int = 10**6) -> bytes:
    packets = b"".join(enhanced(order, frame, units) for frame in FRAMES)
    return section(order) + interface(order, resolution=resolution) + packets


@pytest.mark.parametrize(
    "data",
    [
        classic("<", 0xA1B2C3D4, 1000),
        classic(">", 0xA1B2C3D4, 1000),
        classic("<", 0xA1B23C4D, 1),
        classic(">", 0xA1B23C4D, 1),
        next_generation("<"),
        next_generation(">"),
        next_generation("<", 9, 10**9),
        next_generation(">", 0x80 | 20, 2**20),
        section("<") + block("<", 0xBAD, b"unknown") + next_generation(">"),
        b"".join(pcap.write(FRAMES, 1)),
    ],
    ids=["us", "us-swapped", "ns", "ns-swapped", "ng", "ng-swapped", "ng-ns", "ng-binary", "ng-two",
         "own"],
)  # fmt: skip
def test_every_form_gives_the_same_packets(data):
    trace = pcap.parse(data, "x")
    assert trace.problem == ""
    assert [(f.data, f.length, f.link) for f in trace] == [(f.data, f.length, 1) for f in FRAMES]
    # a binary resolution of 2**-20 seconds rounds
    assert all(abs(a.time_ns - b.time_ns) < 1000 for a, b in zip(trace, FRAMES, strict=True))
    assert trace.cut == 1
    assert trace.size == 1574


def test_simple_blocks_and_lost_packets_of_pcapng():
    lost = struct.pack("<IIIHHQHHQHH", 0, 0, 0, 5, 8, 3, 7, 8, 4, 0, 0)
    simple = block("<", 3, struct.pack("<I", 60) + b"a" * 60)
    trace = pcap.parse(section("<") + interface("<") + simple + block("<", 5, lost), "x")
    assert [frame.data for frame in trace] == [b"a" * 60]
    assert trace.drops == 7


DAMAGE = {
    "pcap-cut-in-data": (classic("<", 0xA1B2C3D4, 1000)[:-3], 1, "ends within packet 2"),
    "pcap-cut-in-head": (classic("<", 0xA1B2C3D4, 1000)[:-22], 1, "ends within packet 2"),
    "pcap-huge-record": (
        classic("<", 0xA1B2C3D4, 1000) + struct.pack("<IIII", 1, 1, 1 << 30, 9) + b"x" * 99,
        2,
        "damaged after packet 2",
    ),
    "ng-cut": (next_generation("<")[:-3], 1, "ends within the block after packet 1"),
    "ng-tiny-tail": (next_generation("<") + b"\1\2\3", 2, "damaged after packet 2"),
    "ng-size-zero": (next_generation("<") + struct.pack("<II", 6, 0), 2, "damaged after packet 2"),
    "ng-no-interface": (
        section("<") + enhanced("<", FRAMES[0], 10**6), 0, "damaged after packet 0",
    ),
    "ng-lying-packet": (
        section("<") + interface("<") + block("<", 6, struct.pack("<IIIII", 0, 0, 0, 999, 999)),
        0,
        "damaged after packet 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("data, whole, words", DAMAGE.values(), ids=DAMAGE)
def test_damage_gives_what_is_whole_and_says_so(data, whole, words):
    trace = pcap.parse(data, "x")
    assert len(trace) == whole
    assert words in trace.problem


@pytest.mark.parametrize("data", [b"", b"\xd4\xc3\xb2\xa1", b"PK\3\4" * 20, b"\x0a\x0d\x0d\x0a"])
def test_what_is_no_capture_file_is_named(data):
    with pytest.raises(CannotAssess, match=r"odd\.bin is not a capture file"):
        pcap.parse(data, "odd.bin")


def test_every_cut_of_a_file_is_noticed():
    for data in (classic("<", 0xA1B2C3D4, 1000), next_generation("<")):
        ends = {24, 24 + 76, len(data), 28, 28 + 20, 28 + 20 + 92}
        for size in range(28, len(data)):
            assert size in ends or pcap.parse(data[:size], "x").problem, size


def test_saved_captures_are_read_by_scapy_and_by_us(tmp_path):
    from scapy.utils import rdpcap

    capture = capture_of(talk([("c", b"PASS secret-word\r\n")]))
    path = capture.save(tmp_path / "full.pcap")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [bytes(one) for one in rdpcap(str(path))] == [f.data for f in capture.recording.trace]
    again = Sniffer(network(base=tmp_path)).open("full.pcap")
    assert again.to_plain()["sha256"] == capture.to_plain()["sha256"]
    assert again.flows().to_plain() == capture.flows().to_plain()


def test_saving_without_payload_keeps_no_secret_and_the_lengths(tmp_path):
    capture = capture_of(talk([("c", b"PASS secret-word\r\n")]))
    path = capture.save(tmp_path / "heads.pcap", payload=False)
    assert b"secret-word" not in path.read_bytes()
    again = Sniffer(network(base=tmp_path)).open("heads.pcap")
    assert again.recording.trace.size == capture.recording.trace.size
    assert again.flows() == capture.flows()
    with pytest.raises(Incomplete, match="cut"):
        assert not again.cleartext_credentials()


def test_saving_does_not_follow_a_link(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        capture_of(talk([])).save(tmp_path / "link")
    assert (tmp_path / "victim").read_text() == "precious"


def test_packets_of_two_link_types_are_read_but_not_saved_as_one(tmp_path):
    ip = talk([("c", b"x")])[0]
    frames = [Frame(10**18, ip, len(ip), 1), Frame(10**18 + 1, ip[14:], len(ip) - 14, 101)]
    data = section("<") + interface("<", 1) + interface("<", 101)
    data += b"".join(enhanced("<", frame, 10**6, at) for at, frame in enumerate(frames))
    (tmp_path / "two.pcapng").write_bytes(data)
    capture = Sniffer(network(base=tmp_path)).open("two.pcapng", "tcp port 2100")
    assert capture.count == 2
    assert len(capture.flows()) == 1
    assert [one.name for one in capture.packets] == ["Ethernet", "IP"]
    assert len(capture.to_plain()["sha256"]) == 64
    with pytest.raises(CannotAssess, match="several link types"):
        capture.save(tmp_path / "out.pcap")
