"""TCP streams: what each side said, in order, with the holes where bytes are missing."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pytest_sysaudit.network.decode import ACK, RST, SYN, TCP, Datagram, decode
from pytest_sysaudit.network.flows import End, Key, address, key, roles
from pytest_sysaudit.network.pcap import Frame

HOLE = b"\0\r\n"
_HALF, _WHOLE = 1 << 31, 1 << 32


@dataclass(frozen=True, slots=True)
class Turn:
    """Bytes that one side said without a hole in them or the other side's word between.

    ``start`` is the position of the first one among all that this side said.
    """

    time_ns: int
    client: bool
    data: bytes
    after_hole: bool = False
    start: int = field(default=0, compare=False)


Segment = tuple[int, int, bytes, int, int]
"""Position, time, data, number of the frame, and where in the frame the data begins."""


@dataclass(slots=True)
class Side:
    """One direction, in positions relative to its first byte that is known of."""

    segments: list[Segment] = field(default_factory=list)
    last: int = 0
    number: int | None = None
    acknowledged: int = 0

    def position(self, number: int) -> int:
        """Return the position that sequence *number* means, near to the last one."""
        if self.number is None:
            self.number = number
        step = (number - self.number + _HALF) % _WHOLE - _HALF
        self.last, self.number = self.last + step, number
        return self.last

    def pieces(self) -> Iterator[tuple[int, bytes, bool, int]]:
        """Yield time, data, whether bytes are missing before it, and its position.

        The first copy wins.
        """
        end: int | None = None
        latest = 0
        for start, time, data, *_ in sorted(self.segments):
            skip = 0 if end is None else max(0, end - start)
            if skip >= len(data):
                continue
            latest = max(latest, time)
            yield latest, data[skip:], end is not None and start > end, start + skip
            end = start + len(data)

    @property
    def unseen(self) -> bool:
        """Whether the other side acknowledged bytes that are not here."""
        end = max((start + len(data) for start, _, data, *_ in self.segments), default=0)
        return self.acknowledged > end + 1  # 1: the FIN has a number, too


@dataclass(frozen=True, slots=True)
class Stream:
    """One TCP connection.

    Attributes:
        client, client_port, server, server_port: as in `flows.Flow`.
        turns: what was said, in the order of the capture.
        holes: places where bytes are missing: they were on the wire but not in the capture.
    """

    client: str
    client_port: int
    server: str
    server_port: int
    turns: tuple[Turn, ...]
    holes: int

    def said(self, *, client: bool) -> bytes:
        """Return all that one side said; a hole stands as a zero byte and a line end."""
        turns = [turn for turn in self.turns if turn.client is client]
        return b"".join(HOLE * turn.after_hole + turn.data for turn in turns)

    def __str__(self) -> str:
        ends = (self.client, self.client_port), (self.server, self.server_port)
        texts = [f"[{n}]:{p}" if ":" in n else f"{n}:{p}" for n, p in ends]
        return f"tcp {texts[0]} -> {texts[1]}"


@dataclass(slots=True)
class Connection:
    """One TCP connection as it is put together."""

    client: End
    server: End
    syn: int | None = None
    sides: dict[End, Side] = field(default_factory=dict)

    def add(self, number: int, frame: Frame, packet: Datagram, ends: tuple[End, End]) -> None:
        """Take packet *number*, which goes from the first of *ends* to the second."""
        own, other = (self.sides.setdefault(end, Side()) for end in ends)
        if packet.flags & RST:
            return
        position = own.position((packet.sequence + bool(packet.flags & SYN)) % _WHOLE)
        data = frame.data[packet.start : packet.end]
        if data:
            own.segments.append((position, frame.time_ns, data, number, packet.start))
        if packet.flags & ACK:
            other.acknowledged = max(other.acknowledged, other.position(packet.acknowledged))

    def stream(self) -> Stream:
        """Return what both sides said."""
        sides = [(end == self.client, side) for end, side in self.sides.items()]
        pieces = heapq.merge(*(_marked(*side) for side in sides), key=lambda piece: piece[0])
        spans: list[tuple[int, bool, bytearray, bool, int]] = []
        for time, client, data, hole, start in pieces:
            if spans and spans[-1][1] is client and not hole:
                spans[-1][2].extend(data)
            else:
                spans.append((time, client, bytearray(data), hole, start))
        turns = [Turn(when, who, bytes(said), gap, at) for when, who, said, gap, at in spans]
        return Stream(
            client=address(self.client[0]),
            client_port=self.client[1],
            server=address(self.server[0]),
            server_port=self.server[1],
            turns=tuple(turns),
            holes=sum(turn.after_hole for turn in turns) + sum(side.unseen for _, side in sides),
        )


def _marked(client: bool, side: Side) -> Iterator[tuple[int, bool, bytes, bool, int]]:
    return ((time, client, data, hole, at) for time, data, hole, at in side.pieces())


def streams(frames: Iterable[Frame]) -> list[Stream]:
    """Return the TCP connections of *frames*, in the order in which they were first seen."""
    return [connection.stream() for connection in connections(frames)]


def connections(frames: Iterable[Frame]) -> list[Connection]:
    """Return the same, as they are put together."""
    found: list[Connection] = []
    current: dict[Key, Connection] = {}
    for number, frame in enumerate(frames):
        packet = decode(frame)
        if packet is None or packet.protocol != TCP or packet.later:
            continue
        source = packet.source, packet.source_port
        destination = packet.destination, packet.destination_port
        name = key(TCP, source, destination)
        connection = current.get(name)
        opening = packet.flags & SYN and not packet.flags & ACK
        if connection is None or (opening and connection.syn != packet.sequence):
            ends = roles(packet, source, destination)
            connection = Connection(*ends, packet.sequence if opening else None)
            current[name] = connection
            found.append(connection)
        connection.add(number, frame, packet, (source, destination))
    return found
