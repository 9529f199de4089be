"""What crosses a network without encryption, seen in one capture of it."""

from __future__ import annotations

import pytest


@pytest.mark.control(
    "network.cleartext-credentials",
    severity="critical",
    frameworks={"nist-800-53": ["IA-5(1)", "SC-8"], "pci-dss-4": ["4.2.1", "8.3.2"]},
    inputs={"seconds": 2.0},
)
def test_no_credentials_cross_in_the_clear(sniffer, audit):
    """No credentials cross the network in the clear.

    Why: who can listen anywhere on the way has the password, and nobody notices.

    Fix: encrypt the named protocol (https, ssh, STARTTLS, ldaps, SNMPv3), then change the password.
    """
    capture = sniffer.sample(audit.inputs.seconds)
    audit.observe("capture", capture.summary())
    found = capture.cleartext_credentials()
    audit.observe("credentials", found.to_plain())
    assert not found, f"seen in the clear: {found}"


@pytest.mark.control(
    "network.legacy-protocols",
    severity="high",
    frameworks={"nist-800-53": ["AC-17(2)", "CM-7(b)"], "pci-dss-4": ["2.2.5", "2.2.7"]},
    inputs={"seconds": 2.0, "tcp": [21, 23, 79, 512, 513, 514], "udp": [69]},
)
def test_no_legacy_protocol_is_in_use(sniffer, audit):
    """Nobody uses ftp, telnet, finger, rexec, rlogin, rsh or tftp.

    Why: they carry passwords and commands in the clear, and trust whoever answers.

    Fix: use ssh and sftp in their place, and remove the old servers and clients.
    """
    capture = sniffer.sample(audit.inputs.seconds)
    audit.observe("capture", capture.summary())
    used = capture.flows().where(lambda flow: flow.carried > 0)
    old = used.where(lambda flow: flow.server_port in audit.inputs.get(flow.protocol, ()))
    audit.observe("legacy", old.to_plain())
    assert not old, f"in use: {old}"


@pytest.mark.control(
    "network.name-resolution-broadcasts",
    severity="medium",
    frameworks={"nist-800-53": ["CM-7(b)"], "pci-dss-4": ["2.2.4"]},
    inputs={"seconds": 2.0, "udp": [137, 138, 5355]},
)
def test_names_are_not_asked_for_by_broadcast(sniffer, audit):
    """Nobody asks the whole network for names (LLMNR, NetBIOS).

    Why: whoever answers first is believed, and is then sent the asker's password hashes.

    Fix: turn LLMNR and NetBIOS over TCP/IP off (systemd-resolved: LLMNR=no), and use DNS.
    """
    capture = sniffer.sample(audit.inputs.seconds)
    audit.observe("capture", capture.summary())
    asked = capture.flows(protocol="udp")
    asked = asked.where(lambda flow: flow.server_port in audit.inputs.udp)
    audit.observe("asked", asked.to_plain())
    assert not asked, f"asked by broadcast: {asked}"
