"""Each shipped network check: passes, fails, and says so when it cannot know."""

from __future__ import annotations

import importlib
import ssl

import pytest
from lab import netns
from lab.checking import verdict_of
from lab.traffic import capture_of, certificate, converse, network, talk, tls

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.network.sniffer import Sniffer

MODULES = ("test_cleartext", "test_encryption", "test_flows")
CHECKS = {
    name: function
    for module in MODULES
    for name, function in vars(importlib.import_module(f"checks.network.{module}")).items()
    if name.startswith("test_")
}
CREDENTIALS = CHECKS["test_no_credentials_cross_in_the_clear"]
LEGACY = CHECKS["test_no_legacy_protocol_is_in_use"]
NAMES = CHECKS["test_names_are_not_asked_for_by_broadcast"]
TLS = CHECKS["test_tls_connections_are_new_enough"]
PORTS = CHECKS["test_only_declared_ports_are_used"]
TALKERS = CHECKS["test_only_expected_addresses_talk"]

FTP = [("s", b"220 x\r\n"), ("c", b"USER alice\r\n"), ("s", b"331\r\n"), ("c", b"PASS hunter2\r\n")]
WEB = talk([("c", b"GET / HTTP/1.1\r\n\r\n"), ("s", b"HTTP/1.1 200 OK\r\n\r\n")], ports=(40000, 80))
RECORD = ("s", b"\x17\x03\x03\0\1y")


def hello(version: int) -> tuple[str, bytes]:
    body = version.to_bytes(2) + b"r" * 32 + b"\0\x13\x02\0"
    return "s", b"\x16\x03\x03" + (len(body) + 4).to_bytes(2) + b"\2" + len(body).to_bytes(3) + body


def https(*turns: tuple[str, bytes]) -> list[bytes]:
    return talk([("c", b"\x16\x03\x01\0\4\1\0\0\0"), *turns], ports=(40001, 443))


def udp(port: int, destination: str = "10.0.0.255") -> bytes:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    ether = Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff")
    return bytes(ether / IP(src="10.0.0.1", dst=destination) / UDP(sport=50000, dport=port) / b"x")


RANGES = {"cidrs": ("10.0.0.0/24",)}
ROWS = {
    "credentials-none": (CREDENTIALS, WEB, {}, {}, "pass", ""),
    "credentials-ftp": (CREDENTIALS, talk(FTP), {}, {}, "fail", "ftp credential of a***"),
    "legacy-none": (LEGACY, WEB, {}, {}, "pass", ""),
    "legacy-telnet": (LEGACY, talk([("s", b"hi")], ports=(40000, 23)), {}, {}, "fail", ":23"),
    "legacy-refused": (LEGACY, talk([], ports=(40000, 23)), {}, {}, "pass", ""),
    "legacy-tftp": (LEGACY, [udp(69)], {}, {}, "fail", ":69"),
    "legacy-tcp-69": (LEGACY, talk([("s", b"hi")], ports=(40000, 69)), {}, {}, "pass", ""),
    "legacy-own-list": (LEGACY, WEB, {}, {"tcp": [80]}, "fail", ":80"),
    "names-none": (NAMES, WEB, {}, {}, "pass", ""),
    "names-llmnr": (NAMES, [udp(5355, "224.0.0.252")], {}, {}, "fail", ":5355"),
    "tls-new": (TLS, https(hello(0x0303), RECORD), {}, {}, "pass", ""),
    "tls-old": (TLS, https(hello(0x0301), RECORD), {}, {}, "fail", "older than TLSv1.2"),
    "tls-stricter": (TLS, https(hello(0x0303)), {}, {"minimum": "TLSv1.3"}, "fail", "TLSv1.3"),
    "tls-none": (TLS, WEB, {}, {}, "not_applicable", "no TLS connection"),
    "tls-before": (TLS, https(RECORD), {}, {}, "error", "began before the capture"),
    "ports-declared": (PORTS, WEB, {}, {"ports": [80]}, "pass", ""),
    "ports-by-variable": (PORTS, WEB, {"variables": {"allowed_ports": ["tcp/80"]}}, {}, "pass", ""),
    "ports-other-protocol": (PORTS, WEB, {}, {"ports": ["udp/80"]}, "fail", "10.0.0.2:80"),
    "ports-nothing-allowed": (PORTS, WEB, {}, {"ports": []}, "fail", "undeclared ports"),
    "ports-undeclared": (PORTS, WEB, {}, {}, "not_applicable", "no allowed_ports"),
    "talkers-known": (TALKERS, WEB, RANGES, {}, "pass", ""),
    "talkers-multicast": (TALKERS, [udp(5353, "224.0.0.251")], RANGES, {}, "pass", ""),
    "talkers-strange": (TALKERS, talk([], server="203.0.113.9"), RANGES, {}, "fail", "203.0.113.9"),
    "talkers-no-ranges": (TALKERS, WEB, {}, {}, "not_applicable", "no cidrs"),
}  # fmt: skip


