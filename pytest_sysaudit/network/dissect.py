"""The border to scapy for reading: frames as scapy packets, made when they are asked for."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, overload

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.network.decode import RAW
from pytest_sysaudit.network.pcap import Frame, Trace


def load_scapy() -> Any:
    """Import scapy's link, IP and DNS layers, quietly, and return ``scapy.config.conf``.

    Scapy writes to standard error by a handler of its own; here its messages go to the logger
    ``scapy`` and on to whoever listens.

    Raises:
        CannotAssess: scapy cannot be imported.
    """
    try:
        importlib.import_module("scapy.error")  # makes the handler that is taken away next
        logger = logging.getLogger("scapy")
        for handler in [one for one in logger.handlers if type(one) is logging.StreamHandler]:
            logger.removeHandler(handler)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        logger.propagate = True
        for name in ("l2", "inet", "inet6", "dns"):
            importlib.import_module(f"scapy.layers.{name}")
        from scapy.config import conf
    except ImportError as error:
        raise CannotAssess(f"scapy cannot be imported: {error}") from error
    return conf


class Dissected(Sequence[Any]):
    """The packets of a trace as scapy packets, each dissected once, when it is asked for."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._made: dict[int, Any] = {}
        self._classes: dict[int, Callable[[bytes], Any]] = {}

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if at not in self._made:
            self._made[at] = self._dissect(self._trace[at])
        return self._made[at]

    def __len__(self) -> int:
        return len(self._trace)

    def _dissect(self, frame: Frame) -> Any:
        if frame.link not in self._classes:
            self._classes[frame.link] = packet_class(frame.link)
        packet = self._classes[frame.link](frame.data)
        packet.time = frame.time_ns / 1e9
        packet.wirelen = frame.length
        return packet


def packet_class(link: int) -> Callable[[bytes], Any]:
    """Return what makes a scapy packet of the bytes of a frame of type *link*."""
    conf = load_scapy()
    if link in RAW:
        from scapy.layers.inet import IP
        from scapy.layers.inet6 import IPv6

        return lambda data: (IPv6 if data[:1] >= b"\x60" else IP)(data)
    found: Callable[[bytes], Any] = conf.l2types.num2layer.get(link, conf.raw_layer)
    return found
