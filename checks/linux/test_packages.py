"""Installed software."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.platform("linux")

#: Servers of protocols that send passwords in the clear or ask for none, by every name that
#: distributions give them.
LEGACY_SERVERS = [
    "telnetd",
    "inetutils-telnetd",
    "telnetd-ssl",
    "telnet-server",
    "rsh-server",
    "rsh-redone-server",
    "inetutils-ftpd",
    "ftpd",
    "ftpd-ssl",
    "vsftpd",
    "ftp-server",
    "proftpd",
    "proftpd-basic",
    "proftpd-core",
    "pure-ftpd",
    "heimdal-servers",
    "tftp-hpa",
    "tftpd",
    "tftpd-hpa",
    "atftpd",
    "tftp-server",
    "talkd",
    "inetutils-talkd",
    "talk-server",
    "nis",
    "ypserv",
    "inetd",
    "openbsd-inetd",
    "inetutils-inetd",
    "xinetd",
    "rlinetd",
    "inet-superserver",
]


@pytest.mark.control(
    "package.legacy-servers",
    severity="critical",
    frameworks={
        "cis-debian12": ["2.1.16", "2.1.19", "2.1.6"],
        "cis-dil": ["2.1.6", "2.1.7", "2.1.8", "2.1.9", "2.1.10", "2.2.9", "2.2.17"],
        "nist-800-53": [
            "CM-6(a)",
            "CM-7",
            "CM-7(a)",
            "CM-7(b)",
            "CM-7.1(ii)",
            "IA-5(1)(c)",
            "IA-5(1).1(v)",
        ],
        "pci-dss-4": ["2.2", "2.2.4"],
        "dev-sec": ["package-01", "package-02", "package-03", "package-05", "package-06"],
    },
    inputs={"forbidden": LEGACY_SERVERS},
)
def test_no_legacy_server_is_installed(host, audit):
    """No server for telnet, rsh, ftp, tftp, talk or NIS is installed, and no inetd.

    Why: these protocols send passwords in the clear, or trust the name that a client gives.

    Fix: remove the packages, and use ssh and sftp instead.
    """
    packages = host.facts.packages
    found = {p.name for name in audit.inputs.forbidden for p in packages.present(name)}
    assert not audit.observe("found", sorted(found)), f"installed: {', '.join(sorted(found))}"


@pytest.mark.control(
    "package.consistent",
    severity="medium",
)
def test_no_package_is_half_installed(host, audit):
    """No package is stuck half way through its installation.

    Why: such a package runs old code with new files, and stops later security updates.

    Fix: `dpkg --configure -a`, then `apt-get -f install`.
    """
    if host.facts.packages.manager != "dpkg":
        audit.not_applicable(f"{host.facts.packages.manager} keeps no such state")
    states = [f"{p.name} {p.version}" for p in host.facts.packages if p.state == "broken"]
    assert not audit.observe("broken", states), f"half installed: {', '.join(states)}"
