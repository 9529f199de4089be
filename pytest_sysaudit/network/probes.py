"""The border to scapy for sending: bytes of a packet, out of one interface, by our own sockets.

Scapy's own sockets are not used: they choose source and interface from a copy of the routing table
that may be old, and what they send on ``lo`` does not reach this machine's own services.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pytest_sysaudit.errors import CannotAssess, Denied, RefusedByPolicy
from pytest_sysaudit.network.dissect import load_scapy
from pytest_sysaudit.network.local import hardware
from pytest_sysaudit.text import plural

_ROUTES = threading.Lock()
SO_BINDTODEVICE = 25
MAX_PACKETS = 1000  # in one probe
PER_SECOND = 100


def refresh_routes() -> None:
    """Make scapy read interfaces and routes again: what it fills in by itself comes from them."""
    conf = load_scapy()
    with _ROUTES:
        conf.ifaces.reload()
        conf.route.resync()
        conf.route6.resync()


def prepare(packet: Any, interface: str) -> list[Any]:
    """Return the packets that a scapy packet stands for, with every field as it will be sent.

    The source is what the kernel would take, if the packet names none.

    Raises:
        RefusedByPolicy: they are more than `MAX_PACKETS`.
        CannotAssess: it begins with neither Ether, IP nor IPv6, or there is no way to there.
    """
    refresh_routes()
    name = type(packet).__name__
    if name not in _FILL:
        raise CannotAssess(f"a probe begins with Ether, IP or IPv6, not {name}")
    packets: list[Any] = []
    for one in packet:
        if len(packets) == MAX_PACKETS:
            raise RefusedByPolicy(f"more than {plural(MAX_PACKETS, 'packet')} in one probe")
        try:
            _FILL[name](one, interface)
        except OSError as error:
            raise CannotAssess(f"{one.summary()} on {interface}: {error.strerror}") from error
        packets.append(type(one)(bytes(one)))
    return packets


def send(packets: Sequence[Any], interface: str) -> None:
    """Send prepared packets out of *interface*, at most `PER_SECOND` in a second.

    Raises:
        Denied: this process may not.
        CannotAssess: one could not be sent.
    """
    for number, packet in enumerate(packets):
        if number:
            time.sleep(1 / PER_SECOND)
        try:
            (_send_frame if type(packet).__name__ == "Ether" else _send_ip)(packet, interface)
        except PermissionError as error:
            raise Denied(f"{packet.summary()}: not sent: {error.strerror}") from error
        except OSError as error:
            raise CannotAssess(f"{packet.summary()}: not sent: {error.strerror}") from error


def _fill_ip(packet: Any, interface: str) -> None:
    if "src" not in packet.fields:
        family = socket.AF_INET if type(packet).__name__ == "IP" else socket.AF_INET6
        packet.src = _source(family, packet.dst, interface)


def _fill_frame(packet: Any, interface: str) -> None:
    if "dst" not in packet.fields:
        raise CannotAssess("set Ether(dst=...): who has the address is not asked for")
    if "src" not in packet.fields:
        packet.src = hardware(interface)[1].hex(":")


_FILL: dict[str, Callable[[Any, str], None]] = {
    "IP": _fill_ip,
    "IPv6": _fill_ip,
    "Ether": _fill_frame,
}


def _send_ip(packet: Any, interface: str) -> None:
    family = socket.AF_INET if type(packet).__name__ == "IP" else socket.AF_INET6
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, interface.encode())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(bytes(packet), (packet.dst, 0))


def _send_frame(packet: Any, interface: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((interface, 0))
        sock.send(bytes(packet))


def _source(family: int, destination: str, interface: str) -> str:
    """Return the address that the kernel would send from."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, interface.encode())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.connect((destination, 9))
        return str(sock.getsockname()[0])
