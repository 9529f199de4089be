"""Credentials, streams and TLS versions, out of conversations frame by frame."""

from __future__ import annotations

import base64
import random

import pytest
from lab.traffic import capture_of, talk
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from pytest_sysaudit.errors import CannotAssess, Incomplete

SECRET = "hunter2-Geheim"


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def basic(user: str) -> bytes:
    return (
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic "
        + b64(f"{user}:{SECRET}")
        + b"\r\n\r\n"
    )


def ldap_bind(name: bytes, secret: bytes) -> bytes:
    bind = b"\x02\x01\x03\x04" + bytes([len(name)]) + name + b"\x80" + bytes([len(secret)]) + secret
    message = b"\x02\x01\x01\x60" + bytes([len(bind)]) + bind
    return b"\x30" + bytes([len(message)]) + message


P = SECRET.encode()
FORM = b"application/x-www-form-urlencoded"
SEEN = {
    "http-basic": ([("c", basic("alice"))], "http-basic", "a***"),
    "http-proxy": (
        [("c", b"GET http://x/ HTTP/1.1\r\nproxy-authorization: basic " + b64("bob:x") + b"\r\n")],
        "http-basic", "b***"),
    "http-second-request": (
        [("c", b"GET / HTTP/1.1\r\n\r\n"), ("s", b"HTTP/1.1 401 No\r\n\r\n"), ("c", basic("zoe"))],
        "http-basic", "z***"),
    "http-bearer": (
        [("c", b"GET / HTTP/1.1\r\nAuthorization: Bearer " + P + b"\r\n\r\n")], "http-bearer", ""),
    "http-form": (
        [("c", b"POST /l HTTP/1.1\r\nContent-Type: " + FORM + b"\r\nX: y\r\n\r\n"),
         ("c", b"login=carol&password=" + P)], "http-form", "c***"),
    "http-json": ([("c", b'POST /l HTTP/1.1\r\n\r\n{"user": "d", "password": "' + P + b'"}')],
                  "http-json", ""),
    "ftp": ([("s", b"220 hi\r\n"), ("c", b"USER erin\r\n"), ("s", b"331 pw\r\n"),
             ("c", b"PASS " + P + b"\r\n")], "ftp", "e***"),
    "ftp-byte-by-byte": (
        [("s", b"220 hi\r\n"), *(("c", bytes([b])) for b in b"USER erin\r\nPASS " + P + b"\r\n")],
        "ftp", "e***"),
    "pop3": ([("s", b"+OK hi\r\n"), ("c", b"user frank\r\n"), ("s", b"+OK\r\n"),
              ("c", b"pass " + P + b"\r\n")], "pop3", "f***"),
    "imap-login": ([("s", b"* OK hi\r\n"), ("c", b"a1 LOGIN grace " + P + b"\r\n")],
                   "imap", "g***"),
    "imap-quoted": ([("s", b"* OK hi\r\n"), ("c", b'a1 login "heidi x" "' + P + b'"\r\n')],
                    "imap", "h***"),
    "imap-literal": ([("s", b"* OK hi\r\n"), ("c", b"a1 LOGIN {5}\r\n"), ("s", b"+ go\r\n")],
                     "imap", ""),
    "imap-plain": ([("s", b"* OK hi\r\n"), ("c", b"a AUTHENTICATE PLAIN\r\n"), ("s", b"+ \r\n"),
                    ("c", b64("\0ivan\0" + SECRET) + b"\r\n")], "imap", "i***"),
    "smtp-plain": ([("s", b"220 mx\r\n"), ("c", b"EHLO x\r\n"), ("s", b"250 AUTH PLAIN\r\n"),
                    ("c", b"AUTH PLAIN " + b64("\0judy\0" + SECRET) + b"\r\n")], "smtp", "j***"),
    "smtp-login": ([("s", b"220 mx\r\n"), ("c", b"AUTH LOGIN\r\n"), ("s", b"334 VXNlcm5hbWU6\r\n"),
                    ("c", b64("karl") + b"\r\n"), ("s", b"334 UGFzc3dvcmQ6\r\n"),
                    ("c", b64(SECRET) + b"\r\n")], "smtp", "k***"),
    "telnet": ([("s", b"\xff\xfd\x18\xff\xfd\x1fhost login: "), ("c", b"\xff\xfb\x18leo\r\0"),
                ("s", b"leo\r\nPassword: "), *(("c", bytes([b])) for b in P + b"\r")],
               "telnet", "l***"),
    "ldap": ([("c", ldap_bind(b"mallory", P))], "ldap", "m***"),
}  # fmt: skip


