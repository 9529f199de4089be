"""What sshd lets in, by its effective settings."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "ssh.root-login",
    severity="high",
    frameworks={
        "cis-debian12": ["5.1.20"],
        "cis-dil": ["5.2.10"],
        "nist-800-53": ["AC-17(a)", "AC-6(2)", "CM-6(a)", "CM-7(a)", "CM-7(b)", "IA-2", "IA-2(5)"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-06"],
    },
    inputs={"allowed": ["no", "prohibit-password", "without-password", "forced-commands-only"]},
)
def test_root_cannot_log_in_with_a_password(host, audit):
    """Root cannot log in with a password.

    Why: root is the one name that exists everywhere, and the one worth guessing passwords for.

    Fix: set PermitRootLogin no, or prohibit-password where automation needs a key.
    """
    value = audit.observe("permitrootlogin", host.facts.sshd["permitrootlogin"])
    assert value in audit.inputs.allowed, f"PermitRootLogin is {value}; expected: no"


@pytest.mark.control(
    "ssh.empty-passwords",
    severity="critical",
    frameworks={
        "cis-debian12": ["5.1.19"],
        "cis-dil": ["5.2.11"],
        "nist-800-53": ["AC-17(a)", "CM-6(a)", "CM-7(a)", "CM-7(b)"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-28"],
    },
)
def test_empty_passwords_are_refused(host, audit):
    """Accounts without a password cannot log in.

    Why: one such account, made by mistake, would be open to the network.

    Fix: set PermitEmptyPasswords no.
    """
    value = audit.observe("permitemptypasswords", host.facts.sshd["permitemptypasswords"])
    assert value == "no", f"PermitEmptyPasswords is {value}; expected: no"


@pytest.mark.control(
    "ssh.password-auth",
    severity="high",
    frameworks={"dev-sec": ["sshd-27", "sshd-29"]},
)
@pytest.mark.parametrize("name", ["passwordauthentication", "kbdinteractiveauthentication"])
def test_only_keys_log_in(host, audit, name):
    """Passwords are not taken; only keys log in.

    Why: passwords can be guessed from anywhere, keys cannot.

    Fix: set PasswordAuthentication no and KbdInteractiveAuthentication no. A file in
    sshd_config.d may say yes before the main file is read.
    """
    value = audit.observe(name, host.facts.sshd[name])
    assert value == "no", f"{name} is {value}; expected: no"


@pytest.mark.control(
    "ssh.max-auth-tries",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.1.16"],
        "cis-dil": ["5.2.7"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-19"],
    },
    inputs={"maximum": 4},
)
def test_max_auth_tries_is_low(host, audit):
    """A connection has few tries to log in.

    Why: it makes guessing slow, and half of the tries is what it takes to be logged.

    Fix: set MaxAuthTries 4 or less.
    """
    tries = audit.observe("maxauthtries", host.facts.sshd.number("maxauthtries"))
    assert tries <= audit.inputs.maximum, f"MaxAuthTries is {tries}"


@pytest.mark.control(
    "ssh.login-grace",
    severity="low",
    frameworks={
        "cis-debian12": ["5.1.13"],
        "cis-dil": ["5.2.17"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-18"],
    },
    inputs={"maximum": 60},
)
def test_login_grace_is_short(host, audit):
    """A connection that does not log in is soon closed.

    Why: each one holds a slot; a few that wait forever keep everybody else out.

    Fix: set LoginGraceTime 60 or less; 0 means no limit.
    """
    seconds = audit.observe("logingracetime", host.facts.sshd.number("logingracetime"))
    assert 0 < seconds <= audit.inputs.maximum, f"LoginGraceTime is {seconds} seconds"


@pytest.mark.control(
    "ssh.x11",
    severity="medium",
    frameworks={
        "cis-dil": ["5.2.6"],
        "nist-800-53": ["CM-6(b)"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-42"],
    },
)
def test_x11_is_not_forwarded(host, audit):
    """Graphical programs cannot be shown through the connection.

    Why: a server that was taken over could read the keyboard of whoever forwards X11 to it.

    Fix: set X11Forwarding no.
    """
    value = audit.observe("x11forwarding", host.facts.sshd["x11forwarding"])
    assert value == "no", f"X11Forwarding is {value}; expected: no"


@pytest.mark.control(
    "ssh.hostbased",
    severity="high",
    frameworks={
        "cis-debian12": ["5.1.10"],
        "cis-dil": ["5.2.9"],
        "nist-800-53": ["AC-17(a)", "AC-3", "CM-6(a)", "CM-7(a)", "CM-7(b)"],
        "pci-dss-4": ["8.3", "8.3.1"],
        "dev-sec": ["sshd-25"],
    },
)
def test_hosts_do_not_vouch_for_users(host, audit):
    """No user is let in because of the host that he comes from.

    Why: whoever is root on that host is every user here.

    Fix: set HostbasedAuthentication no.
    """
    value = audit.observe("hostbasedauthentication", host.facts.sshd["hostbasedauthentication"])
    assert value == "no", f"HostbasedAuthentication is {value}; expected: no"


@pytest.mark.control(
    "ssh.rhosts",
    severity="high",
    frameworks={
        "cis-debian12": ["5.1.11"],
        "cis-dil": ["5.2.8"],
        "nist-800-53": ["AC-17(a)", "CM-6(a)", "CM-7(a)", "CM-7(b)"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-23"],
    },
)
def test_rhosts_files_are_ignored(host, audit):
    """Files named .rhosts and .shosts are ignored.

    Why: with them each user decides which hosts are trusted.

    Fix: set IgnoreRhosts yes.
    """
    value = audit.observe("ignorerhosts", host.facts.sshd["ignorerhosts"])
    assert value == "yes", f"IgnoreRhosts is {value}; expected: yes"


@pytest.mark.control(
    "ssh.user-env",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.1.21"],
        "cis-dil": ["5.2.12"],
        "nist-800-53": ["AC-17(a)", "CM-6(a)", "CM-7(a)", "CM-7(b)"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-17"],
    },
)
def test_users_cannot_set_the_environment(host, audit):
    """Users cannot set variables for their session.

    Why: with LD_PRELOAD and its like they get around a forced command.

    Fix: set PermitUserEnvironment no.
    """
    value = audit.observe("permituserenvironment", host.facts.sshd["permituserenvironment"])
    assert value == "no", f"PermitUserEnvironment is {value}; expected: no"


@pytest.mark.control(
    "ssh.log-level",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.1.14"],
        "cis-dil": ["5.2.5"],
        "nist-800-53": ["AC-17(a)", "CM-6(a)"],
        "dev-sec": ["sshd-13"],
    },
)
def test_logins_are_logged(host, audit):
    """Logins are logged, and no secrets of the session.

    Why: QUIET hides who came in; the DEBUG levels write down what users do.

    Fix: set LogLevel VERBOSE, which also logs the fingerprint of the key, or INFO.
    """
    value = audit.observe("loglevel", host.facts.sshd["loglevel"])
    assert value in ("INFO", "VERBOSE"), f"LogLevel is {value}; expected: VERBOSE or INFO"


@pytest.mark.control(
    "ssh.strict-modes",
    severity="high",
    frameworks={"nist-800-53": ["AC-17(a)", "AC-6", "CM-6(a)"], "dev-sec": ["sshd-11"]},
)
def test_open_key_files_are_refused(host, audit):
    """Keys in files that others can write are not accepted.

    Why: otherwise who can write into a home can log in as its owner.

    Fix: set StrictModes yes.
    """
    value = audit.observe("strictmodes", host.facts.sshd["strictmodes"])
    assert value == "yes", f"StrictModes is {value}; expected: yes"


@pytest.mark.control(
    "ssh.pam",
    severity="medium",
    frameworks={"cis-debian12": ["5.1.22"], "cis-dil": ["5.2.20"], "pci-dss-4": ["2.2", "2.2.6"]},
)
def test_logins_go_through_pam(host, audit):
    """Logins go through PAM.

    Why: lock-out, password age and session limits are set there, also for keys.

    Fix: set UsePAM yes.
    """
    if "usepam" not in host.facts.sshd:
        audit.not_applicable("this sshd is built without PAM")
    value = audit.observe("usepam", host.facts.sshd["usepam"])
    assert value == "yes", f"UsePAM is {value}; expected: yes"


@pytest.mark.control(
    "ssh.idle",
    severity="low",
    frameworks={
        "cis-debian12": ["5.1.7"],
        "cis-dil": ["5.2.16"],
        "nist-800-53": ["AC-12", "AC-17(a)", "AC-2(5)", "CM-6(a)", "SC-10"],
        "pci-dss-4": ["8.2", "8.2.8"],
        "dev-sec": ["sshd-36", "sshd-37"],
    },
    inputs={"maximum": 900},
)
def test_dead_sessions_end(host, audit):
    """A session whose client is gone ends soon.

    Why: nobody notices who takes over a session that its owner has left.

    Fix: set ClientAliveInterval 300 and ClientAliveCountMax 3.
    """
    interval = audit.observe("interval", host.facts.sshd.number("clientaliveinterval"))
    count = audit.observe("count", host.facts.sshd.number("clientalivecountmax"))
    seconds = interval * count
    assert 0 < seconds <= audit.inputs.maximum, f"interval {interval} s, {count} times: {seconds} s"


@pytest.mark.control(
    "ssh.forwarding",
    severity="low",
    frameworks={
        "cis-debian12": ["5.1.8"],
        "cis-dil": ["5.2.21"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-38", "sshd-39", "sshd-40", "sshd-41"],
    },
)
def test_nothing_is_forwarded(host, audit):
    """Ports, agents, sockets and tunnels are not forwarded.

    Why: they lead from the outside to what only this host can reach.

    Fix: set DisableForwarding yes.
    """
    names = ("allowtcpforwarding", "allowagentforwarding", "gatewayports", "permittunnel")
    sshd = host.facts.sshd
    values = {name: sshd[name] for name in (*names, "allowstreamlocalforwarding")}
    on = sorted(name for name, value in values.items() if value != "no")
    on = on if audit.observe("disableforwarding", sshd["disableforwarding"]) != "yes" else []
    assert not audit.observe("on", on), f"forwarding is on: {', '.join(on)}"


@pytest.mark.control(
    "ssh.sessions",
    severity="low",
    frameworks={
        "cis-debian12": ["5.1.17", "5.1.18"],
        "cis-dil": ["5.2.22", "5.2.23"],
        "pci-dss-4": ["2.2", "2.2.6"],
        "dev-sec": ["sshd-20", "sshd-21"],
    },
    inputs={"sessions": 10, "begin": 10, "full": 60},
)
def test_sessions_are_limited(host, audit):
    """The number of sessions and of connections that have not logged in is limited.

    Why: otherwise one stranger uses up the memory of the host.

    Fix: set MaxSessions 10 and MaxStartups 10:30:60.
    """
    sessions = audit.observe("maxsessions", host.facts.sshd.number("maxsessions"))
    begin, _, full = audit.observe("maxstartups", host.facts.sshd["maxstartups"]).split(":")
    assert sessions <= audit.inputs.sessions, f"MaxSessions is {sessions}"
    bounded = int(begin) <= audit.inputs.begin and int(full) <= audit.inputs.full
    assert bounded, f"MaxStartups is {host.facts.sshd['maxstartups']}"
