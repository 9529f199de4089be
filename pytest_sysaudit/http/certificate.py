"""The facts of one X.509 certificate."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pytest_sysaudit import clock
from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from cryptography import x509

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What one certificate says.

    Attributes:
        subject: RFC 4514 text, as ``CN=shop.example,O=Shop``.
        issuer: RFC 4514 text.
        names: the DNS names and IP addresses of the subjectAltName, in its order.
        addresses: those of ``names`` that are IP addresses: a DNS name that reads like one is none.
        not_before: aware, UTC.
        not_after: aware, UTC.
        key_type: ``RSA``, ``EC``, ``DSA``, ``Ed25519`` or ``Ed448``.
        key_bits: size of the modulus or of the curve.
        curve: the curve's name, "" for keys that name none.
        signature_hash: ``sha256``; "" where the algorithm has a hash of its own (Ed25519).
        serial: hexadecimal.
        self_signed: issued by itself, and the signature fits its own key.
        is_ca: basicConstraints say that it may issue others.
        sha256: hexadecimal fingerprint of the DER bytes.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key_type: str
    key_bits: int
    curve: str
    signature_hash: str
    serial: str
    self_signed: bool
    is_ca: bool
    sha256: str

    @property
    def lifetime_days(self) -> float:
        """Days from the first to the last moment of its validity."""
        return (self.not_after - self.not_before) / _DAY

    def days_left(self, now: datetime | None = None) -> float:
        """Return the days from *now*, by default the run's begin, until it expires."""
        return (self.not_after - (now or clock.now())) / _DAY

    def covers(self, host: str) -> bool:
        """Tell whether *host* is among its names (RFC 9525: ``*`` stands for one whole label)."""
        try:
            address = str(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
        except ValueError:
            wanted = _ascii(host)
            return any(_matches(name.lower(), wanted) for name in self.names)
        return address in self.addresses

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        plain: dict[str, Plain] = {name: getattr(self, name) for name in self.__slots__}
        plain["names"], plain["addresses"] = list(self.names), list(self.addresses)
        for name in ("not_before", "not_after"):
            plain[name] = plain[name].strftime("%Y-%m-%dT%H:%M:%SZ")
        return plain


def parse(der: bytes) -> Certificate:
    """Return the facts of the certificate *der*.

    Raises:
        CannotAssess: it is not a certificate that can be read.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _facts(x509.load_der_x509_certificate(der))
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise CannotAssess(f"the certificate cannot be read: {error}") from error


def _facts(cert: x509.Certificate) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    names = _names(cert)
    key_type, bits, curve = _key(cert)
    algorithm = cert.signature_hash_algorithm
    return Certificate(
        subject=cert.subject.rfc4514_string(),
        issuer=cert.issuer.rfc4514_string(),
        names=tuple(str(name.value) for name in names),
        addresses=tuple(str(n.value) for n in names if isinstance(n, x509.IPAddress)),
        not_before=cert.not_valid_before_utc,
        not_after=cert.not_valid_after_utc,
        key_type=key_type,
        key_bits=bits,
        curve=curve,
        signature_hash=algorithm.name if algorithm else "",
        serial=f"{cert.serial_number:x}",
        self_signed=_self_signed(cert),
        is_ca=_is_ca(cert),
        sha256=cert.fingerprint(SHA256()).hex(),
    )


def _key(cert: x509.Certificate) -> tuple[str, int, str]:
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    key = cert.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size, ""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size, key.curve.name
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", key.key_size, ""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519", 256, "ed25519"
    if isinstance(key, ed448.Ed448PublicKey):
        return "Ed448", 456, "ed448"
    raise CannotAssess(f"the certificate has a key of an unknown kind: {type(key).__name__}")


def _names(cert: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    from cryptography import x509

    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name for name in found if isinstance(name, (x509.DNSName, x509.IPAddress)))


def _is_ca(cert: x509.Certificate) -> bool:
    from cryptography import x509

    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _self_signed(cert: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        cert.verify_directly_issued_by(cert)
    except UnsupportedAlgorithm:  # a hash so old that nobody checks it any more
        return cert.issuer == cert.subject
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _ascii(host: str) -> str:
    """Return the form of *host* that certificates use: lower case, IDNA, no dot at the end."""
    host = host.rstrip(".").lower()
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def _matches(name: str, host: str) -> bool:
    if name.startswith("*."):
        label, dot, rest = host.partition(".")
        return bool(label and dot) and rest == name[2:]
    return name == host