@pytest.mark.parametrize("turns, kind, user", SEEN.values(), ids=SEEN)
@pytest.mark.parametrize("ports", [(40000, 31337), (31337, 40000)])
def test_each_kind_is_seen_on_any_port_and_the_secret_is_not_shown(turns, kind, user, ports):
    found = capture_of(talk(turns, ports=ports)).cleartext_credentials()
    assert [(one.kind, one.user, one.server_port) for one in found] == [(kind, user, ports[1])]
    assert SECRET not in repr(found) + str(found.to_plain())


NOT_SEEN = {
    "ssh": [("s", b"SSH-2.0-x\r\n"), ("c", b"SSH-2.0-y\r\n"), ("c", b"\0\1PASS x\0")],
    "ftp-anonymous": [("s", b"220 x\r\n"), ("c", b"USER anonymous\r\n"), ("c", b"PASS a@b\r\n")],
    "ftp-user-only": [("s", b"220 x\r\n"), ("c", b"USER alice\r\n"), ("s", b"530 no\r\n")],
    "irc": [("s", b":irc NOTICE\r\n"), ("c", b"PASS x\r\nUSER y\r\n")],
    "http-digest": [("c", b'GET / HTTP/1.1\r\nAuthorization: Digest username="a"\r\n\r\n')],
    "http-answer": [("c", b"GET / HTTP/1.1\r\n\r\n"), ("s", b'{"password": "x"}\r\nPASS x\r\n')],
    "smtp-refused": [("s", b"220 x\r\n"), ("c", b"AUTH PLAIN\r\n"), ("s", b"530 TLS first\r\n")],
    "starttls": [("s", b"220 x\r\n"), ("c", b"STARTTLS\r\n"), ("s", b"220 go\r\n"),
                 ("c", b"\x16\x03\x01\0\2\1\1")],
    "telnet-no-answer": [("s", b"login: "), ("c", b"x\r"), ("s", b"Password: "), ("c", b"\r")],
    "ldap-anonymous": [("c", ldap_bind(b"", b""))],
    "text": [("c", b"the password: is a word\r\n"), ("s", b"PASS it on\r\n")],
}  # fmt: skip


@pytest.mark.parametrize("turns", NOT_SEEN.values(), ids=NOT_SEEN)
def test_what_is_no_credential_is_not_called_one(turns):
    assert not capture_of(talk(turns)).cleartext_credentials()


def snmp(version: int, community: bytes) -> bytes:
    body = bytes([2, 1, version, 4, len(community)]) + community + b"\xa0\x00"
    data = b"\x30" + bytes([len(body)]) + body
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    return bytes(ether / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5000, dport=161) / data)


@pytest.mark.parametrize("version, seen", [(0, True), (1, True), (3, False)])
def test_snmp_communities(version, seen):
    found = capture_of([snmp(version, b"hunter2")]).cleartext_credentials()
    assert [one.kind for one in found] == (["snmp-community"] if seen else [])
    assert "hunter2" not in repr(found)


FTP = talk(SEEN["ftp"][0])


def test_order_and_repetition_of_packets_do_not_matter():
    for seed in range(20):
        frames = [*FTP[:3], *random.Random(seed).sample(FTP[3:] * 2, k=2 * len(FTP[3:]))]
        found = capture_of(frames).cleartext_credentials()
        assert [(one.kind, one.user) for one in found] == [("ftp", "e***")]


