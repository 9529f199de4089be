"""Algorithms that sshd offers: what is known to be weak must be off, what is new may be on."""

from __future__ import annotations

import pytest

from pytest_sysaudit.facts.ssh_algorithms import (
    WEAK_CIPHERS,
    WEAK_HOST_KEYS,
    WEAK_KEX,
    WEAK_MACS,
    weak,
)
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "ssh.ciphers",
    severity="high",
    frameworks={"cis-debian12": ["5.1.6"], "cis-dil": ["5.2.13"], "dev-sec": ["sshd-01"]},
    inputs={"weak": WEAK_CIPHERS},
)
def test_ciphers_are_strong(host, audit):
    """No weak cipher is offered.

    Why: CBC modes leak plain text to who can alter packets; RC4, DES and Blowfish are broken.

    Fix: set Ciphers -*-cbc,3des-cbc, or leave it at the default of a current OpenSSH.
    """
    bad = weak(audit.observe("ciphers", host.facts.sshd.words("ciphers")), audit.inputs.weak)
    assert not bad, f"weak ciphers: {listed(bad)}"


@pytest.mark.control(
    "ssh.macs",
    severity="high",
    frameworks={
        "cis-debian12": ["5.1.15"],
        "cis-dil": ["5.2.14"],
        "nist-800-53": ["AC-17 (2)"],
        "dev-sec": ["sshd-03"],
    },
    inputs={"weak": WEAK_MACS},
)
def test_macs_are_strong(host, audit):
    """No weak message authentication is offered.

    Why: MD5, SHA-1 and tags of 64 or 96 bits are too short-lived or too short.

    Fix: set MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,
    umac-128-etm@openssh.com.
    """
    bad = weak(audit.observe("macs", host.facts.sshd.words("macs")), audit.inputs.weak)
    assert not bad, f"weak MACs: {listed(bad)}"


@pytest.mark.control(
    "ssh.kex",
    severity="high",
    frameworks={
        "cis-debian12": ["5.1.12"],
        "cis-dil": ["5.2.15"],
        "pci-dss-4": ["2.2", "2.2.7"],
        "dev-sec": ["sshd-02"],
    },
    inputs={"weak": WEAK_KEX},
)
def test_key_exchanges_are_strong(host, audit):
    """No weak key exchange is offered.

    Why: SHA-1 and groups of 1024 bits are within the reach of a state.

    Fix: leave KexAlgorithms at the default of a current OpenSSH, or name what is left.
    """
    offered = audit.observe("kexalgorithms", host.facts.sshd.words("kexalgorithms"))
    bad = weak(offered, audit.inputs.weak)
    assert not bad, f"weak key exchanges: {listed(bad)}"


@pytest.mark.control(
    "ssh.hostkey-alg",
    severity="medium",
    frameworks={"dev-sec": ["sshd-14"]},
    inputs={"weak": WEAK_HOST_KEYS},
)
def test_host_keys_sign_without_sha1(host, audit):
    """The host does not prove who it is with SHA-1 or DSA.

    Why: SHA-1 signatures can be forged; DSA keys are too short.

    Fix: take ssh-rsa and ssh-dss out of HostKeyAlgorithms. RSA keys go on working with SHA-2.
    """
    offered = audit.observe("hostkeyalgorithms", host.facts.sshd.words("hostkeyalgorithms"))
    bad = weak(offered, audit.inputs.weak)
    assert not bad, f"weak signatures: {listed(bad)}"
