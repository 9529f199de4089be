"""Traffic for tests: real sockets, and frames made by scapy where no socket makes them."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pytest_sysaudit.inventory.model import Network
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.network import pcap
from pytest_sysaudit.network.capture import Capture, Recording
from pytest_sysaudit.network.pcap import Frame
from pytest_sysaudit.network.sniffer import Sniffer

CLIENT, SERVER = "c", "s"
Turns = Sequence[tuple[str, bytes]]


def network(
    name: str = "wire", *, base: Path = Path(), variables: Any = None, **entry: Any
) -> Target:
    """A network of the inventory."""
    return Target(
        name=name, kind=Kind.NETWORK, entry=Network(**entry), base=base, vars=variables or {}
    )


def loopback(**entry: Any) -> Sniffer:
    """A sniffer on this machine's ``lo``."""
    return Sniffer(network(interface="lo", **entry))


def datagrams(port: int, count: int, *, address: str = "127.0.0.1", size: int = 64) -> None:
    """Send UDP datagrams that are numbered in their first bytes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number in range(count):
            sock.sendto(b"%08d" % number + b"." * (size - 8), (address, port))


def listener(port: int = 0, address: str = "127.0.0.1") -> socket.socket:
    """A TCP socket that listens."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen()
    sock.settimeout(10)
    return sock


def converse(turns: Turns, *, port: int = 0, address: str = "127.0.0.1") -> int:
    """Let a client (``c``) and a server (``s``) say *turns* to each other; return the port."""
    with listener(port, address) as waiting:
        place = waiting.getsockname()
        with socket.create_connection(place, timeout=10) as client:
            server, _ = waiting.accept()
            with server:
                server.settimeout(10)
                for side, data in turns:
                    speaker, hearer = (client, server) if side == CLIENT else (server, client)
                    speaker.sendall(data)
                    _hear(hearer, len(data))
        return int(place[1])


def _hear(sock: socket.socket, size: int) -> None:
    while size:
        data = sock.recv(size)
        assert data, "the other side is gone"
        size -= len(data)


def certificate(folder: Path) -> Path:
    """A self-signed certificate with its key, in one file."""
    path = folder / "server.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += ["-nodes", "-keyout", str(path), "-out", str(path) + ".crt", "-subj", "/CN=lab"]
    subprocess.run([*argv, "-days", "2"], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(str(path) + ".crt").read_text())
    return path


def tls(version: ssl.TLSVersion, pem: Path, *, port: int = 0) -> None:
    """Make one TLS connection of *version* over loopback and say a word each way."""
    contexts = []
    for side in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(side)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that is what makes them of use
            context.minimum_version = context.maximum_version = version
        contexts.append(context)
    contexts[0].load_cert_chain(pem)
    with listener(port) as waiting:

        def serve() -> None:
            sock, _ = waiting.accept()
            with contexts[0].wrap_socket(sock, server_side=True) as server:
                server.sendall(server.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        raw = socket.create_connection(waiting.getsockname(), timeout=10)
        with contexts[1].wrap_socket(raw) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
        thread.join(10)


def talk(
    turns: Turns,
    *,
    client: str = "10.0.0.1",
    server: str = "10.0.0.2",
    ports: tuple[int, int] = (40000, 2100),
    handshake: bool = True,
) -> list[bytes]:
    """The Ethernet frames of one TCP connection."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether

    places = {CLIENT: (client, server, *ports), SERVER: (server, client, *reversed(ports))}
    numbers = {CLIENT: 4294967290, SERVER: 7}
    frames: list[bytes] = []

    def say(side: str, flags: str, data: bytes = b"") -> None:
        other = SERVER if side == CLIENT else CLIENT
        src, dst, sport, dport = places[side]
        head = IP(src=src, dst=dst) / TCP(
            sport=sport, dport=dport, flags=flags, seq=numbers[side],
            ack=numbers[other] if "A" in flags else 0,
        )  # fmt: skip
        ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        frames.append(bytes(ether / head / data))
        numbers[side] = (numbers[side] + len(data) + ("S" in flags)) % (1 << 32)

    if handshake:
        say(CLIENT, "S")
        say(SERVER, "SA")
        say(CLIENT, "A")
    for side, data in turns:
        say(side, "PA", data)
    say(CLIENT, "A")
    say(SERVER, "A")
    return frames


def capture_of(
    frames: Iterable[bytes | Frame],
    *,
    link: int = 1,
    drops: int = 0,
    gaps: tuple[str, ...] = (),
    min_packets: int = 1,
) -> Capture:
    """A finished capture of *frames*, a millisecond between them."""
    made = [
        one if isinstance(one, Frame) else Frame(10**18 + number * 10**6, one, len(one), link)
        for number, one in enumerate(frames)
    ]
    trace = pcap.parse(b"".join(pcap.write(made, link)), "made")
    recording = Recording(
        place="made", filter="", trace=trace, drops=drops, gaps=gaps, started=0.0, ended=1.0
    )
    return Capture(min_packets=min_packets).finish(recording)
