"""What one TLS handshake agreed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_sysaudit.http.certificate import Certificate, parse
from pytest_sysaudit.record import Plain

_PEM_OR_DER = 2  # _ssl.ENCODING_DER, which python 3.11 does not publish


@dataclass(frozen=True, kw_only=True)
class TlsInfo:
    """What one TLS handshake agreed on.

    Attributes:
        version: ``TLSv1.3``.
        cipher: the suite in OpenSSL's spelling, as ``TLS_AES_256_GCM_SHA384``.
        bits: of its key.
        alpn: ``http/1.1``, or "" if none was agreed on.
        verified: whether the certificate was checked against trusted CAs and the host's name.
        handshake_ms: milliseconds.
        der: the server's certificate.
        chain_der: all certificates that the server sent, its own first. Only its own if this
            python cannot tell.
    """

    version: str
    cipher: str
    bits: int
    alpn: str
    verified: bool
    handshake_ms: float
    der: bytes = field(repr=False)
    chain_der: tuple[bytes, ...] = field(repr=False)

    @cached_property
    def certificate(self) -> Certificate:
        """The server's certificate; CannotAssess if it cannot be read."""
        return parse(self.der)

    @cached_property
    def chain(self) -> tuple[Certificate, ...]:
        """All certificates that the server sent, its own first."""
        return tuple(map(parse, self.chain_der))

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        names = ("version", "cipher", "bits", "alpn", "verified", "handshake_ms")
        plain: dict[str, Plain] = {name: getattr(self, name) for name in names}
        plain["certificate"] = self.certificate.to_plain()
        plain["chain"] = [cert.subject for cert in self.chain]
        return plain


def pack(info: TlsInfo) -> tuple[dict[str, Plain], dict[str, bytes]]:
    """Return *info* as JSON data, and its certificates as contents by name."""
    names = ("version", "cipher", "bits", "alpn", "verified", "handshake_ms")
    plain: dict[str, Plain] = {name: getattr(info, name) for name in names}
    plain["certificates"] = len(info.chain_der)
    chain = {f"certificate.{number}": der for number, der in enumerate(info.chain_der)}
    return plain, {"certificate": info.der, **chain}


def unpack(plain: Mapping[str, Plain], parts: Mapping[str, bytes]) -> TlsInfo:
    """Undo `pack`."""
    facts = dict(plain)
    chain = [parts.get(f"certificate.{n}", b"") for n in range(facts.pop("certificates"))]
    return TlsInfo(**facts, der=parts.get("certificate", b""), chain_der=tuple(chain))


def tls_info(sock: Any, *, verified: bool, handshake_ms: float) -> TlsInfo:
    """Read the facts of *sock*, an SSLSocket (or urllib3's SSLTransport) after its handshake."""
    name, _, bits = sock.cipher() or ("", "", 0)
    der = sock.getpeercert(binary_form=True) or b""
    return TlsInfo(
        version=sock.version() or "",
        cipher=name,
        bits=bits or 0,
        alpn=sock.selected_alpn_protocol() or "",
        verified=verified,
        handshake_ms=round(handshake_ms, 1),
        der=der,
        chain_der=tuple(_sent_chain(sock)) or (der,),
    )


def _sent_chain(sock: Any) -> Sequence[bytes]:
    """Return what the server sent; public from python 3.13 on, private before."""
    public = getattr(sock, "get_unverified_chain", None)
    if public is not None:
        return list(public())
    private = getattr(getattr(sock, "_sslobj", None), "get_unverified_chain", None)
    if private is None:
        return []
    return [cert.public_bytes(_PEM_OR_DER) for cert in private() or ()]
