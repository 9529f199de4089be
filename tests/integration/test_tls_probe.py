from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import time

import pytest
from lab.faults import Server, refused, silent, unanswered
from lab.nginx import GOOD_TLS, OLD_TLS, nginx, tls_server
from lab.tls import Authority, rsa_key

from pytest_sysaudit.errors import CannotAssess, ConnectionLost, TimedOut, Unreachable
from pytest_sysaudit.http.failures import TlsFailed
from pytest_sysaudit.http.tls import inspect_tls


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """An authority, and the ports of one nginx with a modern and an old server."""
    folder = tmp_path_factory.mktemp("nginx")
    authority = Authority(folder / "ca")
    pair = authority.server("rsa", key=rsa_key(2048))
    modern = "ssl_protocols TLSv1.3;"
    servers = {
        "good": tls_server(authority.server(), settings=GOOD_TLS),
        "modern": tls_server(pair, settings=modern),
        "old": tls_server(pair, settings=OLD_TLS),
        "p384": tls_server(pair, settings="ssl_protocols TLSv1.3; ssl_ecdh_curve secp384r1;"),
    }
    with nginx(folder, servers) as ports:
        yield authority, ports


def openssl_suites(port: int) -> set[int]:
    """What the local OpenSSL gets from a TLS 1.2 server, one suite after the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    codes = {suite["name"]: suite["id"] & 0xFFFF for suite in context.get_ciphers()}
    names = [suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"]
    found = set()
    while names:
        context.set_ciphers(":".join(names) + ":@SECLEVEL=0")
        try:
            with (
                socket.create_connection(("127.0.0.1", port), 5) as raw,
                context.wrap_socket(raw) as sock,
            ):
                chosen = sock.cipher()[0]
        except ssl.SSLError:
            break
        names.remove(chosen)
        found.add(codes[chosen])
    return found


@pytest.mark.parametrize("name", ["good", "old"])
def test_suites_are_those_that_openssl_finds(lab, name):
    _, ports = lab
    probe = inspect_tls("localhost", ports[name])
    assert {suite.code for suite in probe.suites_of("TLSv1.2")} == openssl_suites(ports[name])


@pytest.mark.parametrize(
    "name, accepted",
    [
        ("good", ["TLSv1.2", "TLSv1.3"]),
        ("modern", ["TLSv1.3"]),
        ("p384", ["TLSv1.3"]),
        ("old", ["TLSv1", "TLSv1.1", "TLSv1.2"]),
    ],
)
def test_versions_of_nginx(lab, name, accepted):
    authority, ports = lab
    probe = inspect_tls("localhost", ports[name], store=str(authority.ca_file))
    assert [version for version, yes in probe.versions.items() if yes] == accepted
    assert probe.verified
    assert list(probe.suites) == accepted
    assert probe.suites_of("SSLv3") == ()
    assert json.dumps(probe.to_plain())


def test_address_is_a_name_too(lab):
    authority, ports = lab
    probe = inspect_tls("127.0.0.1", ports["good"], store=str(authority.ca_file))
    assert probe.verified
    assert probe.certificate.covers("127.0.0.1")


def test_store_may_be_a_folder(lab, tmp_path):
    _, ports = lab
    (tmp_path / "empty").mkdir()
    probe = inspect_tls("localhost", ports["good"], store=str(tmp_path / "empty"))
    assert probe.trust.reason == "unknown issuer"


def hello_server(react) -> Server:
    """A server whose answer to a ClientHello is what *react* makes of version and suites."""

    class HelloServer(Server):
        def _serve(self):
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = self._listener.accept()
                    self._held.append(connection)
                    if data := connection.recv(4096):
                        self.answer(connection, data)

        def answer(self, connection, data):
            version = b"\3\4" if b"\0\x2b\0\3\2\3\4" in data else data[9:11]
            at = 44 + data[43]
            size = struct.unpack_from("!H", data, at)[0]
            reply = react(version, struct.unpack_from(f"!{size // 2}H", data, at + 2))
            if reply is not None:
                connection.sendall(reply)
                connection.close()

    return HelloServer()


def server_hello(code: int) -> bytes:
    body = b"\3\3" + bytes(32) + b"\0" + struct.pack("!H", code) + b"\0"
    message = b"\2" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\3" + struct.pack("!H", len(message)) + message


def alert(code: int) -> bytes:
    return bytes([21, 3, 3, 0, 2, 2, code])


def always(reply: bytes):
    """React to everything alike."""
    return lambda *_: reply


def reacting(other: bytes | None):
    """Accept TLS 1.2 with two suites; answer *other* to everything else."""

    def react(version, codes):
        known = [code for code in (0xC02F, 0x0005) if code in codes]
        return server_hello(known[0]) if version == b"\3\3" and known else other

    return react


@pytest.mark.parametrize(
    "other", [alert(70), alert(40), b"", server_hello(0xC02F)], ids=["70", "40", "close", "1.2"]
)
def test_clear_refusals(other):
    with hello_server(reacting(other)) as server:
        probe = inspect_tls(*server.address, timeout=1)
        assert [version for version, yes in probe.versions.items() if yes] == ["TLSv1.2"]


@pytest.mark.parametrize(
    "other", [None, alert(80), alert(112), b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_unclear_answers_are_no_refusals(other):
    with hello_server(reacting(other)) as server:
        probe = inspect_tls(*server.address, timeout=0.2)
        with pytest.raises(CannotAssess, match=r"SSLv3: no clear answer"):
            _ = probe.versions


def test_warning_about_the_name_is_not_the_answer():
    def react(version, codes):
        known = [code for code in (0xC02F,) if code in codes]
        if version != b"\3\3" or not known:
            return alert(70)
        return bytes([21, 3, 3, 0, 2, 1, 112]) + server_hello(known[0])

    with hello_server(react) as server:
        probe = inspect_tls(*server.address, timeout=1)
        assert [suite.code for suite in probe.suites_of("TLSv1.2")] == [0xC02F]


def test_a_server_that_had_enough_of_us_has_not_refused_the_rest():
    answered = []

    def react(version, codes):
        known = [code for code in (0xC02F, 0xC030, 0x0005) if code in codes]
        if version != b"\3\3" or not known:
            return alert(70)
        answered.append(version)
        return server_hello(known[0]) if len(answered) < 4 else b""

    with hello_server(react) as server:
        probe = inspect_tls(*server.address, timeout=1)
        with pytest.raises(CannotAssess, match="it may limit connections"):
            probe.suites_of("TLSv1.2")


def test_silence_in_the_middle_is_not_the_end_of_the_suites():
    def react(version, codes):
        if version != b"\3\3":
            return alert(70)
        return server_hello(0xC02F) if 0xC02F in codes else None

    with hello_server(react) as server:
        probe = inspect_tls(*server.address, timeout=0.2)
        assert probe.versions["TLSv1.2"]
        with pytest.raises(CannotAssess, match="fewer suites"):
            probe.suites_of("TLSv1.2")


def test_suites_that_no_openssl_speaks_are_found():
    with hello_server(reacting(alert(40))) as server:
        found = inspect_tls(*server.address, timeout=1).suites_of("TLSv1.2")
    assert [suite.name for suite in found] == [
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_RC4_128_SHA",
    ]
    assert found[1].weaknesses == ("RC4",)


def test_suite_that_was_not_offered_is_no_answer():
    with hello_server(always(server_hello(0x1301))) as server:
        probe = inspect_tls(*server.address, timeout=1)
        with pytest.raises(CannotAssess, match="not offered"):
            probe.suites_of("TLSv1.2")


@pytest.mark.parametrize("other", [alert(70), b"", b"SSH-2.0-x\r\n"])
def test_no_version_at_all_cannot_be_assessed(other):
    with hello_server(always(other)) as server:
        probe = inspect_tls(*server.address, timeout=1)
        with pytest.raises(CannotAssess, match="no TLS version was accepted"):
            _ = probe.versions


def test_faults():
    host, port = refused()
    with pytest.raises(Unreachable, match="refused"):
        _ = inspect_tls(host, port).versions
    with pytest.raises(Unreachable, match="refused"):
        _ = inspect_tls(host, port).trust
    with unanswered() as place, pytest.raises(Unreachable, match="no answer"):
        _ = inspect_tls(*place, timeout=0.2).certificate
    with silent() as server:
        with pytest.raises(TimedOut, match="handshake"):
            _ = inspect_tls(*server.address, timeout=0.2).certificate
        with pytest.raises(Unreachable, match="answers nothing"):
            inspect_tls(*server.address, timeout=0.2).reach()
    with hello_server(always(alert(40))) as server:
        probe = inspect_tls(*server.address, timeout=1)
        with pytest.raises((TlsFailed, ConnectionLost)):
            _ = probe.certificate
        assert probe.reach().startswith("127.0.0.1:")


def test_each_fact_is_asked_for_once(lab):
    authority, ports = lab
    probe = inspect_tls("localhost", ports["good"], store=str(authority.ca_file))
    begin = time.monotonic()
    first = (probe.handshake, probe.versions, probe.suites_of("TLSv1.2"), probe.trust)
    spent = time.monotonic() - begin
    probe.port = refused()[1]
    again = (probe.handshake, probe.versions, probe.suites_of("TLSv1.2"), probe.trust)
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert spent < 30
