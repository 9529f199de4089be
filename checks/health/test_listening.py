"""Which ports are open, against those that the inventory names.

They come from the host's variable ``allowed_ports``, or from the input ``ports`` over it: numbers,
which mean tcp and udp alike, or texts as ``udp/53``. The input ``usual`` is for hosts with neither:
a profile can give it to all of them.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.platform("linux")


def _ports(host, audit):
    ports = audit.inputs.ports
    if ports is None:
        ports = host.target.vars.get("allowed_ports", audit.inputs.get("usual"))
    if ports is None:
        audit.not_applicable("the inventory names no allowed_ports for this host")
    return ports


@pytest.mark.control(
    "net.listening",
    severity="critical",
    frameworks={
        "cis-dil": [
            "2.1.1",
            "2.1.2",
            "2.1.3",
            "2.1.4",
            "2.1.5",
            "2.1.6",
            "2.1.8",
            "2.1.9",
            "2.2.7",
            "2.2.9",
        ]
    },
    inputs={"ports": None, "usual": None},
)
def test_only_allowed_ports_are_open(host, audit):
    """Nothing listens for other hosts but what the inventory allows.

    Why: each open port is a way in; one that nobody planned is one that nobody updates.

    Fix: stop the service, bind it to loopback, or add its port to `allowed_ports`.
    """
    ports = _ports(host, audit)
    found = audit.observe("listening", [str(item) for item in host.facts.sockets.exposed()])
    extra = [str(item) for item in host.facts.sockets.exposed() if not item.fits(ports)]
    assert not extra, f"open, but not allowed: {', '.join(extra)}; {len(found)} listen in all"


@pytest.mark.control(
    "net.missing-listener",
    severity="high",
    inputs={"ports": None},
)
def test_allowed_ports_are_served(host, audit):
    """Every port that the inventory names is served.

    Why: a port that nobody listens on is a service that is down, or an exception left behind.

    Fix: start the service, or take its port out of `allowed_ports`.
    """
    ports = _ports(host, audit)
    found = host.facts.sockets.exposed()
    missing = [str(port) for port in ports if not any(item.fits([port]) for item in found)]
    assert not audit.observe("missing", missing), f"nobody listens on {', '.join(missing)}"
