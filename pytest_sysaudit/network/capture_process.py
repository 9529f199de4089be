"""The process that captures: reads one interface into a pcap file and counts what it lost.

``python -I -S capture_process.py CONFIG``, where CONFIG is a JSON object: ``fd`` (where the pcap
goes), ``interface``, ``program`` (cBPF as ``[[code, jt, jf, k], ...]``), ``link``, ``snaplen``,
``buffer``, ``max_packets``, ``max_bytes``, ``max_seconds``, ``parent`` (a process id).

It writes ``READY`` when packets are being recorded. It ends when standard input ends or says
anything, on SIGTERM, or when the parent is gone: what the kernel still holds is written, then one
JSON line follows: ``packets``, ``bytes``, ``drops``, ``truncated``, ``died``, ``drained``.
If it cannot start it writes ``{"errno": ..., "error": ...}`` in place of ``READY``.

Only the standard library, and nothing of this package: it starts in some milliseconds.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
import time
from array import array
from typing import Any

SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
ETH_P_ALL = 3
VLAN_VALID, TPID_VALID = 0x10, 0x40

PCAP_HEADER = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")
NANOSECONDS = 0xA1B23C4D
AUXDATA = struct.Struct("=IIIHHHH")
TIMESPEC = struct.Struct("@ll")
ANCILLARY = socket.CMSG_SPACE(AUXDATA.size) + socket.CMSG_SPACE(TIMESPEC.size)

BURST = 512
SETTLE = 0.03  # seconds: what was sent before the end may still be on its way through the kernel
DRAIN = 5.0


class Recorder:
    """One packet socket, the file it goes to, and the counters."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.fd: int = config["fd"]
        self.packets = self.bytes = self.drops = 0
        self.truncated = self.died = ""
        self.past = False
        self.until = time.monotonic() + config["max_seconds"]
        self.buffer = bytearray(config["snaplen"])
        self.socket = open_socket(config)
        header = PCAP_HEADER.pack(NANOSECONDS, 2, 4, 0, 0, config["snaplen"], config["link"])
        write_all(self.fd, header)

    def pump(self, cutoff: int | None = None) -> bool:
        """Record up to `BURST` packets that wait, none younger than *cutoff*; say if any was."""
        records: list[bytes] = []
        try:
            while len(records) < BURST and not self.truncated and not self.past:
                record = self._receive(cutoff)
                if record:
                    records.append(record)
        except BlockingIOError:
            pass
        except OSError as error:
            self.died = f"the interface failed: {error.strerror}"
        if records:
            write_all(self.fd, b"".join(records))
        return bool(records)

    def _receive(self, cutoff: int | None) -> bytes:
        size, ancillary, _, _ = self.socket.recvmsg_into([self.buffer], ANCILLARY)
        data, length, stamp = bytes(self.buffer[:size]), size, None
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = TIMESPEC.unpack(content)
                stamp = seconds * 10**9 + nanoseconds
            elif level == SOL_PACKET and kind == PACKET_AUXDATA:
                data, length = with_vlan_tag(data, content)
        stamp = time.time_ns() if stamp is None else stamp
        if cutoff is not None and stamp > cutoff:
            self.past = True
            return b""
        if self._is_full(len(data)):
            return b""
        self.packets += 1
        self.bytes += len(data)
        return RECORD.pack(*divmod(stamp, 10**9), len(data), max(length, len(data))) + data

    def _is_full(self, size: int) -> bool:
        if self.packets >= self.config["max_packets"]:
            self.truncated = f"it ended at {self.packets} packets (max_packets)"
        elif self.bytes + size > self.config["max_bytes"]:
            self.truncated = f"it ended at {self.bytes} bytes (max_bytes)"
        return bool(self.truncated)

    def drain(self) -> bool:
        """Record what came before now and is still in the kernel; say whether that is all of it."""
        deadline = time.monotonic() + DRAIN
        cutoff = time.time_ns() + int(SETTLE * 10**9)
        quiet = 0
        while quiet <= 3 and not self.past and time.monotonic() < deadline:  # noqa: PLR2004
            if self.pump(cutoff):
                quiet = 0
            else:
                quiet += 1
                time.sleep(SETTLE / 3)
        return quiet > 3 or self.past  # noqa: PLR2004 - three looks, SETTLE in all

    def finish(self) -> None:
        """Ask the kernel how many packets it had no room for, and listen no more."""
        if self.socket.fileno() >= 0:
            statistics = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
            self.drops = struct.unpack("=II", statistics)[1]
            self.socket.close()


def with_vlan_tag(data: bytes, auxdata: bytes) -> tuple[bytes, int]:
    """Put back the VLAN tag that the kernel took out; return the frame and its length then."""
    status, length, _, _, _, tci, tpid = AUXDATA.unpack(auxdata)
    if not status & VLAN_VALID:
        return data, length
    tag = struct.pack(">HH", tpid if status & TPID_VALID else 0x8100, tci)
    return data[:12] + tag + data[12:], length + len(tag)


def write_all(fd: int, data: bytes) -> None:
    """Write all of *data*."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def open_socket(config: dict[str, Any]) -> socket.socket:
    """Return a packet socket that holds nothing but what the filter lets through."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # 0: receives nothing before bind
    code = b"".join(struct.pack("=HBBI", *line) for line in config["program"])
    room = array("B", code)  # its address is what the kernel wants
    program = struct.pack("@HP", len(config["program"]), room.buffer_info()[0])
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    if config["interface"] == "lo":  # else each packet comes twice, going out and coming in
        sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, config["buffer"])
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, config["buffer"])
    sock.bind((config["interface"], ETH_P_ALL))
    failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failed:
        raise OSError(failed, os.strerror(failed))
    sock.setblocking(False)
    return sock


def record(recorder: Recorder, wakeup: int) -> None:
    """Record until somebody says stop, the parent is gone or a bound is reached."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    poll.register(wakeup, select.POLLIN)
    poll.register(recorder.socket.fileno(), select.POLLIN)
    listening = True
    while os.getppid() == recorder.config["parent"]:
        ready = {fd for fd, _ in poll.poll(200)}
        if sys.stdin.fileno() in ready or wakeup in ready:
            return
        if not recorder.truncated and time.monotonic() > recorder.until:
            recorder.truncated = "its time was over before the end (max_seconds)"
        if listening and not recorder.truncated and not recorder.died:
            recorder.pump()
        elif listening:
            poll.unregister(recorder.socket.fileno())
            recorder.finish()
            listening = False


def main() -> int:
    """Capture as the configuration says; return the exit code."""
    config = json.loads(sys.argv[1])
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        recorder = Recorder(config)
    except OSError as error:
        say(json.dumps({"errno": error.errno, "error": error.strerror or str(error)}))
        return 1
    say("READY")
    try:
        record(recorder, reader)
        drained = bool(recorder.truncated or recorder.died) or recorder.drain()
        recorder.finish()
    except OSError as error:
        recorder.died, drained = f"the capture process failed: {error.strerror}", False
    report = {name: getattr(recorder, name) for name in ("packets", "bytes", "drops", "truncated")}
    say(json.dumps({**report, "died": recorder.died, "drained": drained}))
    return 0


def say(line: str) -> None:
    """Write one line to whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
