"""Keys: made, read, refused with the way out, and never shown."""

from __future__ import annotations

import base64
import pickle
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from lab.inventories import loaded
from lab.recordings import small

from pytest_sysaudit.errors import EvidenceError
from pytest_sysaudit.evidence import signing
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.evidence.verify import verify
from pytest_sysaudit.inventory.secrets import Secrets

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OLD = serialization.PrivateFormat.TraditionalOpenSSL
PLAIN = serialization.NoEncryption()
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
INVENTORY = """\
version: 1
hosts: {here: {connection: local}}
evidence: {signing_key: "%s"}
"""
TEXT = KEY.private_bytes(PEM, PKCS8, PLAIN).decode()
PUBLIC = KEY.public_key().public_bytes_raw().hex()


def test_a_new_pair_signs_and_verifies(tmp_path):
    private, public = signing.new_key_pair(tmp_path)
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644
    key = signing.read_key(private.read_text())
    assert signing.read_public_key(public.read_text()) == key.public
    assert verify(small(tmp_path / "b", key=key), public.read_text()).trusted


def test_openssl_reads_the_pair(tmp_path):
    private, public = signing.new_key_pair(tmp_path)
    shown = subprocess.run(
        ["openssl", "pkey", "-in", private, "-pubout"], capture_output=True, check=True
    ).stdout
    assert shown == public.read_bytes()


def test_a_key_is_never_written_over(tmp_path):
    private, _ = signing.new_key_pair(tmp_path)
    before = private.read_bytes()
    with pytest.raises(EvidenceError, match="is there already; a key is never written over"):
        signing.new_key_pair(tmp_path)
    (tmp_path / signing.PUBLIC_NAME).unlink()
    with pytest.raises(EvidenceError, match="never written over"):
        signing.new_key_pair(tmp_path)
    assert private.read_bytes() == before
    assert not (tmp_path / signing.PUBLIC_NAME).exists()


def test_where_no_key_can_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EvidenceError, match="file"):
        signing.new_key_pair(tmp_path / "file" / "none")


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        "a comment\n" + TEXT + "\n\n",
        TEXT.splitlines()[1],
        base64.b64encode(KEY.private_bytes(serialization.Encoding.DER, PKCS8, PLAIN)).decode(),
    ],
    ids=["pem", "crlf", "comment", "the line alone", "der in base64"],
)
def test_a_key_is_read_from_pem_or_the_line_in_it(text):
    assert signing.read_key(text).public == PUBLIC


def _pem(key, encryption=PLAIN, form=PKCS8):
    return key.private_bytes(PEM, form, encryption).decode()


@pytest.mark.parametrize(
    "text, words",
    [
        (_pem(rsa.generate_private_key(65537, 2048)), "expected an ed25519 key, found RSA"),
        (_pem(ec.generate_private_key(ec.SECP256R1())), "expected an ed25519 key, found E"),
        (_pem(KEY, serialization.BestAvailableEncryption(b"x")), "is encrypted; decrypt it with"),
        (
            _pem(ec.generate_private_key(ec.SECP256R1()), form=OLD),
            "expected PEM of a PRIVATE KEY, found EC PRIVATE KEY",
        ),
        (
            KEY.public_key().public_bytes(PEM, SPKI).decode(),
            "expected PEM of a PRIVATE KEY, found PUBLIC KEY",
        ),
        (_pem(KEY, form=serialization.PrivateFormat.OpenSSH), "found OPENSSH PRIVATE KEY"),
        ("hunter2hunter2", "something else"),
        ("not base64!", "expected PEM, found something else"),
        ("", "expected an ed25519 key as PKCS #8"),
        (TEXT.replace("MC4C", "MC4D"), "expected an ed25519 key as PKCS #8"),
        (TEXT.replace("-----END", "----END"), "expected PEM, found something else"),
    ],
    ids=range(11),
)
def test_what_is_no_key_is_refused_without_showing_it(text, words):
    with pytest.raises(EvidenceError, match=words) as caught:
        signing.read_key(text)
    lines = [line for line in text.splitlines() if len(line) > 8 and "-----" not in line]
    assert not any(line in str(caught.value) for line in lines)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("text", [PUBLIC, f" {PUBLIC.upper()}\n"])
def test_a_public_key_may_be_hex(text):
    assert signing.read_public_key(text) == PUBLIC


@pytest.mark.parametrize(
    "text, words",
    [
        (TEXT, "this is a private key; give the file that ends in .pub"),
        ("", "expected an ed25519 key"),
        ("zz", "expected PEM|expected an ed25519 key"),
        (
            rsa.generate_private_key(65537, 2048).public_key().public_bytes(PEM, SPKI).decode(),
            "expected an ed25519 key",
        ),
    ],
    ids=["private", "empty", "words", "rsa"],
)
def test_what_is_no_public_key_is_refused(text, words):
    with pytest.raises(EvidenceError, match=words):
        signing.read_public_key(text)


def test_a_key_shows_nothing_and_stays_in_its_process():
    key = signing.read_key(TEXT)
    assert PUBLIC in repr(key)
    assert bytes(range(32)).hex() not in repr(key)
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(key)


@pytest.mark.parametrize(
    "public, signature",
    [("", ""), ("zz" * 32, "00" * 64), (PUBLIC, "00" * 64), (PUBLIC, "0"), ("00" * 32, "00" * 64)],
)
def test_what_is_no_signature_is_none(public, signature):
    assert not signing.is_signature(public, signature, b"data")


def test_a_signature_is_of_one_text_alone():
    signature = signing.read_key(TEXT).sign(b"data")
    assert signing.is_signature(PUBLIC, signature, b"data")
    assert not signing.is_signature(PUBLIC, signature, b"date")
    assert not signing.is_signature(PUBLIC, signature.upper(), b"data")


# -- named by the inventory ----------------------------------------------------------------


def test_the_inventory_names_the_key_and_it_is_hidden_everywhere(tmp_path, monkeypatch):
    private, _ = signing.new_key_pair(tmp_path)
    monkeypatch.setenv("AUDIT_KEY", private.read_text())
    for reference in (f"file:{private}", "env:AUDIT_KEY"):
        inventory = loaded(
            tmp_path,
            INVENTORY % reference,
        )
        redactor = Redactor()
        secret = inventory.model.evidence.signing_key
        text = Secrets(redactor).get(secret, purpose="the signing key", base=tmp_path)
        assert signing.read_key(text).public
        line = private.read_text().splitlines()[1]
        assert line not in redactor.text(f"x {line} y")


def test_a_key_in_the_inventory_is_refused_and_not_shown(tmp_path):
    line = TEXT.splitlines()[1]
    with pytest.raises(Exception, match="a secret is never written in the inventory") as caught:
        loaded(
            tmp_path,
            INVENTORY % line,
        )
    assert line not in str(caught.value)
