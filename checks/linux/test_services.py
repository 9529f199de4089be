"""Services, as systemd sees them."""

from __future__ import annotations

import pytest

from pytest_sysaudit.errors import NotApplicable

pytestmark = pytest.mark.platform("linux")

#: What a server only runs if that is its task.
UNWANTED = [
    "autofs",
    "avahi-daemon",
    "cups",
    "cups-browsed",
    "dhcpd",
    "dhcpd6",
    "isc-dhcp-server",
    "isc-dhcp-server6",
    "slapd",
    "nfs-server",
    "rpcbind",
    "named",
    "bind9",
    "vsftpd",
    "proftpd",
    "pure-ftpd",
    "dovecot",
    "smbd",
    "smb",
    "nmbd",
    "nmb",
    "squid",
    "snmpd",
    "rsync",
    "rsyncd",
    "nis",
    "ypserv",
    "xinetd",
    "inetd",
    "openbsd-inetd",
    "inetutils-inetd",
    "telnet",
    "tftp",
    "atftpd",
    "tftpd-hpa",
]


@pytest.mark.control(
    "service.failed",
    severity="medium",
    inputs={"allowed": []},
)
def test_no_unit_has_failed(host, audit):
    """No unit of systemd has failed.

    Why: a service that one relies on, as logging or a firewall, may not be there.

    Fix: read `systemctl status UNIT`; repair it, or disable it. Name exceptions in `allowed`.
    """
    failed = audit.observe("failed", [unit.name for unit in host.facts.units.failed()])
    bad = [name for name in failed if name not in audit.inputs.allowed]
    assert not bad, f"failed: {', '.join(bad)}"


@pytest.mark.control(
    "service.unwanted",
    severity="high",
    frameworks={
        "cis-debian12": ["2.1.12", "2.1.19", "2.1.2", "2.1.6"],
        "cis-dil": [
            "1.1.22",
            "2.1.10",
            "2.2.3",
            "2.2.4",
            "2.2.5",
            "2.2.6",
            "2.2.7",
            "2.2.8",
            "2.2.9",
            "2.2.11",
            "2.2.12",
            "2.2.13",
            "2.2.14",
            "2.2.16",
            "2.2.17",
        ],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)"],
        "pci-dss-4": ["2.2", "2.2.4"],
    },
    inputs={"unwanted": UNWANTED},
)
def test_no_unwanted_service_runs(host, audit):
    """No service runs or is enabled that this host does not need.

    Why: what does not run cannot be broken into.

    Fix: `systemctl disable --now NAME`. Take the services of the host's own task out of the input
    `unwanted`.
    """
    try:
        units = host.facts.units
    except NotApplicable as error:  # services may well run under another init system
        audit.cannot_assess(f"{error}; services of another init system are not read")
    names = [f"{n}.{kind}" for n in audit.inputs.unwanted for kind in ("service", "socket")]
    found = audit.observe("found", [name for name in names if units.is_on(name)])
    assert not found, f"enabled or active: {', '.join(found)}"
