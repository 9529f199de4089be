"""What comes from the network: forged packets, routers, radios, mail, and who listens to it."""

from __future__ import annotations

import fnmatch

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")


def _others(names, allowed):
    return [name for name in names if not any(fnmatch.fnmatchcase(name, each) for each in allowed)]


@pytest.mark.control(
    "net.promisc",
    severity="medium",
    inputs={"allowed": []},
)
def test_no_interface_listens_to_everything(host, audit):
    """No interface takes packets that are meant for others.

    Why: that is how a sniffer collects what its neighbours send.

    Fix: find who does it, with `ss -0 -p` for a capture that runs, and `ip link set DEV promisc
    off`. Ports of bridges and bonds are left out; name sensors in the input `allowed`.
    """
    found = audit.observe("promiscuous", host.facts.interfaces_flags.promiscuous())
    bad = _others(found, audit.inputs.allowed)
    assert not bad, f"promiscuous: {listed(bad)}"


@pytest.mark.control(
    "net.wireless",
    severity="low",
    frameworks={
        "cis-debian12": ["3.1.2"],
        "cis-dil": ["3.6"],
        "nist-800-53": ["AC-18(3)", "AC-18(a)", "CM-6(a)", "CM-7(a)", "CM-7(b)", "MP-7"],
        "pci-dss-4": ["1.3", "1.3.3"],
    },
    inputs={"allowed": []},
)
def test_no_radio_is_on(host, audit):
    """No wireless network and no Bluetooth is on.

    Why: a radio reaches past walls and firewalls, and a server has no use for one.

    Fix: take it out, `rfkill block all`, or keep its driver from being loaded. Name those that are
    meant to be there in the input `allowed`.
    """
    radios = host.facts.interfaces_flags.radios()
    audit.observe("radios", [device.name for device in radios])
    on = [device.name for device in radios if not device.blocked]
    bad = _others(on, audit.inputs.allowed)
    assert not bad, f"on: {listed(bad)}"


@pytest.mark.control(
    "net.mta-local",
    severity="medium",
    frameworks={"cis-debian12": ["2.1.21"], "cis-dil": ["2.2.15"]},
    inputs={"ports": [25, 465, 587], "mail_server": False},
)
def test_mail_is_taken_from_this_host_only(host, audit):
    """The mail server listens on loopback only.

    Why: one that only sends the host's own messages, and that others reach, is one more way in,
    and a relay for spam.

    Fix: in Postfix `inet_interfaces = loopback-only`, in Exim
    dc_local_interfaces='127.0.0.1 ; ::1'.
    For mail servers set the input `mail_server`.
    """
    if audit.inputs.mail_server:
        audit.not_applicable("this host is meant to take mail (input mail_server)")
    exposed = host.facts.sockets.exposed()
    ports = [f"tcp/{port}" for port in audit.inputs.ports]
    bad = audit.observe("exposed", [str(item) for item in exposed if item.fits(ports)])
    assert not bad, f"open to others: {listed(bad)}"


@pytest.mark.control(
    "kernel.martians",
    severity="low",
    frameworks={
        "cis-debian12": ["3.3.9"],
        "cis-dil": ["3.2.4"],
        "nist-800-53": ["CM-7(a)", "CM-7(b)", "SC-5(3)(a)"],
        "dev-sec": ["sysctl-17"],
    },
)
def test_impossible_senders_are_logged(host, audit):
    """Packets with impossible senders are logged.

    Why: they are what a forged sender, or a wrong route, looks like; the log shows either.

    Fix: set net.ipv4.conf.all.log_martians = 1 in a file of /etc/sysctl.d.
    """
    values = audit.observe(
        "log_martians", dict(host.facts.sysctl.per_interface("ipv4", "log_martians"))
    )
    everywhere = values.get("all", 0)  # the greater of both counts
    off = sorted(d for d, on in values.items() if not (on or everywhere) and d not in ("all", "lo"))
    assert not off, f"net.ipv4.conf.*.log_martians is off for {listed(off)}"


@pytest.mark.control(
    "kernel.ipv6-ra",
    severity="low",
    frameworks={
        "cis-debian12": ["3.3.11"],
        "cis-dil": ["3.2.9"],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)"],
        "dev-sec": ["sysctl-25"],
    },
    inputs={"autoconfigured": False},
)
def test_router_advertisements_are_ignored(host, audit):
    """The host takes no IPv6 address or route from whoever announces one.

    Why: any neighbour can announce itself as the router, and gets our traffic.

    Fix: set net.ipv6.conf.all.accept_ra and net.ipv6.conf.default.accept_ra to 0, and that of each
    interface. Where addresses come this way on purpose, set the input `autoconfigured`.
    """
    if audit.inputs.autoconfigured:
        audit.not_applicable("this host takes its addresses from routers (input autoconfigured)")
    sysctl = host.facts.sysctl
    values = audit.observe("accept_ra", dict(sysctl.per_interface("ipv6", "accept_ra")))
    disabled = sysctl.per_interface("ipv6", "disable_ipv6")
    forwarding = sysctl.per_interface("ipv6", "forwarding")
    on = [
        name
        for name, value in sorted(values.items())
        if name != "lo"
        and not disabled.get(name)
        and (value > 1 or (value == 1 and not forwarding.get(name)))
    ]
    assert not on, f"net.ipv6.conf.*.accept_ra is on for {listed(on)}"
