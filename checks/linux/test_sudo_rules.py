"""Who is root through sudo, and what sudo does when it runs something."""

from __future__ import annotations

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: sudo runs everything in a terminal of its own from this version on.
PTY_BY_DEFAULT = (1, 9, 14)


@pytest.mark.control(
    "sudo.authenticate",
    severity="high",
    frameworks={"cis-debian12": ["5.2.5"], "nist-800-53": ["CM-6(a)", "IA-11"]},
    inputs={"allowed": [], "directories": []},
)
def test_sudo_always_authenticates(host, audit):
    """No option makes sudo forget to ask who one is.

    Why: `Defaults !authenticate` frees whole groups of rules from the password at once, and no
    rule shows it.

    Fix: remove the line. Name whom it may hold for in the input `allowed`; sources of rules that
    are audited where they are, as sss, in `directories`.
    """
    sudoers = host.facts.sudoers
    found = list(sudoers.exceptions("authenticate", value=False))
    found += ["everybody"] if sudoers.option("authenticate") is False else []
    bad = [who for who in audit.observe("free", found) if who not in audit.inputs.allowed]
    assert not bad, f"Defaults !authenticate holds for {listed(bad)}"
    sudoers.require_all(audit.inputs.directories)


@pytest.mark.control(
    "sudo.all-all",
    severity="medium",
    inputs={"allowed": ["root", "%sudo", "%wheel", "%admin"], "directories": []},
)
def test_only_listed_users_may_run_everything(host, audit):
    """Only those who are listed may run every command as root.

    Why: each of them is root by another name, and each password of theirs is root's.

    Fix: replace ALL by the commands that are needed, or name users and groups (as %group) in the
    input `allowed`; sources of rules that are audited where they are, as sss, in `directories`.
    """
    sudoers = host.facts.sudoers
    full = dict.fromkeys(user for rule in sudoers.rules if rule.is_full for user in rule.users)
    found = audit.observe("may run everything", [u for u in full if not u.startswith("!")])
    bad = [user for user in found if user not in audit.inputs.allowed]
    assert not bad, f"may run every command as root: {listed(bad)}"
    sudoers.require_all(audit.inputs.directories)


@pytest.mark.control(
    "sudo.use-pty",
    severity="low",
    frameworks={"cis-debian12": ["5.2.2"], "pci-dss-4": ["2.2", "2.2.6"]},
)
def test_sudo_runs_commands_in_a_terminal_of_their_own(host, audit):
    """What sudo runs gets a terminal of its own.

    Why: otherwise a program that ran as root can stay behind, and type into the user's terminal.

    Fix: add `Defaults use_pty` with visudo, and remove `!use_pty`.
    """
    sudoers = host.facts.sudoers
    option = audit.observe("use_pty", sudoers.option("use_pty"))
    if option is None:
        if not sudoers.version:
            audit.cannot_assess("use_pty is not set, and sudo does not tell its version")
        modern = "sudo-rs" in sudoers.software or sudoers.version >= PTY_BY_DEFAULT
        option = audit.observe(f"default of {sudoers.software}", modern)
    assert option is True, "use_pty is off"
    without = sudoers.exceptions("use_pty", value=False)
    assert not without, f"use_pty is off for {listed(without)}"


@pytest.mark.control(
    "sudo.logfile",
    severity="low",
    frameworks={"cis-debian12": ["5.2.3"], "pci-dss-4": ["2.2", "2.2.6"]},
    inputs={"syslog": True},
)
def test_sudo_writes_down_what_it_runs(host, audit):
    """Sudo logs what is run through it.

    Why: it is the only record of who did what as root.

    Fix: remove `Defaults !syslog`, or add `Defaults logfile=/var/log/sudo.log`. With the input
    `syslog: false` only a file of its own counts.
    """
    sudoers = host.facts.sudoers
    file = audit.observe("logfile", sudoers.option("logfile"))
    syslog = audit.observe("syslog", sudoers.option("syslog") is not False)
    logged = bool(file) or (audit.inputs.syslog and syslog)
    expected = "syslog or logfile" if audit.inputs.syslog else "logfile"
    assert logged, f"sudo logs nowhere that counts; expected: {expected}"
    silent = () if file else sudoers.exceptions("syslog", value=False)
    assert not silent, f"sudo does not log what is run for {listed(silent)}"
