"""Public keys as OpenSSH writes them: kind, size and fingerprint, read from the blob itself."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

_CURVE = re.compile(r"nistp(\d+)")
_EDWARDS = {"ed25519": 256, "ed448": 448}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key.

    Attributes:
        kind: as the key itself says: ``ssh-ed25519``.
        bits: its size; 0 for kinds that we do not know.
        fingerprint: ``SHA256:...``, as ssh-keygen -l prints it.
        comment: what stands behind it.
    """

    kind: str
    bits: int
    fingerprint: str
    comment: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.bits} {self.fingerprint}".replace(" 0 ", " ")


def parse_key(text: str) -> PublicKey:
    """Parse ``ssh-rsa AAAA... comment``.

    Raises:
        ValueError: it is no public key, or the blob is of another kind than it says.
    """
    kind, encoded, *rest = text.split(None, 2)
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    fields = _fields(blob)
    if fields[0].decode("ascii", "replace") != kind:
        raise ValueError("the blob is of another kind")
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    comment = rest[0].strip() if rest else ""
    return PublicKey(kind, _bits(kind, fields), f"SHA256:{digest}", comment)


def _fields(blob: bytes) -> list[bytes]:
    """Return the strings that *blob* is made of."""
    found: list[bytes] = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        field, rest = blob[4 : 4 + size], blob[4 + size :]
        if len(blob) < 4 or len(field) < size:  # noqa: PLR2004 - the length itself
            if found and "-cert-" in found[0].decode("ascii", "replace"):
                break  # behind its key, a certificate holds numbers too
            raise ValueError("the blob is cut")
        found.append(field)
        blob = rest
    if not found:
        raise ValueError("the blob is empty")
    return found


def _bits(kind: str, fields: list[bytes]) -> int:
    """Return the size of the key: of RSA's modulus, of DSA's prime, of the curve."""
    if curve := _CURVE.search(kind):
        return int(curve[1])
    for name, bits in _EDWARDS.items():
        if name in kind:
            return bits
    first = 2 if "-cert-" in kind else 1  # a certificate has a nonce before it
    if kind.startswith("ssh-rsa"):
        first += 1  # the exponent
    elif not kind.startswith("ssh-dss"):
        return 0
    if len(fields) <= first:
        raise ValueError("the blob is cut")
    return int.from_bytes(fields[first], "big").bit_length()
