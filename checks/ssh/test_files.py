"""The files that sshd lives on."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.safe_paths import unsafe, with_parents
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

KEYS = "/etc/ssh/ssh_host_*_key"


def _host_keys(host):
    """Return the host keys that sshd has in other places than the usual one."""
    try:
        sshd = host.facts.sshd
    except NotApplicable:
        return []
    keys = sshd.every("hostkey") if "hostkey" in sshd else ()
    keys = [key for key in keys if not fnmatchcase(key, KEYS) and not key.endswith(".pub")]
    host.facts.paths.ask(keys)
    return [key for key in keys if host.facts.paths[key].holds("e")]


def _files(host):
    """Return the files that sshd reads."""
    try:
        return host.facts.sshd.files
    except NotApplicable:
        return ()


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
    keys = audit.observe("keys", stats.matching(KEYS))
    for key in keys:
        with audit.resource(key.path):
            found = audit.observe("mode", key.describe(accounts))
            allowed = 0o640 if accounts.group_name(key.gid) == "ssh_keys" else 0o600
            ok = key.uid == 0 and not key.laxer_than(allowed)
            assert ok, f"{found}; expected: 0600 root:root"
    others = audit.observe("elsewhere", _host_keys(host))
    if not keys and not others:
        audit.not_applicable("there is no host key in /etc/ssh")
    for path in others:
        with audit.resource(path):
            known = host.facts.paths[path].details
            if known is None:
                raise host.facts.paths[path].error
            allowed = 0o640 if known.group == "ssh_keys" else 0o600
            ok = known.uid == 0 and not known.permissions & ~allowed
            found = f"{known.permissions:04o} {known.user}:{known.group}"
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
    usual = ("/etc/ssh/sshd_config", "/etc/ssh", "/etc/ssh/sshd_config.d")
    files = [stats[path] for path in usual if stats.exists(path)]
    files += stats.matching("/etc/ssh/sshd_config.d/*")
    for file in files if stats.exists(usual[0]) else ():
        with audit.resource(file.path):
            found = audit.observe("mode", file.describe(host.facts.accounts))
            ok = file.uid == 0 and not file.laxer_than(0o755)
            assert ok, f"{found}; expected: owned by root, writable by nobody else"
    seen = {file.path for file in files}
    others = [path for path in _files(host) if path not in seen]
    if not others:
        _ = stats[usual[0]]  # without it, there is nothing to judge
    host.facts.paths.ask(each for path in others for each in with_parents(path))
    for path in others:
        with audit.resource(path):
            wrong = [f"{name} ({mode})" for name, mode in unsafe(host.facts, [path]).items()]
            assert not wrong, f"others than root may change {listed(wrong)}"
