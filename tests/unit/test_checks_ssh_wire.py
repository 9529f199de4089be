"""What an ssh server offers on the network: real sockets, sound and broken answers, the check."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager

import pytest
from lab.fake import FakeTransport, fake_target, judge_check

from checks.ssh import test_wire
from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable, TimedOut
from pytest_sysaudit.facts import open_facts, sockets, ssh_wire
from pytest_sysaudit.host import Host
from pytest_sysaudit.record import Verdict

GOOD = {
    "kex": "curve25519-sha256,kex-strict-s-v00@openssh.com,ext-info-s",
    "host_keys": "ssh-ed25519,rsa-sha2-512",
    "ciphers": "chacha20-poly1305@openssh.com",
    "ciphers_back": "aes256-ctr",
    "macs": "hmac-sha2-256-etm@openssh.com",
    "macs_back": "hmac-sha2-512",
    "compression": "none",
    "compression_back": "none",
}
BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"


def kexinit(**lists: str) -> bytes:
    """Return the packet with these lists instead of the good ones."""
    payload = b"\x14" + b"c" * 16
    for names in ({**GOOD, **lists}).values():
        payload += len(names).to_bytes(4, "big") + names.encode()
    payload += bytes(13)  # two empty lists of languages, no guess, reserved
    padding = 8 - (len(payload) + 5) % 8 + 4
    packet = bytes([padding]) + payload + b"p" * padding
    return len(packet).to_bytes(4, "big") + packet


@contextmanager
def server(*answers: bytes, stay: bool = False, family: int = socket.AF_INET):
    """Say each of *answers* to one connection, the last one to all others, and hang up."""
    done = threading.Event()
    with socket.socket(family) as listener:
        listener.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        listener.listen()
        listener.settimeout(0.1)

        def serve() -> None:
            number = 0
            while not done.is_set():
                try:
                    peer, _ = listener.accept()
                except TimeoutError:
                    continue
                with peer, contextlib.suppress(ConnectionError):  # who asks may hang up
                    answer = answers[min(number, len(answers) - 1)]
                    number += 1
                    for i in range(0, len(answer), 50):  # in small pieces
                        peer.sendall(answer[i : i + 50])
                    if stay:
                        done.wait()
                    peer.settimeout(1)
                    peer.recv(100)  # its banner, so that closing is no reset

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


def test_banner_and_algorithms():
    with server(b"be careful\r\n" + BANNER + kexinit()) as port:
        offer = ssh_wire.ask("127.0.0.1", port)
    assert (offer.protocol, offer.software) == ("2.0", "OpenSSH_9.2p1 Debian-2")
    assert offer.place == f"127.0.0.1:{port}"
    assert offer.kex == ("curve25519-sha256",)
    assert offer.host_keys == ("ssh-ed25519", "rsa-sha2-512")
    assert offer.ciphers == ("chacha20-poly1305@openssh.com", "aes256-ctr")
    assert offer.macs == ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512")


def test_a_server_of_version_one_needs_no_lists():
    with server(b"SSH-1.5-old\n") as port:
        assert ssh_wire.ask("127.0.0.1", port).protocol == "1.5"


def test_a_busy_server_is_asked_again(monkeypatch):
    monkeypatch.setattr(ssh_wire, "_PAUSE", 0.01)
    with server(b"", b"Exceeded MaxStartups\r\n", BANNER + kexinit()) as port:
        assert ssh_wire.ask("127.0.0.1", port).kex


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "hung up before it said who it is"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no ssh server: it says 'HTTP/1.1 400 Bad Request'"),
        (b"x" * 9000, "first line has no end"),
        (b"a\r\n" * 200, "it says 'a' and more"),
        (b"SSH-2.0\r\n", "no ssh server"),
        (BANNER, "hangs up before it names its algorithms"),
        (BANNER + kexinit()[:100], "hangs up before it names its algorithms"),
        (BANNER + b"\xff\xff\xff\xff", "no sound length"),
        (BANNER + b"\0\0\0\x0c\x04\x01aaaaaaaaaa", "not the message that names the algorithms"),
        (BANNER + b"\0\0\0\x1c\x04\x14" + b"c" * 16 + b"\0\0\0\xff" + b"p" * 6, "is cut"),
    ],
)
def test_what_is_no_answer(answer, message, monkeypatch):
    monkeypatch.setattr(ssh_wire, "_PAUSE", 0.01)
    with server(answer) as port, pytest.raises(CannotAssess, match=message):
        ssh_wire.ask("127.0.0.1", port)


def test_a_silent_server_is_not_waited_for_without_end():
    with server(b"", stay=True) as port, pytest.raises(TimedOut, match="no answer within"):
        ssh_wire.ask("127.0.0.1", port, 0.2)


def test_a_closed_port_is_told():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(CannotAssess, match=f"127.0.0.1:{port}: no connection from here"):
            ssh_wire.ask("127.0.0.1", port)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('tcp LISTEN 0 9 *:2222 *:* users:(("sshd",pid=3,fd=3))', ("127.0.0.1", 2222)),
        ('tcp LISTEN 0 9 [::]:22 [::]:* users:(("systemd",pid=1,fd=3))', ("::1", 22)),
        ("tcp LISTEN 0 9 192.0.2.1:22 0.0.0.0:*", ("192.0.2.1", 22)),
        (
            'tcp LISTEN 0 9 *:22 *:*\ntcp LISTEN 0 9 [::1]:24 [::]:* users:(("dropbear",pid=3))',
            ("::1", 24),
        ),
        ("tcp LISTEN 0 9 0.0.0.0:80 0.0.0.0:*", Denied),
        ('tcp LISTEN 0 9 0.0.0.0:80 0.0.0.0:* users:(("x",pid=3,fd=3))', NotApplicable),
        ('udp UNCONN 0 9 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=3,fd=3))', NotApplicable),
    ],
)
def test_where_the_server_of_this_machine_is(lines, expected):
    table = sockets.parse(f"ss\n{lines}\n@end\n")
    if isinstance(expected, tuple):
        assert ssh_wire.server_here(table) == expected
    else:
        with pytest.raises(expected):
            ssh_wire.server_here(table)


class Here(FakeTransport):
    """A transport to this machine."""

    def measure(self, _name, how):
        return how()


def test_on_this_machine_who_listens_says_where_to_ask():
    with server(BANNER + kexinit()) as port:
        line = f'tcp LISTEN 0 9 127.0.0.1:{port} 0.0.0.0:* users:(("sshd",pid=3,fd=3))'
        transport = Here(results={lambda _: True: f"ss\n{line}\n@end\n"})
        assert open_facts(transport).ssh_wire.place == f"127.0.0.1:{port}"
    transport = Here(results={lambda _: True: (1, "", "ss: broken")})
    with pytest.raises(CannotAssess, match="ss: broken"):
        _ = open_facts(transport).ssh_wire


class Straight(FakeTransport):
    """A transport that says where another connection meets the same server."""

    straight = ""


def judge(straight, **inputs):
    transport = Straight()
    transport.straight = straight
    host = Host(fake_target(), transport)
    return judge_check(
        test_wire.test_the_running_server_offers_no_weak_algorithm, inputs=inputs, host=host
    )


@pytest.mark.parametrize(
    ("banner", "lists", "verdict", "words"),
    [
        (BANNER, {}, Verdict.PASS, ""),
        (BANNER, {"ciphers": "some-new-cipher@example.org"}, Verdict.PASS, ""),
        (BANNER, {"ciphers_back": "aes128-cbc"}, Verdict.FAIL, "offers aes128-cbc"),
        (BANNER, {"macs": "hmac-sha1"}, Verdict.FAIL, "hmac-sha1"),
        (BANNER, {"kex": "diffie-hellman-group1-sha1"}, Verdict.FAIL, "group1"),
        (BANNER, {"host_keys": "ssh-rsa,ssh-dss"}, Verdict.FAIL, "ssh-rsa, ssh-dss"),
        (b"SSH-1.99-old\r\n", {}, Verdict.FAIL, "old offers protocol 1.99"),
    ],
)
def test_verdicts(banner, lists, verdict, words):
    with server(banner + kexinit(**lists)) as port:
        found, reason = judge(f"127.0.0.1:{port}")
    assert found is verdict, reason
    assert words in reason


def test_lists_are_inputs():
    with server(BANNER + kexinit()) as port:
        assert judge(f"127.0.0.1:{port}", macs=["hmac-sha2-512"])[0] is Verdict.FAIL


def test_a_server_behind_another_host_is_not_guessed_at():
    verdict, reason = judge("")
    assert verdict is Verdict.ERROR
    assert "leads through another host" in reason


def test_a_server_that_says_nothing_useful_is_an_error():
    with server(b"hello\r\n") as port:
        assert judge(f"127.0.0.1:{port}")[0] is Verdict.ERROR


def test_addresses_of_version_six():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with server(BANNER + kexinit(), family=socket.AF_INET6) as port:
            assert judge(f"[::1]:{port}")[0] is Verdict.PASS
    except OSError:
        pytest.skip("no IPv6 on loopback")
