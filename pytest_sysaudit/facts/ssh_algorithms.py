"""Algorithms of ssh that are known to be weak, as shell patterns; what is new is not among them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

WEAK_CIPHERS = ["*-cbc", "*-cbc@*", "3des*", "arcfour*", "blowfish*", "cast128*", "none"]
WEAK_MACS = ["*md5*", "hmac-sha1*", "*-96*", "umac-64*", "hmac-ripemd*", "none"]
WEAK_KEX = [
    "diffie-hellman-group1-*",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group-exchange-sha1",
    "rsa1024-*",
]
WEAK_HOST_KEYS = ["ssh-rsa", "ssh-rsa-cert-*", "ssh-dss*"]


def weak(offered: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the algorithms of *offered* that a shell pattern of *patterns* fits."""
    return [name for name in offered if any(fnmatchcase(name, pattern) for pattern in patterns)]