def recorded(folder, frames, **entry) -> Sniffer:
    capture_of(frames).save(folder / "wire.pcap")
    return Sniffer(network(pcap="wire.pcap", base=folder, **entry))


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_verdicts(tmp_path, row):
    check, frames, entry, inputs, verdict, words = row
    found, message = verdict_of(check, recorded(tmp_path, frames, **entry), **inputs)
    assert (found, words in message) == (verdict, True), message
    assert "hunter2" not in message


SETTINGS = {PORTS: {"ports": [80]}}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_an_empty_capture_is_never_a_pass(tmp_path, check):
    sniffer = recorded(tmp_path, [], **RANGES)
    found, message = verdict_of(check, sniffer, **SETTINGS.get(check, {}))
    assert (found, "0 packets were seen" in message) == ("error", True), message


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_an_incomplete_capture_is_never_a_pass(tmp_path, check):
    sniffer = recorded(tmp_path, [*WEB, *https(hello(0x0304))], **RANGES)
    path = tmp_path / "wire.pcap"
    path.write_bytes(path.read_bytes()[:-3])
    found, message = verdict_of(check, sniffer, **{PORTS: {"ports": [80, 443]}}.get(check, {}))
    assert (found, "absence proves nothing" in message) == ("error", True), message


def test_an_incomplete_capture_fails_what_it_shows(tmp_path):
    sniffer = recorded(tmp_path, [*talk(FTP), *WEB])
    path = tmp_path / "wire.pcap"
    path.write_bytes(path.read_bytes()[:-3])
    assert verdict_of(CREDENTIALS, sniffer)[0] == "fail"


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_a_network_that_cannot_be_watched_is_an_error_and_is_tried_once(check):
    tried = []

    def exercise() -> None:
        tried.append(1)

    sniffer = Sniffer(network(interface="nope0", **RANGES), exercise=exercise)
    for _ in range(2):
        found, message = verdict_of(check, sniffer, **SETTINGS.get(check, {}))
        assert (found, "no interface 'nope0'" in message) == ("error", True)
    assert tried == []


@pytest.mark.root
@netns.needs_netns
@pytest.mark.parametrize(
    "versions, verdict",
    [(["TLSv1_2", "TLSv1_3"], "pass"), (["TLSv1_2", "TLSv1_1"], "fail"), (["TLSv1"], "fail")],
)
def test_one_live_sample_is_judged_by_all_checks(tmp_path, versions, verdict):
    pem, sampled = certificate(tmp_path), []

    def exercise() -> None:
        sampled.append(1)
        for version in versions:
            tls(ssl.TLSVersion[version], pem)
        converse(FTP)

    sniffer = Sniffer(network(interface="lo"), exercise=exercise)
    with netns.pair() as cable, netns.inside(cable.near):  # a loopback that nobody else uses
        assert verdict_of(TLS, sniffer, seconds=0.1)[0] == verdict
    found, message = verdict_of(CREDENTIALS, sniffer, seconds=0.1)
    assert (found, "ftp credential of a***" in message) == ("fail", True)
    assert verdict_of(LEGACY, sniffer, seconds=0.1)[0] == "pass"
    assert sampled == [1]


def test_an_exercise_that_fails_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(Sniffer, "_recorder", lambda *_: _Idle())

    def exercise() -> None:
        raise CannotAssess("shop: connection refused")

    sniffer = Sniffer(network(interface="lo"), exercise=exercise)
    assert verdict_of(CREDENTIALS, sniffer) == ("error", "shop: connection refused")


class _Idle:
    def start(self) -> None:
        pass

    def kill(self) -> None:
        pass
