"""The files that sshd lives on."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "ssh.hostkey-mode",
    severity="high",
    frameworks={
        "cis-debian12": ["5.1.2", "5.1.3"],
        "cis-dil": ["5.2.2", "5.2.3"],
        "nist-800-53": ["AC-17(a)", "AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
    },
)
def test_private_host_keys_are_private(host, audit):
    """Only root can read the private host keys.

    Why: who has them can pretend to be this host.

    Fix: `chown root:root /etc/ssh/ssh_host_*_key; chmod 0600 /etc/ssh/ssh_host_*_key`.
    """
    stats, accounts = host.facts.file_stats, host.facts.accounts
    keys = audit.observe("keys", stats.matching("/etc/ssh/ssh_host_*_key"))
    if not keys:
        audit.not_applicable("there is no host key in /etc/ssh")
    for key in keys:
        with audit.resource(key.path):
            found = audit.observe("mode", key.describe(accounts))
            allowed = 0o640 if accounts.group_name(key.gid) == "ssh_keys" else 0o600
            ok = key.uid == 0 and not key.laxer_than(allowed)
            assert ok, f"{found}; expected: 0600 root:root"


@pytest.mark.control(
    "ssh.config-mode",
    severity="critical",
    frameworks={
        "cis-debian12": ["5.1.1"],
        "cis-dil": ["5.2.1"],
        "nist-800-53": ["AC-17(a)", "AC-6(1)", "CM-6(a)"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-04", "sshd-05"],
    },
)
def test_configuration_is_writable_by_root_only(host, audit):
    """Only root can change the configuration of sshd.

    Why: who may write it lets himself in as root.

    Fix: `chown root:root FILE; chmod go-w FILE`.
    """
    stats = host.facts.file_stats
    paths = ["/etc/ssh/sshd_config", "/etc/ssh"]
    paths += [path for path in ("/etc/ssh/sshd_config.d",) if stats.exists(path)]
    for file in (*map(stats.__getitem__, paths), *stats.matching("/etc/ssh/sshd_config.d/*")):
        with audit.resource(file.path):
            found = audit.observe("mode", file.describe(host.facts.accounts))
            ok = file.uid == 0 and not file.laxer_than(0o755)
            assert ok, f"{found}; expected: owned by root, writable by nobody else"
