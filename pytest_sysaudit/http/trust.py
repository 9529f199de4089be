"""Whom to trust, and what the reasons of a failed verification mean in plain words."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from pytest_sysaudit.record import Plain

#: OpenSSL's X509_V_ERR_* codes that have a short word here.
WRONG_HOST = frozenset({62, 64})
NO_ISSUER = frozenset({2, 20, 21})
_WORDS = {
    2: "unknown issuer",
    9: "not yet valid",
    10: "expired",
    18: "self-signed",
    19: "unknown issuer",
    20: "unknown issuer",
    21: "unknown issuer",
    23: "revoked",
    24: "issued by something that is no CA",
    26: "not made for servers",
    62: "wrong host",
    64: "wrong host",
    66: "key too small",
    67: "CA key too small",
    68: "signature too weak",
    79: "issued by something that is no CA",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How the verification of a server's certificate ended.

    Attributes:
        verified: chain, dates and name are all as they must be.
        code: OpenSSL's verify code; 0 if verified.
        reason: one of a few words: expired, not yet valid, self-signed, wrong host, unknown issuer,
            missing intermediate, ...; "" if verified.
        detail: OpenSSL's own words; "" if verified.
    """

    verified: bool
    code: int = 0
    reason: str = ""
    detail: str = ""

    @property
    def chain_trusted(self) -> bool:
        """Whether the chain leads to a trusted CA and is in date, whatever name it is for."""
        return self.verified or self.code in WRONG_HOST

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        return "verified" if self.verified else f"{self.reason} ({self.detail})"


def distrust(error: ssl.SSLCertVerificationError, sent: int | None = None) -> Trust:
    """Return what *error* says; *sent* is how many certificates the server sent, if known.

    A server that sent its own certificate alone, by an issuer that is not known, most likely
    left out the intermediate one.
    """
    code = error.verify_code
    reason = _WORDS.get(code, "not trusted")
    if code in NO_ISSUER and sent == 1:
        reason = "missing intermediate"
    return Trust(verified=False, code=code, reason=reason, detail=error.verify_message)


def default_store() -> str:
    """Return the system's CA file or folder, else certifi's file.

    The place is the one that OpenSSL was built with: variables of the environment, such as
    SSL_CERT_FILE or REQUESTS_CA_BUNDLE, change nothing, so the same audit trusts the same CAs
    wherever it is started from.
    """
    built_in = ssl.get_default_verify_paths()
    file, folder = Path(built_in.openssl_cafile), Path(built_in.openssl_capath)
    if file.is_file():
        return str(file)
    if folder.is_dir() and next(folder.glob("*.0"), None):
        return str(folder)
    import certifi

    return certifi.where()


def load_store(context: ssl.SSLContext, store: str) -> None:
    """Make *context* trust the CAs in the file or folder *store*."""
    if Path(store).is_dir():
        context.load_verify_locations(capath=store)
    else:
        context.load_verify_locations(cafile=store)
