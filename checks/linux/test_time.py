"""The clock, and who keeps it right."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


def _timesync(host, audit):
    timesync = host.facts.timesync
    if not timesync.own_clock:
        audit.not_applicable("this container cannot set its clock: that is its host's")
    if timesync.daemons is None:
        audit.cannot_assess("/proc hides the processes of others (hidepid); log in as root")
    audit.observe("daemons", timesync.daemons)
    return timesync


def _says(timesync):
    """Return who could not tell, and why, for a message."""
    lacking = f": {listed(timesync.missing)} is not there" if timesync.missing else ""
    return f"{listed(timesync.daemons)} does not say{lacking}"


@pytest.mark.control(
    "time.daemon",
    severity="medium",
    frameworks={
        "cis-debian12": ["2.3.1.1"],
        "cis-dil": ["2.2.1.1"],
        "nist-800-53": ["AU-12(1)", "AU-8(1)(a)", "CM-6(a)"],
        "pci-dss-4": ["10.6", "10.6.1"],
    },
)
def test_one_program_keeps_the_time(host, audit):
    """Exactly one program keeps the clock right.

    Why: without one the clock drifts, and logs, tickets and certificates are no longer true; two
    pull it to and fro.

    Fix: install chrony, or enable systemd-timesyncd; switch all others off.
    """
    timesync = _timesync(host, audit)
    assert timesync.daemons, "no time daemon runs"
    several = timesync.network_daemons
    assert len(several) == 1, f"several time daemons run: {listed(several)}"


@pytest.mark.control(
    "time.synced",
    severity="high",
    frameworks={
        "cis-dil": ["2.2.1.2", "2.2.1.3", "2.2.1.4"],
        "nist-800-53": ["AU-8(1)(a)", "CM-6(a)"],
        "pci-dss-4": ["10.6", "10.6.2"],
    },
    inputs={"maximum_offset": 0.1},
)
def test_the_clock_follows_a_server(host, audit):
    """The clock follows a time server.

    Why: a daemon that reaches no server, or takes its own clock as right, lets it drift unseen.

    Fix: look at `chronyc sources` or `timedatectl timesync-status`; let UDP port 123 out. The input
    `maximum_offset` is in seconds.
    """
    timesync = _timesync(host, audit)
    assert timesync.daemons, "no time daemon runs"
    if timesync.synchronized is None:
        audit.cannot_assess(f"{_says(timesync)}, whether it follows a server")
    assert timesync.synchronized, f"{listed(timesync.daemons)} follows no server"
    off = abs(timesync.offset or 0.0)
    audit.observe("offset", timesync.offset)
    assert off <= audit.inputs.maximum_offset, f"the clock was off by {off:.3f} s"


@pytest.mark.control(
    "time.skew",
    severity="high",
    inputs={"maximum": 5.0},
)
def test_the_clock_is_right(host, audit):
    """The host's clock shows the same time as ours.

    Why: logs of several hosts can only be compared if their clocks agree; logins by tickets and
    codes fail.

    Fix: synchronise both clocks. The input `maximum` is in seconds; half of the time that the
    question took comes on top, for nobody knows when in between it was answered.
    """
    time = host.facts.time
    skew, error = audit.observe("skew", round(time.skew, 3)), audit.observe("error", time.error)
    assert time.within(audit.inputs.maximum), f"it is off by {skew} s (give or take {error:.3f} s)"


@pytest.mark.control(
    "time.sources",
    severity="low",
    frameworks={
        "cis-debian12": ["2.3.3.1"],
        "cis-dil": ["2.2.1.3"],
        "nist-800-53": ["AU-8(1)(a)", "CM-6(a)"],
    },
    inputs={"allowed": [], "minimum": 1},
)
def test_only_known_time_servers_are_asked(host, audit):
    """The time comes from servers, and only from those that the inventory names.

    Why: whoever serves the time can make expired certificates valid, and logs useless.

    Fix: set server and pool in chrony.conf, or NTP= in timesyncd.conf. `allowed` are names and
    addresses, `*` and `?` stand for any text; without any, every server will do. `minimum` is how
    many there must be.
    """
    timesync = _timesync(host, audit)
    assert timesync.daemons, "no time daemon runs"
    if timesync.sources is None:
        audit.cannot_assess(f"{_says(timesync)}, which servers it asks")
    sources = audit.observe("sources", timesync.sources)
    patterns = audit.inputs.allowed or ["*"]
    bad = [name for name in sources if not any(fnmatchcase(name, each) for each in patterns)]
    assert not bad, f"time servers that are not allowed: {listed(bad)}"
    count = len(sources)
    assert count >= audit.inputs.minimum, f"{count} time servers; expected: {audit.inputs.minimum}"
