"""What was captured, and what may be concluded from it."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.network import credentials, pcap, tls_hello
from pytest_sysaudit.network.credentials import Credential
from pytest_sysaudit.network.decode import decode
from pytest_sysaudit.network.dissect import Dissected
from pytest_sysaudit.network.flows import Flow, flows
from pytest_sysaudit.network.pcap import Frame, Trace
from pytest_sysaudit.network.sightings import Sightings
from pytest_sysaudit.network.streams import Stream, streams
from pytest_sysaudit.network.tls_hello import Handshake
from pytest_sysaudit.record import Plain, utc_text
from pytest_sysaudit.text import plural

SHOWN = 200  # flows in the report


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a recorder brought back.

    Attributes:
        place: where it was recorded, for messages: ``lo``, ``eth0 on web1``, ``office.pcap``.
        filter: the capture filter in effect; "" for none.
        trace: the packets.
        drops: packets that the kernel lost.
        gaps: why packets may be missing, drops aside; empty if none can be.
        started, ended: seconds since the epoch, by this machine's clock.
    """

    place: str
    filter: str
    trace: Trace
    drops: int
    gaps: tuple[str, ...]
    started: float
    ended: float


class Capture:
    """The packets that were seen, to be judged after the ``with`` block that captured them.

    What it returns are `Sightings`: where packets may be missing, or where none were seen, they
    answer "here is what I saw" but refuse to answer "there was nothing" (`Incomplete`).
    """

    def __init__(self, *, min_packets: int = 1) -> None:
        self._min_packets = min_packets
        self._recording: Recording | None = None
        self._total = 0

    def finish(self, recording: Recording, total: int | None = None) -> Capture:
        """Take what was recorded; *total* packets decide whether there was silence."""
        self._recording = recording
        self._total = len(recording.trace) if total is None else total
        return self

    @property
    def recording(self) -> Recording:
        """What was recorded.

        Raises:
            RuntimeError: the ``with`` block has not ended.
        """
        if self._recording is None:
            raise RuntimeError(
                "the capture is still running: what it saw can be judged after its `with` block"
            )
        return self._recording

    @property
    def drops(self) -> int:
        """How many packets the kernel lost."""
        return self.recording.drops

    @property
    def gaps(self) -> tuple[str, ...]:
        """Why packets may be missing, in plain words; empty if the capture is complete."""
        lost = f"it lost {plural(self.drops, 'packet')}" if self.drops else ""
        return tuple(filter(None, (lost, *self.recording.gaps)))

    @property
    def complete(self) -> bool:
        """Whether it ran to the end, lost nothing, was not cut short and gave all it had."""
        return not self.gaps

    @property
    def count(self) -> int:
        """How many packets there were; ``len(capture.packets.seen)`` is how many were seen.

        Raises:
            Incomplete: packets may be missing, or there were none, and that proves nothing.
        """
        return len(self.packets)

    @property
    def packets(self) -> Sightings[Any]:
        """The packets as scapy packets, each dissected when it is asked for."""
        return Sightings(self._dissected, self._doubt())

    @cached_property
    def _dissected(self) -> Dissected:
        return Dissected(self.recording.trace)

    def flows(
        self, *, protocol: str | None = None, port: int | None = None, address: str | None = None
    ) -> Sightings[Flow]:
        """Return who talked to whom, sorted.

        Args:
            protocol: only this one: ``tcp``, ``udp``, ``icmp`` ...
            port: only with this port on the server's end.
            address: only with an end in this address or network (``192.0.2.0/24``).
        """
        found = Sightings(self._flows, self._doubt())
        if protocol is not None:
            found = found.where(lambda flow: flow.protocol == protocol)
        if port is not None:
            found = found.where(lambda flow: flow.server_port == port)
        if address is not None:
            net = ipaddress.ip_network(address)
            found = found.where(lambda flow: any(end in net for end in flow.addresses))
        return found

    @cached_property
    def _flows(self) -> list[Flow]:
        return flows(self.recording.trace)

    def streams(self) -> Sightings[Stream]:
        """Return the TCP connections with what both sides said, in the order they were seen."""
        return Sightings(self._streams, self._doubt(content=True))

    @cached_property
    def _streams(self) -> list[Stream]:
        return streams(self.recording.trace)

    def cleartext_credentials(self) -> Sightings[Credential]:
        """Return the credentials that crossed the wire in the clear; never the secrets themselves.

        Looked for: HTTP Basic, bearer tokens, forms and JSON with a password, FTP, POP3, IMAP,
        SMTP, telnet and the like (an answer to a prompt for a password), LDAP simple binds, SNMP
        communities; on any port. Not looked into: HTTP/2 without TLS, tunnels, compressed bodies.
        """
        return Sightings(self._credentials, self._doubt(content=True))

    @cached_property
    def _credentials(self) -> list[Credential]:
        found = [*credentials.in_streams(self._streams)]
        return sorted({*found, *credentials.in_datagrams(self.recording.trace)})

    def tls(self) -> Sightings[Handshake]:
        """Return the TLS connections with the version that the server chose."""
        found = sorted(tls_hello.handshakes(self._streams))
        return Sightings(found, self._doubt(content=True))

    def select(self, filter: str) -> Capture:  # noqa: A002 - the word of tcpdump and scapy
        """Return the part that a capture filter lets through; whether it is complete stays.

        Raises:
            CannotAssess: it is no filter.
        """
        from pytest_sysaudit.network.bpf import matcher

        matchers: dict[int, Callable[[bytes], bool]] = {}

        def matches(frame: Frame) -> bool:
            if frame.link not in matchers:
                matchers[frame.link] = matcher(filter, frame.link)
            return matchers[frame.link](frame.data)

        trace = self.recording.trace
        kept = trace.keep(index for index, frame in enumerate(trace) if matches(frame))
        both = " and ".join(f"({part})" for part in (self.recording.filter, filter) if part)
        part = replace(self.recording, trace=kept, filter=both)
        return Capture(min_packets=self._min_packets).finish(part, self._total)

    def save(self, path: str | os.PathLike[str], *, payload: bool = True) -> Path:
        """Write a pcap file that only its owner can read.

        Args:
            path: it is replaced if there is one.
            payload: False leaves out what TCP, UDP and the like carried, secrets with it.

        Raises:
            CannotAssess: the packets have several link types, which one pcap file cannot hold.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.writelines(self._pieces(payload=payload))
        return Path(path)

    def _pieces(self, *, payload: bool = True) -> Iterator[bytes]:
        trace = self.recording.trace
        if len(self._links) > 1:
            raise CannotAssess(
                f"{self.recording.place}: one pcap file cannot hold packets of several link types "
                f"({', '.join(map(str, self._links))})"
            )
        return pcap.write(trace if payload else map(_headers, trace), *self._links or [1])

    @cached_property
    def _links(self) -> list[int]:
        return sorted({frame.link for frame in self.recording.trace})

    def summary(self) -> dict[str, Plain]:
        """Return JSON data that says what was captured, and whether that is all."""
        recording = self.recording
        return {
            "place": recording.place,
            "filter": recording.filter,
            "started": utc_text(recording.started),
            "ended": utc_text(recording.ended),
            "packets": len(recording.trace),
            "bytes": recording.trace.size,
            "drops": recording.drops,
            "complete": self.complete,
            "gaps": list(self.gaps),
        }

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data: the summary, ``sha256`` of what was captured, and the flows.

        The hash is that of the file that `save` writes; of the whole file that was read, where the
        packets have several link types.
        """
        digest = hashlib.sha256()
        for piece in self._pieces() if len(self._links) < 2 else [self.recording.trace.data]:  # noqa: PLR2004
            digest.update(piece)
        return {
            **self.summary(),
            "sha256": digest.hexdigest(),
            "flows": [flow.to_plain() for flow in self._flows[:SHOWN]],
            "flows_left_out": max(0, len(self._flows) - SHOWN),
        }

    def _doubt(self, *, content: bool = False) -> str:
        """Return why absence proves nothing; *content*: absence of something that was said."""
        recording, gaps = self.recording, list(self.gaps)
        if content and recording.trace.cut:
            gaps.append(f"{_were(recording.trace.cut)} cut (snaplen)")
        if content and not gaps and (holes := sum(stream.holes for stream in self._streams)):
            gaps.append(f"its TCP streams have {plural(holes, 'hole')}")
        if gaps:
            return f"the capture on {recording.place}: {'; '.join(gaps)}, so absence proves nothing"
        if self._total >= self._min_packets:
            return ""
        shown = f" with filter {recording.filter!r}" if recording.filter else ""
        wanted = f", at least {self._min_packets} were expected" if self._min_packets > 1 else ""
        return (
            f"{_were(self._total)} seen on {recording.place}{shown}{wanted}: "
            "nothing can be concluded; "
            "pass allow_silence=True where silence is the finding"
        )

    def __bool__(self) -> bool:
        return bool(self.packets)

    def __repr__(self) -> str:
        if self._recording is None:
            return "<Capture, still running>"
        seen = plural(len(self._recording.trace), "packet")
        gaps = f", not complete: {'; '.join(self.gaps)}" if self.gaps else ""
        return f"<Capture on {self._recording.place}: {seen}{gaps}>"


def _were(count: int) -> str:
    return "1 packet was" if count == 1 else f"{count} packets were"


def _headers(frame: Frame) -> Frame:
    """Return *frame* without what its IP packet carries above TCP or UDP; all but IP loses more."""
    packet = decode(frame)
    return replace(frame, data=frame.data[: packet.start if packet else 14])
