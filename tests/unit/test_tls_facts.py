from __future__ import annotations

import ssl
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from lab.tls import Authority, rsa_key

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.http.certificate import Certificate, parse
from pytest_sysaudit.http.hello import VERSIONS, client_hello, parse_server_hello
from pytest_sysaudit.http.suites import all_suites
from pytest_sysaudit.http.trust import Trust, default_store, distrust


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def der(pair) -> bytes:
    return pair.cert.public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="module")
def some(authority) -> Certificate:
    return parse(der(authority.server()))


@pytest.mark.parametrize(
    "names, asked, covered",
    [
        (("shop.test",), "shop.test", True),
        (("SHOP.test",), "shop.TEST.", True),
        (("*.shop.test",), "www.shop.test", True),
        (("*.shop.test",), "shop.test", False),
        (("*.shop.test",), "a.b.shop.test", False),
        (("*.shop.test",), ".shop.test", False),
        (("w*.shop.test",), "www.shop.test", False),
        (("*",), "localhost", False),
        (("xn--bcher-kva.test",), "bücher.test", True),
        (("192.0.2.1",), "192.0.2.1", True),
        (("192.0.2.1",), "192.0.2.2", False),
        (("*.0.2.1",), "192.0.2.1", False),
        (("2001:db8::1",), "[2001:0db8:0::1]", True),
        ((), "shop.test", False),
    ],
)
def test_names_that_a_certificate_covers(some, names, asked, covered):
    addresses = tuple(name for name in names if name in ("192.0.2.1", "2001:db8::1"))
    assert replace(some, names=names, addresses=addresses).covers(asked) is covered


def test_a_dns_name_that_reads_like_an_address_covers_none(some):
    assert not replace(some, names=("192.0.2.1",), addresses=()).covers("192.0.2.1")


def test_facts_of_a_certificate(authority):
    cert = parse(der(authority.server("facts", key=rsa_key(2048), days=10, start=-2)))
    assert (cert.subject, cert.issuer) == ("CN=facts", "CN=lab intermediate")
    assert (cert.key_type, cert.key_bits, cert.signature_hash) == ("RSA", 2048, "sha256")
    assert (cert.self_signed, cert.is_ca, cert.lifetime_days) == (False, False, 10)
    assert (cert.names, cert.addresses) == (("localhost", "127.0.0.1", "::1"), cert.names[1:])
    assert 7 < cert.days_left(datetime.now(UTC)) < 8
    assert cert.days_left(datetime.now(UTC) + timedelta(days=20)) < 0
    root = parse(der(authority.root))
    assert (root.self_signed, root.is_ca, root.curve) == (True, True, "secp256r1")
    assert root.to_plain()["names"] == []


@pytest.mark.parametrize("data", [b"", b"\x30\x03\x02\x01\x01", bytes(range(50))])
def test_what_is_no_certificate(data):
    with pytest.raises(CannotAssess, match="cannot be read"):
        parse(data)


@pytest.mark.parametrize(
    "code, sent, reason, chain_trusted",
    [
        (10, 2, "expired", False),
        (9, 2, "not yet valid", False),
        (18, 1, "self-signed", False),
        (19, 2, "unknown issuer", False),
        (20, 1, "missing intermediate", False),
        (20, 2, "unknown issuer", False),
        (21, None, "unknown issuer", False),
        (62, 2, "wrong host", True),
        (64, 2, "wrong host", True),
        (9999, 2, "not trusted", False),
    ],
)
def test_words_for_a_failed_verification(code, sent, reason, chain_trusted):
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "openssl's words"
    trust = distrust(error, sent)
    assert (trust.reason, trust.chain_trusted, trust.verified) == (reason, chain_trusted, False)
    assert str(trust) == f"{reason} (openssl's words)"


def test_verified_is_trusted():
    assert Trust(verified=True).chain_trusted
    assert str(Trust(verified=True)) == "verified"


def test_store_does_not_depend_on_the_environment(monkeypatch):
    before = default_store()
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    assert default_store() == before
    assert Path(before).exists()


@pytest.mark.parametrize(
    "name, weaknesses, forward_secret",
    [
        ("TLS_RSA_WITH_NULL_SHA", ("no encryption",), False),
        ("TLS_SHA256_SHA256", ("no encryption",), True),
        ("TLS_ECDH_anon_WITH_AES_128_CBC_SHA", ("no authentication",), True),
        ("TLS_RSA_EXPORT_WITH_RC4_40_MD5", ("export-grade key", "RC4", "MD5"), False),
        ("TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA", ("export-grade key", "single DES"), True),
        ("TLS_RSA_WITH_DES_CBC_SHA", ("single DES",), False),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", ("3DES, 64-bit blocks",), False),
        ("TLS_RSA_WITH_AES_128_GCM_SHA256", (), False),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", (), True),
        ("TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256", (), False),
        ("TLS_DHE_PSK_WITH_AES_128_GCM_SHA256", (), True),
        ("TLS_AES_128_GCM_SHA256", (), True),
        ("TLS_CHACHA20_POLY1305_SHA256", (), True),
    ],
)
def test_suites(name, weaknesses, forward_secret):
    suite = next(suite for suite in all_suites().values() if suite.name == name)
    assert (suite.weaknesses, suite.forward_secret) == (weaknesses, forward_secret)


def test_suites_of_the_local_openssl_are_known():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    codes = {suite["id"] & 0xFFFF for suite in context.get_ciphers()}
    assert codes <= set(all_suites())


@pytest.mark.parametrize("version", VERSIONS)
def test_hello_offers_one_version(version):
    data = client_hello(version, [0x1301, 0xC02F], "shop.test")
    assert data[0] == 22
    assert len(data) == 5 + int.from_bytes(data[3:5], "big")
    assert (b"shop.test" in data) is (version != "SSLv3")
    assert (b"\0\x2b\0\3\2\3\4" in data) is (version == "TLSv1.3")
    assert data[9:11] == bytes([3, min(VERSIONS[version], 0x0303) & 0xFF])


@pytest.mark.parametrize("name", ["192.0.2.1", "::1", "fe80::1%eth0", ""])
def test_hello_names_no_address(name):
    assert client_hello("TLSv1.2", [1], name) != b""
    assert len(client_hello("TLSv1.2", [1], name)) == len(client_hello("TLSv1.2", [1]))


HEAD = b"\3\3" + bytes(32) + b"\0"


@pytest.mark.parametrize(
    "message, found",
    [
        (HEAD + b"\xc0\x2f\0", ("TLSv1.2", 0xC02F)),
        (b"\3\1" + HEAD[2:] + b"\0\5\0", ("TLSv1", 5)),
        (HEAD + b"\x13\1\0" + b"\0\6" + b"\0\x2b\0\2\3\4", ("TLSv1.3", 0x1301)),
        (HEAD + b"\x13\2\0" + b"\0\x0a" + b"\0\x33\0\0" + b"\0\x2b\0\2\3\4", ("TLSv1.3", 0x1302)),
        (b"\3\3" + bytes(32) + b"\2ab" + b"\xc0\x30\0\0\0", ("TLSv1.2", 0xC030)),
    ],
)
def test_server_hello(message, found):
    assert parse_server_hello(message) == found


@pytest.mark.parametrize("message", [b"", b"\3\3", HEAD, b"\7\7" + HEAD[2:] + b"\0\5\0"])
def test_what_is_no_server_hello(message):
    with pytest.raises((ValueError, IndexError, struct.error)):
        parse_server_hello(message)
