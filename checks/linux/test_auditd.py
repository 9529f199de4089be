"""The audit of the kernel: who records, and what happens when the disk is full."""

from __future__ import annotations

import pytest

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

_RECOVERY = frozenset({"single", "recovery", "rescue", "emergency", "systemd.unit=rescue.target"})


@pytest.mark.control(
    "audit.installed",
    severity="medium",
    frameworks={
        "cis-debian12": ["6.2.1.1", "6.2.1.2"],
        "cis-dil": ["4.1.2", "4.1.3"],
        "nist-800-53": [
            "AC-2(g)",
            "AC-6(9)",
            "AC-7(a)",
            "AU-10",
            "AU-12(2)",
            "AU-12(c)",
            "AU-14",
            "AU-14(1)",
            "AU-2(a)",
            "AU-2(d)",
            "AU-3",
            "AU-7(1)",
            "AU-7(2)",
            "CM-6(a)",
            "SI-4(23)",
        ],
        "pci-dss-4": ["10.2", "10.2.1"],
        "dev-sec": ["package-08"],
    },
    inputs={"packages": ["auditd", "audit"], "service": "auditd.service"},
)
def test_audit_daemon_runs(host, audit):
    """The audit daemon is installed, runs, and is started with the host.

    Why: it keeps what the kernel saw, so that one can tell later who did what.

    Fix: install auditd (RHEL, Alpine: audit) and `systemctl enable --now auditd`.
    """
    host.facts.boot.own_kernel()
    _assert_installed(host, audit)
    try:
        units = host.facts.units
    except NotApplicable:  # no systemd: who the kernel sends its records to counts
        assert _takes_records(host), "no audit daemon runs"
        return
    unit = units.get(audit.inputs.service)
    state = audit.observe("state", unit.active_state if unit else "not loaded")
    assert state == "active", f"{audit.inputs.service} is {state}"
    enabled = audit.observe("enabled", units.files.get(audit.inputs.service, ""))
    assert enabled == "enabled", f"{audit.inputs.service} is not started with the host"


def _assert_installed(host, audit):
    try:
        packages = host.facts.packages
    except NotApplicable:  # no data base of packages: whether it runs is asked next
        return
    there = [p.name for name in audit.inputs.packages for p in packages.present(name)]
    assert audit.observe("installed", there), "auditd is not installed"


def _takes_records(host):
    try:
        return host.facts.auditd.daemon_runs
    except NotApplicable:  # not even its tool is there
        return False


@pytest.mark.control(
    "audit.config",
    severity="low",
    frameworks={
        "cis-debian12": ["6.2.2.2", "6.2.2.4"],
        "cis-dil": ["4.1.1.1", "4.1.1.2", "4.1.1.3"],
        "nist-800-53": ["AU-5(1)", "AU-5(2)", "AU-5(4)", "AU-5(b)", "CM-6(a)"],
        "pci-dss-4": ["10.5", "10.5.1"],
        "dev-sec": ["package-08"],
    },
    inputs={
        "max_log_file": 8,
        "max_log_file_action": ["keep_logs"],
        "space_left_action": ["email", "exec", "single", "halt", "syslog"],
        "admin_space_left_action": ["single", "halt", "email", "exec"],
    },
)
def test_audit_log_is_kept(host, audit):
    """The audit log is large enough, is kept, and somebody is told before the disk is full.

    Why: an attacker fills the log until what he did first is gone.

    Fix: set the named keys in /etc/audit/auditd.conf, then `service auditd reload`.
    """
    host.facts.boot.own_kernel()
    config, bad = host.facts.auditd.config, []
    if not config:
        audit.cannot_assess("/etc/audit/auditd.conf: it is not there, or says nothing")
    size = audit.observe("max_log_file", config.get("max_log_file", "0"))
    if not size.isdigit() or int(size) < audit.inputs.max_log_file:
        bad.append(f"max_log_file is {size} MB; expected: {audit.inputs.max_log_file} or more")
    actions = ("max_log_file_action", "space_left_action", "admin_space_left_action")
    for name in actions:
        action = audit.observe(name, config.get(name, "ignore"))
        if action.split()[0] not in audit.inputs[name]:
            bad.append(f"{name} is {action}; expected: {' or '.join(audit.inputs[name])}")
    mails = any(config.get(name) == "email" for name in actions)
    if mails and not config.get("action_mail_acct", "root"):
        bad.append("action_mail_acct is empty")
    assert not bad, listed(bad)


@pytest.mark.control(
    "audit.immutable",
    severity="low",
    frameworks={
        "cis-debian12": ["6.2.3.20"],
        "cis-dil": ["4.1.19"],
        "nist-800-53": ["AC-6(9)", "CM-6(a)"],
        "pci-dss-4": ["10.3", "10.3.2"],
    },
)
def test_audit_rules_are_locked(host, audit):
    """The audit rules cannot be changed before the next start.

    Why: whoever becomes root would switch them off first.

    Fix: end the last file of /etc/audit/rules.d with `-e 2`, and restart.
    """
    host.facts.boot.own_kernel()
    auditd = host.facts.auditd
    enabled = audit.observe("enabled", auditd.status["enabled"])
    locks = audit.observe("files", auditd.locks)
    hint = f"; {listed(locks)} says so, but it is not in force" if locks else ""
    assert auditd.is_locked, f"enabled is {enabled}; expected: 2{hint}"


@pytest.mark.control(
    "audit.boot",
    severity="low",
    frameworks={
        "cis-debian12": ["6.2.1.3"],
        "cis-dil": ["4.1.4"],
        "nist-800-53": ["AC-17(1)", "AU-10", "AU-14(1)", "CM-6(a)", "IR-5(1)"],
        "pci-dss-4": ["10.7", "10.7.2"],
    },
)
def test_audit_begins_with_the_kernel(host, audit):
    """Processes that start before auditd are audited too.

    Why: those that are older than the audit are never recorded.

    Fix: add audit=1 to GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub (RHEL: grubby).
    """
    boot = host.facts.boot
    boot.own_kernel()
    value = audit.observe("audit", _last(boot.arguments))
    bad = [] if value == "1" else [f"audit={value or '(not set)'} in /proc/cmdline"]
    bad += dict.fromkeys(
        f"audit={_last(words) or '(not set)'} in {file.path}"
        for file in boot.loader
        for words in file.kernels
        if _starts_a_system(words) and _last(words) != "1"
    )
    assert not bad, f"expected audit=1: {listed(bad)}"
    boot.whole()


def _last(words):
    """Return the value of audit= that counts: the last one."""
    return ([word[6:] for word in words if word.startswith("audit=")] or [""])[-1]


def _starts_a_system(words):
    root = any(word.startswith("root=") for word in words)
    return root and not _RECOVERY.intersection(words)
