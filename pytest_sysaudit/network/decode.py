"""Taking one captured frame apart: addresses, ports, TCP fields and where the payload lies."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from pytest_sysaudit.network.pcap import Frame

ETHERNET, NULL, LOOP, COOKED, COOKED2 = 1, 0, 108, 113, 276
RAW = frozenset({12, 14, 101, 228, 229})
IPV4, IPV6 = 0x0800, 0x86DD
VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
PPPOE = 0x8864
TCP, UDP, SCTP = 6, 17, 132
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})  # IPv6 headers with a length byte of their own
_FRAGMENT, _AUTHENTICATION = 44, 51


@dataclass(frozen=True, slots=True)
class Datagram:
    """One IP packet.

    Attributes:
        protocol: the IP protocol number.
        source, destination: addresses as 4 or 16 bytes.
        source_port, destination_port: 0 where the protocol has none, or they are in another
            fragment.
        start, end: where the payload (of TCP or UDP, else of IP) lies in the frame's bytes; *end*
            may be beyond them if the frame was cut.
        sequence, acknowledged, flags: of TCP.
        fragment: what ties the fragments of a datagram together; 0 if it is whole.
        later: whether it is a fragment other than the first.
    """

    protocol: int
    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    start: int
    end: int
    sequence: int = 0
    acknowledged: int = 0
    flags: int = 0
    fragment: int = 0
    later: bool = False


@dataclass(frozen=True, slots=True)
class _Ip:
    protocol: int
    source: bytes
    destination: bytes
    start: int
    end: int
    fragment: int = 0
    later: bool = False


def decode(frame: Frame) -> Datagram | None:
    """Return the IP packet in *frame*; None if there is none or its headers are not all there."""
    try:
        kind, offset = network_layer(frame.data, frame.link)
        read = _IP.get(kind)
        return _transport(frame.data, read(frame.data, offset, frame.length)) if read else None
    except (struct.error, IndexError, ValueError):
        return None


def network_layer(data: bytes, link: int) -> tuple[int, int]:
    """Return the EtherType and where its header begins; VLAN tags and PPPoE are stepped over.

    Raises:
        struct.error, IndexError: the frame is too short.
    """
    if link == ETHERNET:
        (kind,), offset = struct.unpack_from(">H", data, 12), 14
    elif link in (COOKED, COOKED2):
        (kind,) = struct.unpack_from(">H", data, 14 if link == COOKED else 0)
        offset = 16 if link == COOKED else 20
    elif link in RAW or link in (NULL, LOOP):
        offset = 0 if link in RAW else 4
        kind = {4: IPV4, 6: IPV6}.get(data[offset] >> 4, 0)
    else:
        return 0, 0
    while kind in VLAN_TAGS:
        (kind,), offset = struct.unpack_from(">H", data, offset + 2), offset + 4
    if kind == PPPOE:
        (inner,), offset = struct.unpack_from(">H", data, offset + 6), offset + 8
        kind = {0x21: IPV4, 0x57: IPV6}.get(inner, 0)
    return kind, offset


def untagged(data: bytes, link: int) -> bytes:
    """Return an Ethernet frame without its VLAN tags, as the kernel shows it to filters."""
    while link == ETHERNET and len(data) >= 18 and int.from_bytes(data[12:14]) in VLAN_TAGS:  # noqa: PLR2004
        data = data[:12] + data[16:]
    return data


def _ipv4(data: bytes, at: int, length: int) -> _Ip:
    head, _, total, ident, piece, _, protocol = struct.unpack_from(">BBHHHBB", data, at)
    if head >> 4 != 4:  # noqa: PLR2004 - the version
        raise ValueError("not IPv4")
    source, destination = data[at + 12 : at + 16], data[at + 16 : at + 20]
    if len(destination) < 4:  # noqa: PLR2004 - bytes of an address
        raise ValueError("cut")
    end = at + total if total else length  # 0: a segment that the card will cut up
    fragment = (ident | 1 << 32) if piece & 0x3FFF else 0
    later = bool(piece & 0x1FFF)
    return _Ip(protocol, source, destination, at + (head & 15) * 4, end, fragment, later)


def _ipv6(data: bytes, at: int, length: int) -> _Ip:
    _, size, protocol = struct.unpack_from(">IHB", data, at)
    source, destination = data[at + 8 : at + 24], data[at + 24 : at + 40]
    if len(destination) < 16 or data[at] >> 4 != 6:  # noqa: PLR2004 - bytes of an address, version
        raise ValueError("not IPv6, or cut")
    end = at + 40 + size if size else length
    start, fragment, later = at + 40, 0, False
    while not later:
        if protocol in _EXTENSIONS:
            protocol, start = data[start], start + 8 + data[start + 1] * 8
        elif protocol == _AUTHENTICATION:
            protocol, start = data[start], start + 8 + data[start + 1] * 4
        elif protocol == _FRAGMENT:
            protocol, _, piece, ident = struct.unpack_from(">BBHI", data, start)
            fragment, later, start = ident | 1 << 32, bool(piece >> 3), start + 8
        else:
            break
    return _Ip(protocol, source, destination, start, end, fragment, later)


_IP: dict[int, Callable[[bytes, int, int], _Ip]] = {IPV4: _ipv4, IPV6: _ipv6}


def _transport(data: bytes, ip: _Ip) -> Datagram:
    sport = dport = sequence = acknowledged = flags = 0
    start = ip.start
    if ip.protocol == TCP and not ip.later:
        sport, dport, sequence, acknowledged, size, flags = struct.unpack_from(
            ">HHIIBB", data, start
        )
        start += (size >> 4) * 4
    elif ip.protocol in (UDP, SCTP) and not ip.later:
        sport, dport = struct.unpack_from(">HH", data, start)
        start += 8 if ip.protocol == UDP else 12
    return Datagram(
        protocol=ip.protocol,
        source=ip.source,
        destination=ip.destination,
        source_port=sport,
        destination_port=dport,
        start=start,
        end=max(start, ip.end),
        sequence=sequence,
        acknowledged=acknowledged,
        flags=flags,
        fragment=ip.fragment,
        later=ip.later,
    )
