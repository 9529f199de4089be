"""What a probe may be sent to: only what the inventory lists, a bounded number, not too fast."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_sysaudit.errors import RefusedByPolicy
from pytest_sysaudit.inventory.target import Target

#: scapy's names of the fields that say where a packet goes; names of layers that reroute it.
_DESTINATIONS = {"IP": "dst", "IPv6": "dst", "ARP": "pdst"}
_REROUTING = ("IPOption_LSRR", "IPOption_SSRR", "IPv6ExtHdrRouting")


def check_allowed(target: Target) -> None:
    """Raise `RefusedByPolicy` unless the inventory allows probes of this network, from here.

    ``active_probes`` has to be true; what is watched from elsewhere cannot be probed from here.
    """
    allowed, entry = f"networks.{target.name}", target.entry
    if not getattr(entry, "active_probes", False):
        raise RefusedByPolicy(
            f"probes are not sent: {allowed}.active_probes is not true in the inventory"
        )
    if getattr(entry, "via", None) or getattr(entry, "pcap", None):
        raise RefusedByPolicy(
            f"probes are sent from this machine only, and {allowed} is watched from elsewhere"
        )


def check(target: Target, packets: Sequence[Any]) -> None:
    """Raise `RefusedByPolicy` unless all that the scapy *packets* go to is in ``cidrs``."""
    check_allowed(target)
    allowed = f"networks.{target.name}"
    nets = [ipaddress.ip_network(n, strict=False) for n in getattr(target.entry, "cidrs", ())]
    for packet in packets:
        found = list(destinations(packet))
        if not found:
            raise RefusedByPolicy(f"no IP or ARP destination to check: {packet.summary()}")
        for text in found:
            if not any(ipaddress.ip_address(text) in net for net in nets):
                known = ", ".join(map(str, nets)) or "none"
                raise RefusedByPolicy(f"{text} is outside of {allowed}.cidrs ({known})")


def destinations(packet: Any) -> Iterator[str]:
    """Yield the addresses that *packet* goes to, those of packets inside it as well."""
    for layer in _layers(packet):
        name = type(layer).__name__
        rerouting = [type(option).__name__ for option in getattr(layer, "options", None) or ()]
        for odd in (name, *rerouting):
            if odd.startswith(_REROUTING):
                raise RefusedByPolicy(f"a packet that names its own way is not sent: {odd}")
        if name in _DESTINATIONS:
            yield str(getattr(layer, _DESTINATIONS[name]))


def _layers(packet: Any) -> Iterator[Any]:
    """Yield each layer; ``packet.layers()`` would give classes."""
    number = 0
    while (layer := packet.getlayer(number)) is not None:
        yield layer
        number += 1