def test_a_missing_segment_makes_absence_unknown():
    frames = [frame for frame in FTP if b"PASS" not in frame]
    capture = capture_of(frames)
    assert capture.complete  # the kernel lost nothing; the wire or the mirror port did
    with pytest.raises(Incomplete, match="TCP streams have 1 hole"):
        assert not capture.cleartext_credentials()
    assert not capture.flows(port=99)


def test_one_direction_alone_makes_absence_unknown():
    capture = capture_of(talk(SEEN["ftp"][0])).select("src port 2100")
    with pytest.raises(Incomplete, match="hole"):
        assert not capture.cleartext_credentials()


def test_a_port_that_is_used_again_is_another_stream():
    first, second = talk([("c", basic("alice"))]), talk([("c", basic("bob"))])
    moved = bytearray(second[0])
    moved[38:42] = b"\0\0\0\1"  # another first sequence number
    streams = (
        capture_of([*first, bytes(moved), *talk([("s", b"x")], handshake=False)]).streams().seen
    )
    assert len(streams) == 2


def test_streams_hold_what_was_said_across_the_wrap_of_sequence_numbers():
    turns = [("c", b"a" * 900), ("c", b"b" * 900), ("s", b"c" * 900)]
    (stream,) = capture_of(talk(turns)).streams()
    assert stream.said(client=True) == b"a" * 900 + b"b" * 900
    assert [turn.data for turn in stream.turns] == [b"a" * 900 + b"b" * 900, b"c" * 900]
    assert stream.holes == 0


def hello(version: int, chosen: int | None = None) -> bytes:
    extension = b"\0\x2b\0\2" + chosen.to_bytes(2) if chosen else b"\0\0\0\0"
    body = version.to_bytes(2) + b"r" * 32 + b"\x04sess\x13\x02\0"
    body += len(extension).to_bytes(2) + extension
    handshake = b"\2" + len(body).to_bytes(3) + body
    return b"\x16\x03\x03" + len(handshake).to_bytes(2) + handshake


CLIENT_HELLO = ("c", b"\x16\x03\x01\0\4\1\0\0\0")


@pytest.mark.parametrize(
    "answer, version",
    [
        (hello(0x0300), "SSLv3"),
        (hello(0x0301), "TLSv1.0"),
        (hello(0x0302), "TLSv1.1"),
        (hello(0x0303), "TLSv1.2"),
        (hello(0x0303, 0x0304), "TLSv1.3"),
        (hello(0x0303, 0x7F1C), "0x7f1c"),
    ],
)
def test_tls_versions_are_those_that_the_server_chose(answer, version):
    (found,) = capture_of(talk([CLIENT_HELLO, ("s", answer)])).tls()
    assert (found.version, found.suite) == (version, 0x1302)


def test_tls_after_starttls_and_in_pieces():
    data = hello(0x0303)
    turns = [("s", b"220 x\r\n"), ("c", b"STARTTLS\r\n"), ("s", b"220 go\r\n"), CLIENT_HELLO]
    (found,) = capture_of(talk([*turns, *(("s", bytes([byte])) for byte in data)])).tls()
    assert found.version == "TLSv1.2"


def test_tls_that_began_before_the_capture_has_no_known_version():
    turns = [("c", b"\x17\x03\x03\0\1x"), ("s", b"\x17\x03\x03\0\1y")]
    (found,) = capture_of(talk(turns, handshake=False)).tls()
    with pytest.raises(CannotAssess, match="began before the capture"):
        _ = found.version
    assert found.to_plain()["version"] == "not seen"


def test_no_bytes_break_the_readers():
    rng = random.Random(7)
    frames = talk(SEEN["telnet"][0]) + talk([CLIENT_HELLO, ("s", hello(0x0303, 0x0304))]) + FTP
    frames += [*talk(SEEN["ldap"][0]), snmp(1, b"x")]
    for _ in range(300):
        damaged = bytearray(rng.choice(frames))
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        cut = bytes(damaged[: rng.randint(0, len(damaged))])
        capture = capture_of([*FTP, cut], min_packets=0)
        assert capture.flows().seen
        for ask in (capture.cleartext_credentials, capture.tls, capture.streams):
            assert isinstance(ask().to_plain(), list)
        capture.to_plain()
