"""Mandatory access control."""

from __future__ import annotations

import fnmatch

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "mac.enforcing",
    severity="medium",
    frameworks={
        "cis-debian12": ["1.3.1.4"],
        "cis-dil": ["1.6.1.1", "1.6.2.2", "1.6.3.2"],
        "nist-800-53": ["AC-3", "AC-3(3)(a)", "AU-9", "SC-7(21)"],
        "pci-dss-4": ["1.2", "1.2.6"],
    },
    inputs={"complain": []},
)
def test_access_control_is_enforced(host, audit):
    """AppArmor or SELinux is on, and enforces.

    Why: it keeps a service that was broken into away from the rest of the host.

    Fix: with AppArmor `aa-enforce` the profile; with SELinux set SELINUX=enforcing in
    /etc/selinux/config and `setenforce 1`. Profiles that are still being tried out belong into the
    input `complain`.
    """
    host.facts.boot.own_kernel()
    mac = host.facts.mac
    audit.observe("selinux", mac.selinux or "off")
    audit.observe("apparmor", mac.apparmor)
    assert mac.selinux or mac.apparmor, "neither AppArmor nor SELinux is on"
    if mac.selinux:
        assert mac.selinux == "enforcing", "SELinux is permissive"
        assert mac.configured in ("", "enforcing"), (
            f"SELinux enforces, but /etc/selinux/config says {mac.configured} for the next start"
        )
        return
    audit.observe("enforced", len(mac.profiles("enforce")))
    lax = [
        name
        for name in mac.profiles("complain")
        if not any(fnmatch.fnmatchcase(name, each) for each in audit.inputs.complain)
    ]
    assert not lax, f"AppArmor only complains about {listed(lax)}"
    assert mac.profiles("enforce"), "AppArmor is on, but enforces no profile"
