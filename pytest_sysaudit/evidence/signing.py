"""Keys that sign a recording: ed25519, as PEM."""

from __future__ import annotations

import base64
import binascii
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import EvidenceError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE_NAME, PUBLIC_NAME = "evidence-key.pem", "evidence-key.pub"
_MAKE = "make one with: sysaudit evidence key"
_HEX = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")


class SigningKey:
    """A private key that signs.

    Attributes:
        public: the public key, 64 hex digits.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw().hex()

    def sign(self, data: bytes) -> str:
        """Return the signature of *data*, 128 hex digits."""
        return self._key.sign(data).hex()

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a signing key stays in its process")


def read_key(text: str) -> SigningKey:
    """Return the private key that *text* holds: PEM (PKCS #8), or the line between its ends.

    Raises:
        EvidenceError: it is none; the message never holds it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    der = _der(text, "PRIVATE KEY", f"the signing key: {_MAKE}")
    try:
        key = load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise EvidenceError(
            f"the signing key: expected an ed25519 key as PKCS #8, found something else; {_MAKE}"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        kind = type(key).__name__.lstrip("_").removesuffix("PrivateKey")
        raise EvidenceError(f"the signing key: expected an ed25519 key, found {kind}; {_MAKE}")
    return SigningKey(key)


def read_public_key(text: str) -> str:
    """Return the public key that *text* holds, PEM or 64 hex digits, as 64 hex digits.

    Raises:
        EvidenceError: it is none.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if _HEX.fullmatch(text.strip().lower()):
        return text.strip().lower()
    way_out = "give the file that ends in .pub, or the 64 hex digits"
    if "PRIVATE KEY" in text:
        raise EvidenceError(f"the public key: this is a private key; {way_out}")
    der = _der(text, "PUBLIC KEY", f"the public key: {way_out}")
    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise EvidenceError(f"the public key: expected an ed25519 key; {way_out}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise EvidenceError(f"the public key: expected an ed25519 key; {way_out}")
    return key.public_bytes_raw().hex()


def is_signature(public: str, signature: str, data: bytes) -> bool:
    """Whether *signature* (128 hex digits) of *data* was made with the key to *public*."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not (_HEX.fullmatch(public) and _SIGNATURE.fullmatch(signature)):
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def new_key_pair(folder: Path) -> tuple[Path, Path]:
    """Write a new private key, for its owner alone, and its public key into *folder*.

    The folder is made, for its owner alone, if it is not there.

    Returns:
        Both files. The private one is for ``signing_key: file:...`` in the inventory.

    Raises:
        EvidenceError: one is there already, or cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EvidenceError(
            f"{folder}: cannot be made: {error.strerror}; name another folder"
        ) from error
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = folder / PRIVATE_NAME, folder / PUBLIC_NAME
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    shown = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write_new(public, shown, 0o644)
    try:
        _write_new(private, secret, 0o600)
    except EvidenceError:
        public.unlink()
        raise
    return private, public


def _write_new(path: Path, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags, mode), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise EvidenceError(
            f"{path}: is there already; a key is never written over, name another folder"
        ) from None
    except OSError as error:
        raise EvidenceError(
            f"{path}: cannot be written: {error.strerror}; name another folder"
        ) from error


def _der(text: str, label: str, way_out: str) -> bytes:
    """Return the bytes between the ends of PEM *text*, which may be missing."""
    subject, _, hint = way_out.partition(": ")
    if "ENCRYPTED" in text:
        raise EvidenceError(
            f"{subject}: is encrypted; decrypt it with: openssl pkcs8 -in KEY -out NEW"
        )
    found = re.search(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", text, re.DOTALL)
    if found is not None and found[1] != label:
        raise EvidenceError(f"{subject}: expected PEM of a {label}, found {found[1]}; {hint}")
    try:
        return base64.b64decode("".join((found[2] if found else text).split()), validate=True)
    except (binascii.Error, ValueError):
        raise EvidenceError(f"{subject}: expected PEM, found something else; {hint}") from None
