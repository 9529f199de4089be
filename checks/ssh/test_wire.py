"""What the ssh server says to everybody who connects: true for every server, and for now."""

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
    "ssh.wire",
    severity="high",
    frameworks={
        "cis-debian12": ["5.1.12"],
        "cis-dil": ["5.2.13", "5.2.14", "5.2.15"],
        "pci-dss-4": ["2.2", "2.2.7"],
        "dev-sec": ["sshd-01", "sshd-02", "sshd-03"],
    },
    inputs={
        "kex": WEAK_KEX,
        "host_keys": WEAK_HOST_KEYS,
        "ciphers": WEAK_CIPHERS,
        "macs": WEAK_MACS,
    },
)
def test_the_running_server_offers_no_weak_algorithm(host, audit):
    """The server that is running offers no weak algorithm on the network.

    Why: a daemon that was not restarted, or is not OpenSSH, may offer what the configuration
    forbids.

    Fix: set KexAlgorithms, HostKeyAlgorithms, Ciphers and MACs and restart sshd. What dropbear
    offers is chosen when it is built; without an RSA host key it does not sign with SHA-1.
    """
    offer = host.facts.ssh_wire
    audit.observe("server", f"{offer.software} at {offer.place}")
    bad = [] if offer.protocol == "2.0" else [f"protocol {offer.protocol}"]
    for name in ("kex", "host_keys", "ciphers", "macs"):
        bad += weak(audit.observe(name, getattr(offer, name)), audit.inputs[name])
    assert not bad, f"{offer.software} offers {listed(bad)}"
