"""What sshd lets in, by its effective settings and those of every Match block."""

from __future__ import annotations

import pytest

from pytest_sysaudit.facts.sshd import told

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
    found = audit.observe("permitrootlogin", host.facts.sshd.everywhere("permitrootlogin"))
    bad = {place: value for place, value in found.items() if value not in audit.inputs.allowed}
    assert not bad, f"PermitRootLogin is {told(bad)}; expected: no"


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
    found = audit.observe(
        "permitemptypasswords", host.facts.sshd.everywhere("permitemptypasswords")
    )
    bad = {place: value for place, value in found.items() if value != "no"}
    assert not bad, f"PermitEmptyPasswords is {told(bad)}; expected: no"


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
    found = audit.observe(name, host.facts.sshd.everywhere(name))
    bad = {place: value for place, value in found.items() if value != "no"}
    assert not bad, f"{name} is {told(bad)}; expected: no"


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
    views = host.facts.sshd.views().items()
    tries = audit.observe("tries", {place: sshd.number("maxauthtries") for place, sshd in views})
    bad = {place: number for place, number in tries.items() if number > audit.inputs.maximum}
    assert not bad, f"MaxAuthTries is {told(bad)}; expected: {audit.inputs.maximum} or less"


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
    short = 0 < seconds <= audit.inputs.maximum
    assert short, f"LoginGraceTime is {seconds}; expected: 1 to {audit.inputs.maximum} seconds"


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
    found = audit.observe("x11forwarding", host.facts.sshd.everywhere("x11forwarding"))
    bad = {place: value for place, value in found.items() if value != "no"}
    assert not bad, f"X11Forwarding is {told(bad)}; expected: no"


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
    found = audit.observe(
        "hostbasedauthentication", host.facts.sshd.everywhere("hostbasedauthentication")
    )
    bad = {place: value for place, value in found.items() if value != "no"}
    assert not bad, f"HostbasedAuthentication is {told(bad)}; expected: no"


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
    found = audit.observe("ignorerhosts", host.facts.sshd.everywhere("ignorerhosts"))
    bad = {place: value for place, value in found.items() if value != "yes"}
    assert not bad, f"IgnoreRhosts is {told(bad)}; expected: yes"


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
    found = audit.observe(
        "permituserenvironment", host.facts.sshd.everywhere("permituserenvironment")
    )
    bad = {place: value for place, value in found.items() if value != "no"}
    assert not bad, f"PermitUserEnvironment is {told(bad)}; expected: no"


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
    found = audit.observe("loglevel", host.facts.sshd.everywhere("loglevel"))
    bad = {
        place: value for place, value in found.items() if value.upper() not in ("INFO", "VERBOSE")
    }
    assert not bad, f"LogLevel is {told(bad)}; expected: VERBOSE or INFO"


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
    keys = ("clientaliveinterval", "clientalivecountmax")
    views = host.facts.sshd.views().items()
    pairs = {place: tuple(map(sshd.number, keys)) for place, sshd in views}
    bad = {
        place: f"{interval} s, {count} times"
        for place, (interval, count) in audit.observe("interval, count", pairs).items()
        if not 0 < interval * count <= audit.inputs.maximum
    }
    assert not bad, f"asked every {told(bad)}; expected: 1 to {audit.inputs.maximum} s in all"


def _forwarded(sshd):
    names = ("allowtcpforwarding", "allowagentforwarding", "gatewayports", "permittunnel")
    on = [name for name in (*names, "allowstreamlocalforwarding") if sshd[name] != "no"]
    return on if sshd["disableforwarding"] != "yes" else []


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
    views = host.facts.sshd.views().items()
    on = {place: ", ".join(_forwarded(sshd)) for place, sshd in views}
    on = {place: names for place, names in audit.observe("on", on).items() if names}
    assert not on, f"forwarding is on: {told(on)}"


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
    views = host.facts.sshd.views().items()
    sessions = {place: sshd.number("maxsessions") for place, sshd in views}
    sessions = audit.observe("maxsessions", sessions)
    begin, _, full = audit.observe("maxstartups", host.facts.sshd["maxstartups"]).split(":")
    bad = {place: number for place, number in sessions.items() if number > audit.inputs.sessions}
    assert not bad, f"MaxSessions is {told(bad)}; expected: {audit.inputs.sessions} or less"
    bounded = int(begin) <= audit.inputs.begin and int(full) <= audit.inputs.full
    wanted = f"{audit.inputs.begin}:n:{audit.inputs.full} or less"
    assert bounded, f"MaxStartups is {host.facts.sshd['maxstartups']}; expected: {wanted}"
