"""Who talks to whom, against what the inventory says of the network."""

from __future__ import annotations

import ipaddress

import pytest


@pytest.mark.control(
    "network.declared-ports",
    severity="high",
    frameworks={"nist-800-53": ["CM-7(1)", "SC-7(5)"], "pci-dss-4": ["1.2.5", "1.3.1"]},
    inputs={"seconds": 2.0, "ports": None},
)
def test_only_declared_ports_are_used(sniffer, audit):
    """Traffic goes to declared ports only.

    Why: a service that nobody declared is one that nobody has judged, patched or fenced in.

    Fix: stop the service or block the port, or add it to `allowed_ports` of the network.
    """
    ports = audit.inputs.ports
    ports = sniffer.target.vars.get("allowed_ports") if ports is None else ports
    if ports is None:
        audit.not_applicable("the inventory names no allowed_ports for this network")
    flows = sniffer.sample(audit.inputs.seconds).flows().where(lambda flow: flow.server_port > 0)
    other = flows.where(lambda flow: not {flow.server_port, flow.service} & set(ports))
    audit.observe("undeclared", other.to_plain())
    assert not other, f"to undeclared ports: {other}"


@pytest.mark.control(
    "network.expected-talkers",
    severity="medium",
    frameworks={"nist-800-53": ["AC-4", "SC-7", "SI-4"], "pci-dss-4": ["1.4.2"]},
    inputs={"seconds": 2.0, "besides": ["0.0.0.0/32", "255.255.255.255/32", "224.0.0.0/4",
                                        "::/128", "fe80::/10", "ff00::/8"]},
)  # fmt: skip
def test_only_expected_addresses_talk(sniffer, audit):
    """Only addresses of the network's own ranges talk on it.

    Why: a stranger on a segment is a wrong route, a machine nobody knows of, or an intruder.

    Fix: find the machine by its address, and remove it; or add its range to `cidrs`.
    """
    if not sniffer.target.entry.cidrs:
        audit.not_applicable("the inventory names no cidrs for this network")
    known = [ipaddress.ip_network(n) for n in (*sniffer.target.entry.cidrs, *audit.inputs.besides)]
    flows = sniffer.sample(audit.inputs.seconds).flows()
    strange = flows.where(lambda f: not all(any(a in n for n in known) for a in f.addresses))
    audit.observe("strange", strange.to_plain())
    assert not strange, f"outside of the network's ranges: {strange}"
