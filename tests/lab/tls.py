"""A certificate authority for tests, and certificates with exactly one thing wrong."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Pair:
    """PEM files of a certificate (with what is sent along) and its key, and both as objects."""

    cert_file: Path
    key_file: Path
    cert: x509.Certificate
    key: Any

    @property
    def files(self) -> tuple[str, str]:
        return str(self.cert_file), str(self.key_file)


class Authority:
    """A root, an intermediate below it, and servers' certificates by the intermediate."""

    def __init__(self, folder: Path, name: str = "lab") -> None:
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        self.root = self.issue(f"{name} root", ca=True, days=3650)
        self.intermediate = self.issue(f"{name} intermediate", ca=True, by=self.root, days=1825)
        self.ca_file = self.root.cert_file

    def server(self, label: str = "good", **wrong: Any) -> Pair:
        """A server's certificate, by the intermediate, that one sent along."""
        options = {"names": NAMES, "by": self.intermediate, "send": (self.intermediate,), **wrong}
        return self.issue(label, **options)

    def sha1(self, label: str) -> Pair:
        """A server's certificate by the root, over SHA-1: only openssl still signs so."""
        key = rsa_key(2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        asked = x509.CertificateSigningRequestBuilder().subject_name(subject)
        asked = asked.add_extension(x509.SubjectAlternativeName(_names(NAMES)), critical=False)
        request = self.folder / f"{label}.csr"
        pem = serialization.Encoding.PEM
        request.write_bytes(asked.sign(key, hashes.SHA256()).public_bytes(pem))
        ca, ca_key = self.root.files
        argv = ["openssl", "x509", "-req", "-in", str(request), "-CA", ca, "-CAkey", ca_key]
        argv += ["-sha1", "-days", "90", "-set_serial", "1", "-copy_extensions", "copy"]
        done = subprocess.run(argv, check=True, capture_output=True)
        return self._write(label, x509.load_pem_x509_certificate(done.stdout), key, ())

    def issue(
        self,
        label: str,
        *,
        names: Sequence[str] = (),
        by: Pair | None = None,
        send: Sequence[Pair] = (),
        ca: bool = False,
        days: float = 90,
        start: float = -1,
        key: Any = None,
    ) -> Pair:
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        begin = datetime.now(UTC).replace(microsecond=0) + timedelta(days=start)
        signer = by.key if by else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.cert.subject if by else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(_names(names)), False)
        if ca:
            builder = builder.add_extension(_signs_certificates(), critical=True)
        cert = builder.sign(signer, hashes.SHA256())
        return self._write(label, cert, key, send)

    def _write(self, label: str, cert: Any, key: Any, send: Sequence[Pair]) -> Pair:
        stem = self.folder / label.replace(" ", "-")
        sent = [cert, *(pair.cert for pair in send)]
        pem = serialization.Encoding.PEM
        cert_file, key_file = stem.with_suffix(".pem"), stem.with_suffix(".key")
        cert_file.write_bytes(b"".join(one.public_bytes(pem) for one in sent))
        key_file.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        key_file.chmod(0o600)
        return Pair(cert_file, key_file, cert, key)


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def _names(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
