"""The sniffer of one network: captures, samples and probes, as the inventory allows."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from pytest_sysaudit.errors import CannotAssess, Incomplete, SysauditError
from pytest_sysaudit.evidence.trail import Trail, collected, passed_on
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.lanes import Once, wait
from pytest_sysaudit.network import pcap, policy
from pytest_sysaudit.network.bounds import Bounds
from pytest_sysaudit.network.capture import Capture, Recording
from pytest_sysaudit.network.dissect import Dissected
from pytest_sysaudit.network.recording import BLOCK, START, STOP, CaptureRecorder, asked_of
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.observation import Journal
    from pytest_sysaudit.network.local import LocalRecorder
    from pytest_sysaudit.network.tcpdump import Watcher

LARGEST_FILE = 1 << 30
MANY = 50  # addresses in one capture filter
#: What ends the run: nothing comes after it in the recording.
_ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit)
LOOK = 0.02  # seconds between looks at what has come


class Recorder(Protocol):
    """What captures, somewhere."""

    def start(self) -> None:
        """Return when packets are being captured."""

    def stop(self) -> Recording:
        """End, and return all that came before now."""

    def kill(self) -> None:
        """End, and forget."""


class Sniffer:
    """Captures the packets of one network of the inventory.

    Args:
        target: the network.
        host: the host that its ``via`` names; None: this machine.
        exercise: makes the traffic that ``exercise`` of the inventory asks for.
        journal: keeps every capture; None: nobody does.

    Attributes:
        target: the network.
    """

    def __init__(
        self,
        target: Target,
        host: Watcher | None = None,
        exercise: Callable[[], None] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.target = target
        self._kept = CaptureRecorder(journal, target.name) if journal is not None else None
        self._host = host
        self._exercise = exercise
        self._samples: Once[float] = Once()

    @contextmanager
    def __call__(
        self,
        interface: str | None = None,
        filter: str = "",  # noqa: A002 - the word of tcpdump and scapy
        *,
        min_packets: int = 1,
        allow_silence: bool = False,
        **bounds: Any,
    ) -> Iterator[Capture]:
        """Capture while the block runs; judge the capture after it.

        Packets sent in the block are in the capture: it has begun when the block begins, and is
        read to its end when the block ends.

        Args:
            interface: default: the one of the inventory.
            filter: as for tcpdump, like ``tcp port 80``.
            min_packets: fewer than this, and nothing is concluded from what is absent.
            allow_silence: the same as ``min_packets=0``: to see nothing at all is a result.
            bounds: fields of `bounds.Bounds` in place of the inventory's: ``snaplen``,
                ``max_packets``, ``max_bytes``, ``max_seconds``, ``buffer``.

        Raises:
            Denied: we are not allowed to capture there.
            CannotAssess: no such interface, no tcpdump on the host, or the filter is none.
        """
        capture = Capture(min_packets=0 if allow_silence else min_packets)
        if self._file is not None:
            found = self.open(self._file, filter).recording
            yield capture
            capture.finish(found)
            return
        asked = asked_of("capture", interface, filter, **bounds)
        with self._capturing(asked, capture, interface, filter, bounds):
            yield capture

    @contextmanager
    def _capturing(
        self,
        asked: Mapping[str, Plain],
        capture: Capture,
        interface: str | None,
        expression: str,
        bounds: Mapping[str, Any],
    ) -> Iterator[Capture]:
        """Capture while the block runs, and keep what came, or why nothing did."""
        started, when = time.time(), START
        try:
            recorder = self._recorder(interface, expression, bounds)
            with _killed_on_error(recorder):
                wait(recorder.start)
                when = BLOCK
                yield capture
                when = STOP
                recording = wait(recorder.stop)
        except BaseException as error:  # pytest's own are no Exception
            if self._kept is not None and not isinstance(error, _ENDS):
                self._kept.failed(asked, error, started, when)
            raise
        if self._kept is not None:
            wait(self._kept.keep, asked, recording)
        capture.finish(recording)

    @property
    def _file(self) -> str | None:
        return getattr(self.target.entry, "pcap", None) or None

    def _recorder(
        self, interface: str | None, expression: str, bounds: Mapping[str, Any]
    ) -> Recorder:
        own = {
            name: getattr(self.target.entry, name)
            for name in ("snaplen", "max_packets", "max_seconds")
        }
        limits = Bounds(**{**own, **bounds})
        name = self._interface(interface)
        # what captures is imported where somebody captures: a replay does not
        if self._host is not None:
            from pytest_sysaudit.network.tcpdump import TcpdumpRecorder

            return TcpdumpRecorder(self._host, name, expression, limits)
        from pytest_sysaudit.network.local import LocalRecorder

        return LocalRecorder(name, expression, limits)

    def _interface(self, interface: str | None) -> str:
        name = interface or getattr(self.target.entry, "interface", None)
        if not name:
            raise CannotAssess(
                f"no interface to capture on: set networks.{self.target.name}.interface in the "
                "inventory, or sniffer(interface=...)"
            )
        return str(name)

    def open(self, path: str | os.PathLike[str], filter: str = "") -> Capture:  # noqa: A002
        """Return a recorded capture, pcap or pcapng.

        Args:
            path: relative to the inventory.
            filter: only what it lets through.

        Raises:
            CannotAssess: it cannot be read, or is no capture file. One that is damaged further on
                is returned up to there and is not complete.
        """
        capture = Capture().finish(self._opened(os.fspath(path)))
        return capture.select(filter) if filter else capture

    def _opened(self, path: str) -> Recording:
        """Return what is in the capture file at *path*, and keep it."""
        if self._kept is None:
            return self._read(path)
        asked, started = {"how": "open", "path": path}, time.time()
        try:
            recording = self._read(path)
        except CannotAssess as error:
            self._kept.failed(asked, error, started)
            raise
        wait(self._kept.keep, asked, recording)
        return recording

    def _read(self, path: str) -> Recording:
        file = self.target.path(path)
        try:
            with file.open("rb") as opened:
                data = opened.read(LARGEST_FILE + 1)
        except OSError as error:
            raise CannotAssess(f"{file}: {error.strerror}") from error
        if len(data) > LARGEST_FILE:
            raise Incomplete(f"{file}: larger than {LARGEST_FILE} bytes")
        trace = pcap.parse(data, str(file))
        times = [trace[0].time_ns / 1e9, trace[-1].time_ns / 1e9] if trace else [0.0, 0.0]
        return Recording(
            place=file.name,
            filter="",
            trace=trace,
            drops=trace.drops,
            gaps=(trace.problem,) if trace.problem else (),
            started=times[0],
            ended=times[1],
        )

    def exercise(self) -> None:
        """Make the traffic that the inventory asks for; nothing if it asks for none."""
        if self._exercise is not None and self._file is None:
            self._exercise()

    def sample(self, seconds: float = 2.0) -> Capture:
        """Return one capture of the network, made at the first call: all checks judge the same.

        While it runs, `exercise` is called; it lasts *seconds* or as long as that takes.

        Raises:
            CannotAssess: as when capturing; the same one at each call.
        """
        try:
            capture, seen = self._samples.get(seconds, lambda: self._sampled(seconds))
        except Exception as error:
            passed_on(getattr(error, "audit_trail", Trail()))
            raise
        passed_on(seen)
        return capture

    def _sampled(self, seconds: float) -> tuple[Capture, Trail]:
        """Return a sample and what it was seen in: each who judges it used that."""
        with collected() as seen:
            try:
                return self._sample(seconds), seen
            except Exception as error:
                error.audit_trail = seen  # type: ignore[attr-defined]
                raise

    def _sample(self, seconds: float) -> Capture:
        if self._file is not None:
            return self.open(self._file)
        asked = asked_of("sample", None, "", seconds=seconds)
        with self._capturing(asked, Capture(), None, "", {}) as capture:
            self._fill(seconds)
        return capture

    def _fill(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.exercise()
        wait(time.sleep, max(0.0, end - time.monotonic()))

    def probe(self, packet: Any, *, timeout: float = 2.0, interface: str | None = None) -> Capture:
        """Send scapy packets and return all that was seen to and from there in *timeout* seconds.

        What was sent is in the capture as well, so that silence after it means something.

        Args:
            packet: begins with IP, IPv6 or Ether; may stand for several, as in scapy.
            timeout: seconds to wait for answers, after the last one was sent.
            interface: default: the one of the inventory.

        Raises:
            RefusedByPolicy: the inventory does not allow it: ``active_probes`` has to be true, the
                destination in ``cidrs``.
            Denied, CannotAssess: as when capturing; or it could not be sent.
        """

        def send() -> tuple[Capture, int, int | None]:
            from pytest_sysaudit.network import probes

            policy.check_allowed(self.target)
            packets = probes.prepare(packet, self._interface(interface))
            capture = self._probe(packets, timeout, interface, lambda _: False)
            return capture, len(packets), None

        return self._probed(_asked("probe", packet, interface, timeout), send)[0]

    def ask(self, packet: Any, *, timeout: float = 2.0, interface: str | None = None) -> Any:
        """Send one scapy packet and return its answer, as scapy's ``sr1``; None if there was none.

        Raises:
            ValueError: *packet* stands for several.
            Incomplete: no answer was seen, but the capture does not show that there was none.
            RefusedByPolicy, Denied, CannotAssess: as in `probe`.
        """

        def send() -> tuple[Capture, int, int | None]:
            from pytest_sysaudit.network import probes

            policy.check_allowed(self.target)
            (sent,) = probes.prepare(packet, self._interface(interface))
            asked = sent.payload if type(sent).__name__ == "Ether" else sent

            def answers(one: Any) -> bool:
                inner = one.getlayer(type(asked))
                return bool(inner and inner.answers(asked) and bytes(inner) != bytes(asked))

            capture = self._probe([sent], timeout, interface, answers)
            seen = enumerate(capture.packets.seen)
            return capture, 1, next((number for number, one in seen if answers(one)), None)

        capture, number = self._probed(_asked("ask", packet, interface, timeout), send)
        if number is None:
            capture.packets.none(lambda _: False)
            return None
        return capture.packets.seen[number]

    def _probed(
        self, asked: Mapping[str, Plain], send: Callable[[], tuple[Capture, int, int | None]]
    ) -> tuple[Capture, int | None]:
        """Return what was seen of a probe, and the number of its answer; and keep them."""
        if self._kept is None:
            capture, _, number = send()
            return capture, number
        started = time.time()
        try:
            capture, sent, number = send()
        except SysauditError as error:
            self._kept.failed(asked, error, started)
            raise
        wait(self._kept.keep, asked, capture.recording, sent=sent, answered_by=number)
        return capture, number

    def _probe(
        self,
        packets: Sequence[Any],
        timeout: float,
        interface: str | None,
        enough: Callable[[Any], bool],
    ) -> Capture:
        from pytest_sysaudit.network import probes
        from pytest_sysaudit.network.local import LocalRecorder

        policy.check(self.target, packets)
        name = self._interface(interface)
        recorder = LocalRecorder(name, _ends(packets), Bounds(max_seconds=timeout + 60))
        with _killed_on_error(recorder):
            wait(recorder.start)
            wait(probes.send, packets, name)
            wait(_watch, recorder, timeout, enough)
            recording = wait(recorder.stop)
        return Capture(min_packets=len(packets)).finish(recording)


def _asked(how: str, packet: Any, interface: str | None, timeout: float) -> dict[str, Plain]:
    command = getattr(packet, "command", None)
    text = command() if callable(command) else type(packet).__name__
    return asked_of(how, interface, "", packet=text, timeout=timeout)


@contextmanager
def _killed_on_error(recorder: Recorder) -> Iterator[None]:
    """End the capture if the block fails or is interrupted."""
    try:
        yield
    except BaseException:
        recorder.kill()
        raise


def _ends(packets: Sequence[Any]) -> str:
    """Return the capture filter for what goes to the packets' destinations, and for answers.

    A broadcast is answered by others than it was sent to: then there is none. ICMP errors come
    from anywhere on the way.
    """
    found = {text for packet in packets for text in policy.destinations(packet)}
    if len(found) > MANY or any(text.endswith(".255") or _is_group(text) for text in found):
        return ""
    return " or ".join(["icmp", "icmp6", *(f"host {text}" for text in sorted(found))])


def _is_group(text: str) -> bool:
    return ipaddress.ip_address(text).is_multicast


def _watch(recorder: LocalRecorder, timeout: float, enough: Callable[[Any], bool]) -> None:
    """Wait until *enough* holds for a packet that has come, or the time is over."""
    end, looked = time.monotonic() + timeout, 0
    while time.monotonic() < end:
        seen = Dissected(recorder.peek())
        if any(enough(seen[number]) for number in range(looked, len(seen))):
            return
        looked = len(seen)
        time.sleep(LOOK)
