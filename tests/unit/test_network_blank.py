"""Captures without credentials: none is left, in no copy, and the same is found in them."""

from __future__ import annotations

import base64
import random
import struct

import pytest
from lab.traffic import capture_of, talk
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from pytest_sysaudit.network import pcap
from pytest_sysaudit.network.blank import blanked
from pytest_sysaudit.network.capture import Capture

SECRET = "hunter2-Geheim!"
P = SECRET.encode()
FORM = b"POST /l HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nX: y\r\n\r\n"
JSON = b'POST /l HTTP/1.1\r\n\r\n{"user": "d", "password": "'
IMAP = ("s", b"* OK hi\r\n")
MX = ("s", b"220 mx\r\n")


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def basic(user: str, pad: bytes = b"=") -> bytes:
    value = b64(f"{user}:{SECRET}").replace(b"=", pad)
    return b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + value + b"\r\n\r\n"


def ldap_bind(name: bytes, secret: bytes) -> bytes:
    bind = b"\x02\x01\x03\x04" + bytes([len(name)]) + name + b"\x80" + bytes([len(secret)]) + secret
    message = b"\x02\x01\x01\x60" + bytes([len(bind)]) + bind
    return b"\x30" + bytes([len(message)]) + message


def typed(data: bytes) -> list[tuple[str, bytes]]:
    return [("c", bytes([byte])) for byte in data]


#: What is said, and all that must not be left of it.
ROWS = {
    "http-basic": ([("c", basic("alice"))], [b64(f"alice:{SECRET}")]),
    "http-basic-no-padding": ([("c", basic("al", b""))], [b64(f"al:{SECRET}").rstrip(b"=")]),
    "http-bearer": ([("c", b"GET / HTTP/1.1\r\nAuthorization: Bearer " + P + b"\r\n\r\n")], []),
    "http-form": ([("c", FORM), ("c", b"login=carol&password=" + P + b"&x=1")], []),
    "http-form-coded": ([("c", FORM + b"user=c&user%5Bpassword%5D=" + P)], []),
    "http-json": ([("c", JSON + P + b'", "x": 1}')], []),
    "http-json-escapes": ([("c", JSON + b'\\"' + P + b'\\\\"}')], []),
    "ftp": ([("s", b"220 hi\r\n"), ("c", b"USER erin\r\n"), ("s", b"331 pw\r\n"),
             ("c", b"PASS " + P + b"\r\n")], []),
    "ftp-byte-by-byte": ([("s", b"220 hi\r\n"), *typed(b"USER erin\r\nPASS " + P + b"\r\n")], []),
    "pop3": ([("s", b"+OK hi\r\n"), ("c", b"user frank\r\n"), ("s", b"+OK\r\n"),
              ("c", b"pass " + P + b"\r\n")], []),
    "imap": ([IMAP, ("c", b"a1 LOGIN grace " + P + b"\r\n")], []),
    "imap-quoted": ([IMAP, ("c", b'a1 login "heidi x" "' + P + b'"\r\n')], []),
    "imap-literals": ([IMAP, ("c", b"a1 LOGIN {5}\r\n"), ("s", b"+ go\r\n"),
                       ("c", b"alice {15}\r\n"), ("s", b"+ go\r\n"), ("c", P + b"\r\n")], []),
    "imap-one-literal": ([IMAP, ("c", b"a1 LOGIN {5+}\r\nalice " + P + b"\r\n")], []),
    "imap-late-literal": ([IMAP, ("c", b"a1 LOGIN alice {15+}\r\n" + P + b"\r\n")], []),
    "imap-plain": ([IMAP, ("c", b"a AUTHENTICATE PLAIN\r\n"), ("s", b"+ \r\n"),
                    ("c", b64("\0ivan\0" + SECRET) + b"\r\n")], [b64("\0ivan\0" + SECRET)]),
    "smtp-plain": ([MX, ("c", b"EHLO x\r\n"), ("s", b"250 AUTH PLAIN\r\n"),
                    ("c", b"AUTH PLAIN " + b64("\0judy\0" + SECRET) + b"\r\n")],
                   [b64("\0judy\0" + SECRET)]),
    "smtp-login": ([MX, ("c", b"AUTH LOGIN\r\n"), ("s", b"334 VXNlcm5hbWU6\r\n"),
                    ("c", b64("karl") + b"\r\n"), ("s", b"334 UGFzc3dvcmQ6\r\n"),
                    ("c", b64(SECRET) + b"\r\n")], [b64(SECRET)]),
    "smtp-login-at-once": ([MX, ("c", b"AUTH LOGIN " + b64("karl") + b"\r\n"),
                            ("s", b"334 UGFzc3dvcmQ6\r\n"), ("c", b64(SECRET) + b"\r\n")],
                           [b64(SECRET)]),
    "telnet": ([("s", b"\xff\xfd\x18\xff\xfd\x1fhost login: "), ("c", b"\xff\xfb\x18leo\r\0"),
                ("s", b"leo\r\nPassword: "), *typed(P + b"\r"), ("s", b"\r\n$ "),
                ("c", b"ls\r\n")], []),
    "telnet-twice": ([("s", b"Password: "), ("c", P + b"\r\n"), ("s", b"no\r\nPassword: "),
                      ("c", b"\r\n" + P + b"\r\n")], []),
    "ldap": ([("c", ldap_bind(b"mallory", P))], []),
}  # fmt: skip


