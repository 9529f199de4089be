"""Reading and writing capture files: pcap of every byte order and resolution, and pcapng."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import overload

from pytest_sysaudit.errors import CannotAssess

Bytes = bytes | mmap

#: Records that claim more than this are not packets: the file is damaged (libpcap's own bound).
LARGEST = 262144
NANOSECOND_MAGIC = 0xA1B23C4D
HEADER = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")

_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_SECTION = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _SIMPLE, _STATISTICS, _PACKET = 1, 3, 5, 6
_IF_TSRESOL, _ISB_IFDROP, _ISB_OSDROP = 9, 5, 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured packet.

    Attributes:
        time_ns: nanoseconds since the epoch.
        data: the bytes that were kept.
        length: how many bytes it had on the wire.
        link: the link-layer type (LINKTYPE_ number: 1 Ethernet, 101 raw IP, 113 and 276 cooked).
    """

    time_ns: int
    data: bytes
    length: int
    link: int


class Trace(Sequence[Frame]):
    """The packets of a capture file, in its order, each made when it is asked for.

    Attributes:
        problem: why the file is not whole; "" if it is.
        drops: packets that the file itself says were lost.
    """

    def __init__(self, data: Bytes) -> None:
        self.data = data
        self.problem = ""
        self.drops = 0
        self._columns = tuple(array("Q") for _ in range(5))

    def add(self, time_ns: int, offset: int, size: int, length: int, link: int) -> None:
        """Note one packet; *offset* and *size* say where its bytes are."""
        for column, value in zip(
            self._columns, (max(time_ns, 0), offset, size, length, link), strict=True
        ):
            column.append(value)

    def offset(self, index: int) -> int:
        """Return where in `data` the bytes of packet *index* begin."""
        return self._columns[1][index]

    def keep(self, indices: Iterable[int]) -> Trace:
        """Return a trace of the packets at *indices* only."""
        kept = Trace(self.data)
        kept.problem, kept.drops = self.problem, self.drops
        for index in indices:
            kept.add(*(column[index] for column in self._columns))
        return kept

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> Trace: ...
    def __getitem__(self, index: int | slice) -> Frame | Trace:
        if isinstance(index, slice):
            return self.keep(range(*index.indices(len(self))))
        time_ns, offset, size, length, link = (column[index] for column in self._columns)
        return Frame(time_ns, self.data[offset : offset + size], length, link)

    def __len__(self) -> int:
        return len(self._columns[0])

    @property
    def size(self) -> int:
        """How many bytes on the wire its packets had."""
        return sum(self._columns[3])

    @property
    def cut(self) -> int:
        """How many packets have fewer bytes here than they had on the wire."""
        return sum(kept < sent for kept, sent in zip(*self._columns[2:4], strict=True))


def parse(data: Bytes, name: str) -> Trace:
    """Return the packets of a capture file's bytes; *name* is for messages.

    Raises:
        CannotAssess: it is no capture file. One that only ends early, or is damaged further on,
            is returned up to there, with `Trace.problem`.
    """
    magic = data[:4]
    trace = Trace(data)
    if magic in _MAGIC and len(data) >= HEADER.size:
        _parse_pcap(trace, *_MAGIC[magic])
    elif magic == _SECTION and len(data) >= 28:  # noqa: PLR2004 - the smallest section header
        try:
            _parse_pcapng(trace)
        except (struct.error, KeyError, IndexError):
            trace.problem = f"the file is damaged after packet {len(trace)}"
    else:
        raise CannotAssess(
            f"{name} is not a capture file: it begins with {magic.hex(' ') or 'nothing'}, "
            "neither pcap nor pcapng"
        )
    return trace


def _parse_pcap(trace: Trace, order: str, unit: int) -> None:
    data = trace.data
    link = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFFFFFF
    record = struct.Struct(order + "IIII")
    offset = HEADER.size
    while offset < len(data):
        if offset + record.size > len(data):
            trace.problem = f"the file ends within packet {len(trace) + 1}"
            return
        seconds, fraction, size, length = record.unpack_from(data, offset)
        offset += record.size
        if size > LARGEST:
            trace.problem = f"the file is damaged after packet {len(trace)}"
            return
        if offset + size > len(data):
            trace.problem = f"the file ends within packet {len(trace) + 1}"
            return
        trace.add(seconds * 10**9 + fraction * unit, offset, size, length, link)
        offset += size


def _parse_pcapng(trace: Trace) -> None:
    data, offset, order = trace.data, 0, "<"
    interfaces: list[tuple[int, int, int]] = []  # link, units in a second, snaplen
    while offset < len(data):
        if data[offset : offset + 4] == _SECTION:
            order = "<" if data[offset + 8 : offset + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, size = struct.unpack_from(order + "II", data, offset)
        if size < 12 or size % 4:  # noqa: PLR2004 - a block's own two lengths and its type
            trace.problem = f"the file is damaged after packet {len(trace)}"
            return
        if offset + size > len(data):
            trace.problem = f"the file ends within the block after packet {len(trace)}"
            return
        _read_block(trace, order, kind, (offset + 8, offset + size - 4), interfaces)
        offset += size


def _read_block(
    trace: Trace,
    order: str,
    kind: int,
    span: tuple[int, int],
    interfaces: list[tuple[int, int, int]],
) -> None:
    start, end = span
    data = trace.data
    if kind == _INTERFACE:
        link, _, snaplen = struct.unpack_from(order + "HHI", data, start)
        resolution = dict(_options(data, order, start + 8, end)).get(_IF_TSRESOL, b"\x06")[0]
        units = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        interfaces.append((link, units, snaplen))
    elif kind == _PACKET:
        index, high, low, size, length = struct.unpack_from(order + "IIIII", data, start)
        link, units, _ = interfaces[index]
        if start + 20 + size > end:
            raise struct.error("packet longer than its block")
        time_ns = ((high << 32) + low) * 10**9 // units
        trace.add(time_ns, start + 20, size, length, link)
    elif kind == _SIMPLE:
        (length,) = struct.unpack_from(order + "I", data, start)
        link, _, snaplen = interfaces[0]
        size = min(length, snaplen or length, end - start - 4)
        trace.add(0, start + 4, size, length, link)
    elif kind == _STATISTICS:
        found = dict(_options(data, order, start + 12, end))
        drops = [found[name] for name in (_ISB_IFDROP, _ISB_OSDROP) if name in found]
        trace.drops += sum(int(struct.unpack(order + "Q", value)[0]) for value in drops)


def _options(data: Bytes, order: str, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    while start + 4 <= end:
        code, size = struct.unpack_from(order + "HH", data, start)
        if code == 0:
            return
        yield code, data[start + 4 : start + 4 + size]
        start += 4 + size + -size % 4


def write(frames: Iterable[Frame], link: int) -> Iterator[bytes]:
    """Yield the pieces of a pcap file in nanoseconds; *frames* are all of type *link*."""
    yield HEADER.pack(NANOSECOND_MAGIC, 2, 4, 0, 0, LARGEST, link)
    for frame in frames:
        seconds, rest = divmod(frame.time_ns, 10**9)
        yield RECORD.pack(seconds, rest, len(frame.data), frame.length) + frame.data
