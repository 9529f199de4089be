"""Flows: who talked to whom, over which port, and how much."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_sysaudit.network.decode import ACK, SCTP, SYN, TCP, UDP, Datagram, decode
from pytest_sysaudit.network.pcap import Frame
from pytest_sysaudit.record import Plain, utc_text

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAMES = {1: "icmp", 2: "igmp", 4: "ipip", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah", 58: "icmp6"}
_NAMES |= {TCP: "tcp", UDP: "udp", SCTP: "sctp", 89: "ospf", 112: "vrrp"}
_WITH_PORTS = (TCP, UDP, SCTP)

End = tuple[bytes, int]
Key = tuple[int, End, End]


def address(packed: bytes) -> str:
    """Return 4 or 16 bytes as an address is written."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)  # noqa: PLR2004


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """All packets between two ends.

    Attributes:
        protocol: ``tcp``, ``udp``, ``icmp`` ..., or the protocol's number.
        client, client_port: who began: the sender of the SYN; else the end with the higher port;
            else the sender of the first packet seen. The port is 0 where there are none.
        server, server_port: the other end.
        packets: how many were seen, both ways.
        sent, received: bytes of payload from the client and from the server.
        first, last: when, in seconds since the epoch.
    """

    protocol: str
    client: str
    client_port: int
    server: str
    server_port: int
    packets: int
    sent: int
    received: int
    first: float
    last: float

    @property
    def addresses(self) -> tuple[Address, Address]:
        """Both addresses, the client's first."""
        return ipaddress.ip_address(self.client), ipaddress.ip_address(self.server)

    @property
    def service(self) -> str:
        """Protocol and server's port: ``tcp/443``."""
        return f"{self.protocol}/{self.server_port}"

    @property
    def carried(self) -> int:
        """Bytes of payload, both ways; 0 for one that was only tried."""
        return self.sent + self.received

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data; ``first`` and ``last`` are UTC ISO 8601."""
        plain: dict[str, Plain] = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "first": utc_text(self.first), "last": utc_text(self.last)}

    def __str__(self) -> str:
        return f"{self.protocol} {_end(self.client, self.client_port)} -> " + _end(
            self.server, self.server_port
        )


def _end(name: str, port: int) -> str:
    if not port:
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


@dataclass(slots=True)
class _Tally:
    client: End
    server: End
    first: int
    last: int = 0
    packets: int = 0
    payload: dict[End, int] = field(default_factory=dict)


class FlowTable:
    """Sorts packets into flows; a later fragment goes where its first one went."""

    def __init__(self) -> None:
        self._flows: dict[Key, _Tally] = {}
        self._fragments: dict[tuple[bytes, bytes, int, int], tuple[int, int]] = {}

    def add(self, frame: Frame, packet: Datagram) -> None:
        """Count one packet."""
        ports = self._ports(packet)
        source, destination = (packet.source, ports[0]), (packet.destination, ports[1])
        tally = self._flows.setdefault(
            key(packet.protocol, source, destination),
            _Tally(*roles(packet, source, destination), first=frame.time_ns),
        )
        if packet.protocol == TCP and packet.flags & SYN:
            tally.client, tally.server = roles(packet, source, destination)
        tally.last = max(tally.last, frame.time_ns)
        tally.packets += 1
        tally.payload[source] = tally.payload.get(source, 0) + packet.end - packet.start

    def _ports(self, packet: Datagram) -> tuple[int, int]:
        ports = packet.source_port, packet.destination_port
        if not packet.fragment:
            return ports
        tie = packet.source, packet.destination, packet.protocol, packet.fragment
        if packet.later:
            return self._fragments.get(tie, (0, 0))
        self._fragments[tie] = ports
        return ports

    def flows(self) -> list[Flow]:
        """Return the flows, sorted."""
        return sorted(
            Flow(
                protocol=_NAMES.get(protocol, str(protocol)),
                client=address(tally.client[0]),
                client_port=tally.client[1],
                server=address(tally.server[0]),
                server_port=tally.server[1],
                packets=tally.packets,
                sent=tally.payload.get(tally.client, 0),
                received=tally.payload.get(tally.server, 0),
                first=tally.first / 1e9,
                last=tally.last / 1e9,
            )
            for (protocol, _, _), tally in self._flows.items()
        )


def key(protocol: int, source: End, destination: End) -> Key:
    """Return what both directions of a flow share."""
    if source <= destination:
        return protocol, source, destination
    return protocol, destination, source


def roles(packet: Datagram, source: End, destination: End) -> tuple[End, End]:
    """Return client and server, as far as one packet from *source* to *destination* tells."""
    if packet.protocol == TCP and packet.flags & SYN:
        return (destination, source) if packet.flags & ACK else (source, destination)
    if packet.protocol in _WITH_PORTS and source[1] < destination[1]:
        return destination, source
    return source, destination


def flows(frames: Iterable[Frame]) -> list[Flow]:
    """Return the flows of *frames*, sorted."""
    table = FlowTable()
    for frame in frames:
        packet = decode(frame)
        if packet is not None:
            table.add(frame, packet)
    return table.flows()