def left(capture: Capture, more: list[bytes]) -> tuple[Capture, bytes]:
    """The same capture as it is kept, and what both sides say in it."""
    data, found = blanked(capture.recording.trace)
    assert found
    assert len(data) == len(capture.recording.trace.data)
    trace = pcap.parse(data, "kept")
    for old, new in zip(capture.recording.trace, trace, strict=True):
        assert (old.time_ns, old.length, len(old.data)) == (new.time_ns, new.length, len(new.data))
        assert old.data[:54] == new.data[:54]  # Ethernet, IP and TCP
    kept = capture_of(list(trace))
    said = b"\0".join(
        stream.said(client=who) for stream in kept.streams().seen for who in (True, False)
    )
    for secret in (P, *more):
        assert secret not in data
        assert secret not in said
    return kept, said


@pytest.mark.parametrize("turns, more", ROWS.values(), ids=ROWS)
def test_nothing_secret_is_left_and_the_same_is_found(turns, more):
    capture = capture_of(talk(turns))
    kept, said = left(capture, more)
    assert kept.cleartext_credentials().seen == capture.cleartext_credentials().seen
    assert b"xxx" in said or b"eHh4" in said or b"4eHh" in said or b"h4eH" in said


@pytest.mark.parametrize("turns, more", ROWS.values(), ids=ROWS)
def test_secrets_that_are_split_or_sent_again_are_taken_out_of_each_copy(turns, more):
    """Each client's word comes in pieces, and then each piece once again in another size."""
    pieces = []
    for side, data in turns:
        pieces += [(side, data[at : at + 7]) for at in range(0, len(data), 7)]
    frames = talk(pieces)
    again = random.Random(7).sample(frames[3:], k=len(frames) - 3)
    capture = capture_of([*frames, *again])
    kept, _ = left(capture, more)
    assert kept.cleartext_credentials().seen == capture.cleartext_credentials().seen


def test_base64_that_cannot_be_written_anew_goes_as_a_whole():
    said = basic("al").replace(b"Basic ", b"Basic %")
    data, _ = blanked(capture_of(talk([("c", said)])).recording.trace)
    assert b64(f"al:{SECRET}") not in data
    assert b"Basic xxxx" in data


def test_what_is_around_a_secret_stays():
    said = left(capture_of(talk(ROWS["http-form"][0])), [])[1]
    assert b"login=carol&password=" + b"x" * len(P) + b"&x=1" in said
    said = left(capture_of(talk(ROWS["telnet"][0])), [])[1]
    assert b"leo\r\0" + b"x" * len(P) + b"\rls\r\n" in said


def datagram(community: bytes) -> bytes:
    body = bytes([2, 1, 1, 4, len(community)]) + community + b"\xa0\x00"
    data = b"\x30" + bytes([len(body)]) + body
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    return bytes(ether / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5000, dport=161) / data)


def test_communities_go_too():
    capture = capture_of([datagram(P), datagram(b"public")])
    data, found = blanked(capture.recording.trace)
    assert found
    assert P not in data
    assert b"public" not in data
    again = capture_of(list(pcap.parse(data, "kept"))).cleartext_credentials()
    assert again.seen == capture.cleartext_credentials().seen


def test_a_capture_that_was_cut_loses_what_is_there_of_a_secret():
    frames = talk(ROWS["ftp"][0])
    made = [pcap.Frame(10**18 + n, one[:70], len(one), 1) for n, one in enumerate(frames)]
    trace = pcap.parse(b"".join(pcap.write(made, 1)), "cut")
    assert P[:8] in trace.data
    data, found = blanked(trace)
    assert found
    assert P[:4] not in data


def pcapng(frames: list[bytes]) -> bytes:
    """A pcapng file with two interfaces of several link types."""

    def block(kind: int, body: bytes) -> bytes:
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    head = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    links = block(1, struct.pack("<HHI", 1, 0, 0)) + block(1, struct.pack("<HHI", 101, 0, 0))
    packets = [(n % 2, one if n % 2 == 0 else one[14:]) for n, one in enumerate(frames)]
    return head + links + b"".join(
        block(6, struct.pack("<IIIII", link, 0, n, len(data), len(data)) + data)
        for n, (link, data) in enumerate(packets)
    )  # fmt: skip


def test_other_files_keep_their_form():
    data = pcapng(talk(ROWS["ftp"][0]))
    assert P in data
    new, found = blanked(pcap.parse(data, "ng"))
    assert found
    assert P not in new
    old, kept = pcap.parse(data, "ng"), pcap.parse(new, "ng")
    assert [(f.link, f.time_ns, f.length) for f in old] == [
        (f.link, f.time_ns, f.length) for f in kept
    ]


def test_a_capture_without_credentials_is_kept_as_it_is():
    trace = capture_of(
        talk([("c", b"GET / HTTP/1.1\r\n\r\n"), ("s", b"PASS x\r\n")])
    ).recording.trace
    assert blanked(trace) == (bytes(trace.data), False)
    assert blanked(pcap.Trace(b"")) == (b"", False)


def test_many_credentials_in_one_connection_are_found_one_by_one():
    """A proxy's connection: hundreds of requests, each with its own password."""
    turns = []
    for number in range(300):
        value = b64(f"user{number:04}:pass{number:04}word")
        turns.append(("c", b"GET / HTTP/1.1\r\nAuthorization: Basic " + value + b"\r\n\r\n"))
        turns.append(("s", b"HTTP/1.1 200 OK\r\n\r\n"))
    capture = capture_of(talk(turns))
    data, _ = blanked(capture.recording.trace)
    kept = capture_of(list(pcap.parse(data, "kept")))
    (stream,) = kept.streams().seen
    said = stream.said(client=True)
    for number in range(300):
        assert b64(f"user{number:04}:xxxxxxxxxxxx") in said
