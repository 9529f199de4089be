"""Capturing on this machine: starting the capture process, and getting all that it saw."""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.network import pcap
from pytest_sysaudit.network.bounds import Bounds
from pytest_sysaudit.network.bpf import compile_filter
from pytest_sysaudit.network.capture import Recording
from pytest_sysaudit.network.helper import Helper

CAP_NET_RAW = 13
_SIOCGIFHWADDR = 0x8927
#: Interface types of the kernel (ARPHRD_) and the link-layer type of what a packet socket reads.
_LINKS = {1: 1, 772: 1, 65534: 101, 768: 101, 769: 101, 776: 101, 778: 101, 823: 101, 519: 101}


def may_capture() -> bool:
    """Say whether this process has CAP_NET_RAW."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> CAP_NET_RAW & 1)


def need_capability(what: str) -> None:
    """Raise `Denied` if this process may not open packet sockets; *what* begins the message."""
    if not may_capture():
        raise Denied(
            f"{what} needs CAP_NET_RAW: run as root, or "
            f"`setcap cap_net_raw+ep {Path(sys.executable).resolve()}`, or set `via:` of the "
            "network to an inventory host that may capture"
        )


def interfaces() -> list[str]:
    """Return the names of the interfaces of this machine, sorted."""
    return sorted(name for _, name in socket.if_nameindex())


def need_interface(name: str) -> None:
    """Raise `CannotAssess`, with the names that exist, if there is no interface *name*."""
    if name not in interfaces():
        raise CannotAssess(
            f"there is no interface {name!r} on this machine; there are: {', '.join(interfaces())}"
        )


def hardware(interface: str) -> tuple[int, bytes]:
    """Return the kernel's type number (ARPHRD_) and the hardware address of *interface*."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16s24x", interface.encode())
        answer = fcntl.ioctl(sock, _SIOCGIFHWADDR, request)
    return struct.unpack_from("=H", answer, 16)[0], answer[18:24]


class LocalRecorder:
    """One capture on one interface of this machine; its file has no name, so nothing is left."""

    def __init__(self, interface: str, expression: str, bounds: Bounds) -> None:
        self._interface = interface
        self._filter = expression
        self._bounds = bounds
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open until the capture ends
        self._helper: Helper | None = None
        self._started = 0.0
        self._killed = False

    def start(self) -> None:
        """Start; packets that are sent from now on are captured.

        Raises:
            Denied: this process has not CAP_NET_RAW.
            CannotAssess: no such interface, it is down, or the filter is none.
            TimedOut: the capture process did not come up.
        """
        try:
            need_interface(self._interface)
            link = self._link()
            program = compile_filter(self._filter, link, self._bounds.snaplen)
            need_capability(f"capture on {self._interface}")
            config = {name: getattr(self._bounds, name) for name in self._bounds.__slots__}
            config |= {"interface": self._interface, "link": link, "program": program}
            self._helper = Helper({**config, "fd": self._file.fileno(), "parent": os.getpid()})
            self._started = time.time()
            self._helper.ready()
        except BaseException:
            self.kill()
            raise
        if self._killed:  # by another thread, while this one was starting it
            self.kill()

    def _link(self) -> int:
        kind, _ = hardware(self._interface)
        if kind not in _LINKS:
            raise CannotAssess(f"interface {self._interface} has type {kind}, which we cannot read")
        if re.search(r"\bvlan\b", self._filter):
            raise CannotAssess(
                f"the capture filter {self._filter!r}: the kernel takes VLAN tags away before "
                "filters look; capture without `vlan` and use capture.select(...)"
            )
        return _LINKS[kind]

    def peek(self) -> pcap.Trace:
        """Return what has been written so far; it promises nothing."""
        return pcap.parse(os.pread(self._file.fileno(), self._bounds.max_bytes, 0), self._interface)

    def stop(self) -> Recording:
        """End the capture and return all that came before now."""
        if self._helper is None:
            raise RuntimeError("the capture was not started")
        report, gap = self._helper.stop()
        trace = self._trace()
        return Recording(
            place=self._interface,
            filter=self._filter,
            trace=trace,
            drops=report.get("drops", 0),
            gaps=tuple(filter(None, (gap, trace.problem))),
            started=self._started,
            ended=time.time(),
        )

    def _trace(self) -> pcap.Trace:
        with self._file as file:
            if not os.fstat(file.fileno()).st_size:
                return pcap.Trace(b"")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return pcap.parse(data, self._interface)

    def kill(self) -> None:
        """End the capture and forget what it saw."""
        self._killed = True
        if self._helper is not None:
            self._helper.end()
        self._file.close()
