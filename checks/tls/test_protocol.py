"""Protocol versions and cipher suites that an endpoint accepts."""

from __future__ import annotations

import pytest


@pytest.mark.control(
    "tls.https",
    severity="high",
    frameworks={
        "owasp-asvs-4": ["9.1.1"],
        "mdn-observatory": ["hsts-not-implemented-no-https"],
        "nist-800-53": ["SC-8"],
    },
)
def test_the_endpoint_is_served_over_https(http_client, audit):
    """The endpoint is served over HTTPS.

    Why: what goes over plain HTTP, passwords included, can be read and changed on the way.

    Fix: serve it over TLS and write https:// in base_url.
    """
    url = audit.observe("base_url", http_client.base_url)
    encrypted = url.lower().startswith("https://")
    assert encrypted, f"{url} is plain HTTP"


@pytest.mark.control(
    "tls.versions",
    severity="high",
    frameworks={"owasp-asvs-4": ["9.1.3"], "nist-800-53": ["SC-8", "SC-13"]},
    inputs={"allowed": ["TLSv1.2", "TLSv1.3"]},
)
def test_only_current_versions_are_accepted(http_client, audit):
    """Only TLS 1.2 and 1.3 are accepted.

    Why: SSL 3.0, TLS 1.0 and 1.1 have known weaknesses and are withdrawn (RFC 8996).

    Fix: ssl_protocols TLSv1.2 TLSv1.3 (nginx), SSLProtocol -all +TLSv1.2 +TLSv1.3 (Apache).
    """
    accepted = [name for name, yes in http_client.tls.versions.items() if yes]
    audit.observe("accepted", accepted)
    old = [name for name in accepted if name not in audit.inputs.allowed]
    assert not old, f"accepted: {', '.join(old)}; expected: {', '.join(audit.inputs.allowed)} only"


@pytest.mark.control(
    "tls.weak-suites",
    severity="high",
    frameworks={"owasp-asvs-4": ["9.1.2"], "nist-800-53": ["SC-13"]},
)
def test_no_weak_suites_are_accepted(http_client, audit):
    """No cipher suite is accepted that is known to be weak.

    Why: suites without encryption or authentication, of export grade, or with RC4, DES or 3DES can
    be broken, and an attacker on the way may try to have one chosen.

    Fix: allow only suites with AES-GCM or ChaCha20-Poly1305.
    """
    for version, suites in http_client.tls.suites.items():
        with audit.resource(version):
            audit.observe("suites", [suite.name for suite in suites])
            weak = [f"{s.name} ({', '.join(s.weaknesses)})" for s in suites if s.weaknesses]
            assert not weak, f"weak: {'; '.join(weak)}"


@pytest.mark.control(
    "tls.forward-secrecy",
    severity="medium",
    frameworks={"owasp-asvs-4": ["9.1.2"], "nist-800-53": ["SC-12"]},
)
def test_every_suite_gives_forward_secrecy(http_client, audit):
    """Every accepted cipher suite gives forward secrecy.

    Why: with the others, a key that is stolen one day opens all traffic recorded before.

    Fix: allow only suites whose names begin with ECDHE or DHE; those of TLS 1.3 all qualify.
    """
    for version, suites in http_client.tls.suites.items():
        with audit.resource(version):
            audit.observe("suites", [suite.name for suite in suites])
            without = [suite.name for suite in suites if not suite.forward_secret]
            assert not without, f"without forward secrecy: {', '.join(without)}"
