"""A stand-in for an HTTP endpoint: a small TLS web server on loopback, with a CA of its own."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.embedded.process import ChildProcess
from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.inventory.target import Target

if TYPE_CHECKING:
    from cryptography import x509

#: Seconds to wait for it to start.
_PATIENCE = 20.0
_ROOT_DAYS, _SERVER_DAYS = 365, 90


class EmbeddedWeb:
    """A web server in a child process: https on one port, a redirect to it on another.

    It is well kept but for two things that checks find: it tells its version, and it has no
    security.txt.

    Args:
        target: the inventory entry that it stands in for.
        folder: a private folder for keys, certificates and the log.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self._target, self._folder = target, folder
        self._child: ChildProcess | None = None
        self._ports: dict[str, int] = {}

    def start(self) -> dict[str, Any]:
        """Start it and return what changes in the target's entry.

        Raises:
            CannotAssess: it does not start; the message holds what it said.
        """
        ca_file = make_certificates(self._folder)
        module = "pytest_sysaudit.embedded.web_main"
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        argv = [sys.executable, "-m", module, str(self._folder)]
        self._child = ChildProcess(argv, self._folder / "web.log", environment)
        self._ports = self._wait(self._child)
        redirect = f"localhost:{self._ports['http']}"
        return {
            "base_url": f"https://localhost:{self._ports['https']}",
            "ca_file": str(ca_file),
            "allow_hosts": [*getattr(self._target.entry, "allow_hosts", ()), redirect],
        }

    def describe(self) -> str:
        """Return one line on what was started."""
        return (
            f"a web server at https://localhost:{self._ports.get('https', 0)} with a CA of its own "
            "(http.version-disclosure and http.security-txt fail on it by design)"
        )

    def stop(self) -> None:
        """End it; may be called twice."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _wait(self, child: ChildProcess) -> dict[str, int]:
        """Return the ports, once the server wrote them."""
        ready = self._folder / "ports.json"
        deadline = time.monotonic() + _PATIENCE
        while not ready.exists():
            if child.exit_code is not None or time.monotonic() > deadline:
                said = child.output().strip() or "it said nothing"
                self.stop()
                raise CannotAssess(f"the embedded web server did not start: {said}")
            time.sleep(0.02)
        ports: dict[str, int] = json.loads(ready.read_text("utf-8"))
        return ports


def make_certificates(folder: Path) -> Path:
    """Write ca.pem, server.pem and server.key to *folder*; return the path of ca.pem."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _builder("pytest-sysaudit stand-in CA", root_key.public_key(), _ROOT_DAYS)
    root = root.issuer_name(_name("pytest-sysaudit stand-in CA"))
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    root = root.add_extension(_signs_certificates(), critical=True)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = _builder("localhost", key.public_key(), _SERVER_DAYS)
    leaf = leaf.issuer_name(_name("pytest-sysaudit stand-in CA"))
    leaf = leaf.add_extension(x509.SubjectAlternativeName(names), critical=False)
    leaf = leaf.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
    )
    for name, builder in (("ca.pem", root), ("server.pem", leaf)):
        data = _sign(builder, root_key).public_bytes(serialization.Encoding.PEM)
        (folder / name).write_bytes(data)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.key"
    path.touch(mode=0o600)
    path.write_bytes(private)
    return folder / "ca.pem"


def _builder(name: str, key: Any, days: int) -> x509.CertificateBuilder:
    from cryptography import x509

    begin = datetime.now(UTC) - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _signs_certificates() -> x509.KeyUsage:
    """Return the key usage that strict clients (python from 3.13 on) expect of a CA."""
    from cryptography import x509

    unused = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    rest = dict.fromkeys((*unused, "key_agreement", "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **rest)


def _sign(builder: x509.CertificateBuilder, key: Any) -> x509.Certificate:
    from cryptography.hazmat.primitives.hashes import SHA256

    return builder.sign(key, SHA256())


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
