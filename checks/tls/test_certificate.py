"""The certificate of an HTTPS endpoint."""

from __future__ import annotations

import pytest


@pytest.mark.control(
    "tls.certificate-trusted",
    severity="critical",
    frameworks={"nist-800-53": ["SC-8", "SC-17"], "mdn-observatory": ["hsts-invalid-cert"]},
)
def test_the_certificate_is_trusted(http_client, audit):
    """The certificate leads to a trusted CA and is in date.

    Why: visitors who are used to warnings click through the one of an attacker as well.

    Fix: serve a certificate of a CA that visitors trust, with all intermediate ones; for a CA of
    your own, name it as ca_file in the inventory.
    """
    trust = http_client.tls.trust
    audit.observe("chain", [cert.subject for cert in http_client.tls.chain])
    audit.observe("outcome", str(trust))
    assert trust.chain_trusted, f"{http_client.tls.place}: {trust}"


@pytest.mark.control(
    "tls.certificate-name",
    severity="critical",
    frameworks={"nist-800-53": ["SC-8", "SC-17"]},
)
def test_the_certificate_is_for_this_name(http_client, audit):
    """The certificate is for the name that visitors use.

    Why: a certificate for another name does not tell this server from an attacker's.

    Fix: get a certificate whose subjectAltName holds the host of base_url.
    """
    certificate = http_client.tls.certificate
    audit.observe("names", certificate.names)
    host, names = http_client.tls.host, ", ".join(certificate.names)
    assert certificate.covers(host), f"it is for {names or 'no name at all'}, not for {host}"


@pytest.mark.control(
    "tls.certificate-expiry",
    severity="high",
    frameworks={"nist-800-53": ["SC-17"]},
    inputs={"days": 21},
)
def test_the_certificate_does_not_expire_soon(http_client, audit):
    """The certificate is valid for some weeks more.

    Why: an expired certificate is an outage; weeks are what it takes to notice that the renewal
    does not work.

    Fix: renew it, and let a program do so a third of its lifetime before the end.
    """
    certificate = http_client.tls.certificate
    audit.observe("not_after", certificate.not_after)
    enough = certificate.days_left() >= audit.inputs.days
    assert enough, f"it ends at {certificate.not_after}; expected: {audit.inputs.days} days or more"


@pytest.mark.control(
    "tls.certificate-key",
    severity="high",
    frameworks={"nist-800-53": ["SC-12", "SC-13"]},
    inputs={"rsa_bits": 2048, "curve_bits": 256},
)
def test_the_key_of_the_certificate_is_large_enough(http_client, audit):
    """The certificate's key is large enough.

    Why: keys below these sizes can be computed, or soon will be.

    Fix: issue the certificate for a new key: P-256, or RSA with 2048 bits or more.
    """
    certificate = http_client.tls.certificate
    audit.observe("key", f"{certificate.key_type} {certificate.key_bits}")
    small = certificate.key_type in ("RSA", "DSA")
    bound = audit.inputs.rsa_bits if small else audit.inputs.curve_bits
    found = f"its {certificate.key_type} key has {certificate.key_bits} bits"
    assert certificate.key_bits >= bound, f"{found}; expected: {bound} or more"


@pytest.mark.control(
    "tls.certificate-signature",
    severity="high",
    frameworks={"nist-800-53": ["SC-13"]},
)
def test_the_certificates_are_signed_with_a_sound_hash(http_client, audit):
    """No certificate that the server sends is signed over MD5 or SHA-1.

    Why: for those hashes a second certificate with the same signature can be made.

    Fix: have the certificate, or the intermediate one, issued again; roots need no signature.
    """
    own, *others = http_client.tls.chain
    signed = [own, *(other for other in others if not other.self_signed)]
    hashes = [f"{one.subject}: {one.signature_hash or one.key_type}" for one in signed]
    audit.observe("signatures", hashes)
    weak = [text for text in hashes if text.endswith((": md5", ": sha1"))]
    assert not weak, f"signed over a broken hash: {'; '.join(weak)}"


@pytest.mark.control(
    "tls.certificate-lifetime",
    severity="low",
    frameworks={"nist-800-53": ["SC-17"]},
    inputs={"days": 398},
)
def test_the_certificate_is_not_valid_for_years(http_client, audit):
    """The certificate's whole lifetime is short enough for browsers.

    Why: a stolen key works as long as its certificate; browsers refuse longer ones from public CAs.

    Fix: issue certificates for 90 days and renew them by program.
    """
    lifetime = audit.observe("days", round(http_client.tls.certificate.lifetime_days, 2))
    assert lifetime <= audit.inputs.days, (
        f"it is valid for {lifetime} days; expected: {audit.inputs.days} or less"
    )
