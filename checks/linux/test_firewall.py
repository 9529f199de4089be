"""The packet filter, as the kernel has it, whichever tool wrote its rules."""

from __future__ import annotations

import fnmatch

import pytest

from pytest_sysaudit.facts.firewall_walk import Packet
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: A bridge of Docker is called by 12 digits; others may be the way out.
_OF_DOCKER = f"br-{'[0-9a-f]' * 12}"
#: Interfaces of containers and virtual machines that this host itself serves.
TRUSTED = [
    *("docker*", "podman*", _OF_DOCKER, "virbr*", "lxcbr*", "lxdbr*", "cni*", "cali*", "cilium*"),
    *("flannel*", "lxc*", "veth*", "vnet*"),
]
NONE = "no packet filter: neither nft nor iptables is installed, and no rules of it are loaded"


def _devices(host, trusted):
    """Return the interfaces through which strangers come."""
    names = [
        device.name
        for device in host.facts.interfaces_flags
        if device.name != "lo" and device.is_up and not device.has_master
    ]
    outer = [n for n in names if not any(fnmatch.fnmatchcase(n, each) for each in trusted)]
    return outer or ["eth0"]  # none is up now


@pytest.mark.control(
    "net.firewall",
    severity="high",
    frameworks={
        "cis-debian12": ["4.2.3", "4.3.8", "4.4.2.1"],
        "cis-dil": ["3.5.1.1", "3.5.2.1", "3.5.3"],
        "nist-800-53": ["CA-3(5)", "CM-6(a)", "CM-7(b)", "SC-7(23)"],
        "pci-dss-4": ["1.3", "1.3.1"],
    },
    inputs={"trusted": TRUSTED},
)
def test_a_packet_filter_is_in_force(host, audit):
    """Packets that no rule allows do not get in, over IPv4 and IPv6.

    Why: a service that was started by mistake, or with its default settings, is open at once.

    Fix: enable nftables, ufw or firewalld with a default of drop or reject for incoming packets,
    for both families. Interfaces where all may come in belong into the input `trusted`.
    """
    firewall = host.facts.firewall
    audit.observe("tools", firewall.tools)
    assert firewall.tools, NONE
    port = firewall.filter.free_port()
    said = {
        f"IPv{family} {protocol} on {device}": firewall.filter.verdict(
            Packet(family, protocol, port, device)
        )
        for device in _devices(host, audit.inputs.trusted)
        for family in firewall.families
        for protocol in ("tcp", "udp")
    }
    audit.observe("unexpected packets", said)
    accepted = [what for what, verdict in said.items() if verdict == "accept"]
    assert not accepted, f"nothing keeps out {listed(accepted)}"
    if "unknown" in said.values():
        audit.cannot_assess("the rules use extensions that cannot be read here")


@pytest.mark.control(
    "net.firewall-open-ports",
    severity="medium",
    frameworks={"cis-debian12": ["4.4.2.4"], "cis-dil": ["3.5.1.4", "3.5.2.4"]},
    inputs={"allowed": ["udp/68", "udp/546"]},
)
def test_every_listener_has_a_rule(host, audit):
    """Each port that a service listens on, and not on loopback, is opened by a rule of its own.

    Why: one without a rule was not meant for others, or is open only because nothing is closed.

    Fix: stop the service, bind it to loopback, or write a rule that names its port. Name those
    that need no rule in the input `allowed`, as numbers or as udp/53.
    """
    firewall, sockets = host.facts.firewall, host.facts.sockets
    assert firewall.tools, NONE
    devices = firewall.filter.distinct(_devices(host, ()))
    bad = []
    for item in sockets.exposed():
        packets = [
            Packet(family, item.protocol, item.port, device)
            for device in devices
            for family in _families(item, both=not sockets.tells_families)
        ]
        named = any(firewall.filter.opens(packet) for packet in packets)
        if not named and not item.fits(audit.inputs.allowed):
            bad.append(str(item))
    audit.observe("without a rule", bad)
    assert not bad, f"no rule names the port of {listed(bad)}"


def _families(item, *, both):
    """Return the families of addresses that a listener can be reached by."""
    address = item.address.partition("%")[0]
    if address == "*" or (address == "::" and both):
        return (4, 6)
    return (6,) if ":" in address else (4,)


@pytest.mark.control(
    "net.firewall-loopback",
    severity="low",
    frameworks={"cis-debian12": ["4.3.6"], "cis-dil": ["3.5.1.2", "3.5.2.2"]},
    inputs={"kernel_suffices": False},
)
def test_forged_loopback_packets_are_dropped(host, audit):
    """Packets from outside that claim to come from this very host are dropped by a rule.

    Why: services trust loopback. The kernel refuses such packets too, unless route_localnet is on,
    as Kubernetes sets it.

    Fix: drop packets from 127.0.0.0/8 and ::1 that do not come in through lo, before any rule that
    accepts. With the input `kernel_suffices`, route_localnet = 0 is enough.
    """
    firewall = host.facts.firewall
    if audit.inputs.kernel_suffices:
        values = host.facts.sysctl.per_interface("ipv4", "route_localnet")
        on = sorted(name for name, value in values.items() if value)
        assert not audit.observe("route_localnet", on), f"route_localnet is on for {listed(on)}"
        return
    assert firewall.tools, NONE
    named = {int(port.partition("-")[0]) for port in firewall.filter.named_ports()}
    said = {
        (family, device, port): firewall.filter.verdict(
            Packet(family, "tcp", port, device, "127.0.0.1" if family == 4 else "::1")
        )
        for family in firewall.families
        for device in firewall.filter.distinct(_devices(host, ()))
        for port in sorted({firewall.filter.free_port(), *named})
    }
    accepted = [
        f"IPv{family} port {port} on {device}"
        for (family, device, port), verdict in said.items()
        if verdict == "accept"
    ]
    audit.observe("accepted", accepted)
    assert not accepted, f"forged packets get in: {listed(accepted)}"
    if "unknown" in said.values():
        audit.cannot_assess("the rules use extensions that cannot be read here")
