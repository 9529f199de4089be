"""Capturing on a host that we reach through a transport, with the host's own tcpdump.

The capture goes to a private folder on the host and is fetched at its end. The folder and tcpdump
go when it is fetched; if nobody comes for it, the script on the host removes both by itself.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
from dataclasses import dataclass
from typing import Protocol

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.network import pcap
from pytest_sysaudit.network.bounds import Bounds
from pytest_sysaudit.network.capture import Recording
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Transport

LINGER = 300  # seconds that the folder waits for us after max_seconds
FETCH = 600.0  # seconds
NO_TCPDUMP = 69


class Watcher(Protocol):
    """What is needed of a host: `pytest_sysaudit.host.Host` is one."""

    @property
    def target(self) -> Target:
        """The inventory entry."""

    @property
    def transport(self) -> Transport:
        """The way to the host."""


#: Arguments: interface, snaplen, max_packets, max_seconds, max_bytes, filter, "ssh" or "", LINGER,
#: KiB of buffer.
_WATCH = """
( ulimit -f $(($5 / 128))
  sh -c 'echo $$ >pid; exec tcpdump "$@"' sh --immediate-mode -U -n -i "$1" -s "$2" -c "$3" \
    -B "$9" -w - -- "$6" >pcap 2>err
  echo $? >ended; mv ended code ) &
at=0
while [ -e pcap ] && [ "$at" -lt $(($4 + $8)) ]; do
  if [ ! -e code ] && [ "$(wc -c <pcap)" -gt "$5" ]; then kill -TERM "$(cat pid)"; fi
  if [ ! -e code ] && [ "$at" -eq "$4" ]; then : >expired; kill -TERM "$(cat pid)"; fi
  sleep 1; at=$((at + 1))
done
[ -e pcap ] || exit 0
[ -e code ] || kill -KILL "$(cat pid)"
rm -rf "$(pwd)"
"""
_START = """
umask 077
command -v tcpdump >/dev/null || exit 69
folder=$(mktemp -d "${TMPDIR:-/tmp}/sysaudit.XXXXXXXXXX") && cd "$folder" || exit 73
filter=$6
if [ "$7" = ssh ]; then
  own=$SSH_CONNECTION up=$$
  while [ -z "$own" ] && [ "${up:-0}" -gt 1 ]; do
    own=$({ tr '\\0' '\\n' </proc/$up/environ | sed -n 's/^SSH_CONNECTION=//p'; } 2>/dev/null)
    up=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$up/status 2>/dev/null)
  done
  if [ -n "$own" ]; then
    set -- "$@" $own
    own="not (tcp and host ${10%%%*} and port ${11} and host ${12%%%*} and port ${13})"
    filter=${filter:+"($filter) and "}$own
  fi
fi
: >pcap; : >err
exec 3>&1 </dev/null >/dev/null
setsid sh -c "$WATCH" sh "$1" "$2" "$3" "$4" "$5" "$filter" "$7" "$8" "$9" 2>&1 3>&- &
at=0
until grep -q 'listening on' err; do
  at=$((at + 1))
  if [ -e code ] || [ "$at" -gt 150 ]; then
    cat err >&2; ls /sys/class/net | tr '\\n' ' ' >&2
    [ -e code ] || kill -KILL "$(cat pid)"
    rm -rf "$folder"; exit 74
  fi
  sleep 0.1
done
kill -USR1 "$(cat pid)"
at=0
until grep -q 'tcpdump: .* captured' err || [ "$at" -ge 20 ]; do sleep 0.05; at=$((at + 1)); done
printf '%s\\n%s\\n' "$folder" "$filter" >&3
"""
_STOP = """
cd "$1" || exit 75
now=$(date +%s.%N)
early=0; [ -e code ] && early=1
at=0 quiet=0
while [ ! -e code ] && [ "$at" -lt 40 ] && [ "$quiet" -lt 3 ]; do
  was=$(wc -c <pcap); sleep 0.05; at=$((at + 1)); quiet=$((quiet + 1))
  [ "$was" -eq "$(wc -c <pcap)" ] || quiet=0
done
[ -e code ] || kill -TERM "$(cat pid)"
at=0
until [ -e code ] || [ "$at" -ge 100 ]; do sleep 0.1; at=$((at + 1)); done
expired=0; [ -e expired ] && expired=1
printf '%s %s %s %s %s\\n' "$now" "$early" "$expired" "$(wc -c <pcap)" "$(cat code)"
cat err
"""
_AT_START = re.compile(
    r"tcpdump: (\d+) packets? captured, (\d+) packets? received by filter, "
    r"(\d+) packets? dropped by kernel"
)
_COUNTER = r"^(\d+) packets? {}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """What the host said at the end of the capture."""

    now: float
    early: bool
    expired: bool
    size: int
    code: str
    words: str

    def counter(self, what: str) -> int | None:
        """Return one of tcpdump's counters; None if it did not give it."""
        found = re.search(_COUNTER.format(what), self.words, re.MULTILINE)
        return int(found[1]) if found else None

    @property
    def drops(self) -> int:
        """Packets lost by the kernel or the interface."""
        return sum(self.counter(f"dropped by {who}") or 0 for who in ("kernel", "interface"))


class TcpdumpRecorder:
    """One capture by tcpdump on a host.

    Args:
        host: where it captures.
        interface: on the host.
        expression: the capture filter; the ssh connection that we use ourselves is left out.
        bounds: where it ends by itself.
    """

    def __init__(self, host: Watcher, interface: str, expression: str, bounds: Bounds) -> None:
        # a recorded host would keep the packets as what a command wrote, credentials included
        self._transport = getattr(host.transport, "unrecorded", host.transport)
        self._ssh = host.target.kind is Kind.SSH
        self._interface = interface
        self._filter = expression
        self._bounds = bounds
        self._max_bytes = min(bounds.max_bytes, int(host.target.setting("max_output")) - 1)
        self._folder = ""
        self._started = 0.0

    @property
    def place(self) -> str:
        """Where it captures, for messages."""
        return f"{self._interface} of {self._transport.name}"

    def start(self) -> None:
        """Start; packets that are sent from now on are captured.

        Raises:
            Denied: the host does not let us capture.
            CannotAssess: no tcpdump there, no such interface, or the filter is none.
        """
        bounds = self._bounds
        script = f"WATCH='{_WATCH.replace(chr(39), _QUOTE)}'\n{_START}"
        numbers = (bounds.snaplen, bounds.max_packets, math.ceil(bounds.max_seconds))
        arguments = [*map(str, (*numbers, self._max_bytes)), self._filter, "ssh" * self._ssh]
        arguments += [str(LINGER), str(max(1, bounds.buffer >> 10))]
        done = self._transport.run(
            ["sh", "-c", script, "sh", self._interface, *arguments], timeout=60
        )
        if not done.ok:
            raise self._refusal(done.exit_code, done.err)
        self._folder, _, effective = done.out.strip("\n").partition("\n")
        self._filter = effective
        self._started = time.time()

    def _refusal(self, code: int, words: str) -> CannotAssess:
        lines = words.strip().splitlines() or ["no reason given"]
        host, there = self._transport.name, lines.pop() if len(lines) > 1 else ""
        said = next((line for line in lines if line.startswith("tcpdump: ")), lines[-1])
        if code == NO_TCPDUMP:
            return CannotAssess(
                f"{host}: there is no tcpdump; install it, or watch the network from another host"
            )
        if "permission" in said or "not permitted" in said:
            return Denied(
                f"capture on {self.place} is not permitted: {first_line(said)}; log in as root, "
                "set `become:` on the host, or `setcap cap_net_raw+ep` its tcpdump"
            )
        known = f"; there are: {there.strip()}" if "No such device" in said else ""
        return CannotAssess(f"capture on {self.place}: {first_line(said)}{known}")

    def stop(self) -> Recording:
        """End the capture and fetch all that came before now."""
        try:
            done = self._transport.run(["sh", "-c", _STOP, "sh", self._folder], timeout=60).expect()
            head, _, words = done.out.partition("\n")
            now, early, expired, size, *code = head.split()
            end = _End(
                now=float(re.sub(r"[^\d.].*", "", now).rstrip(".")) + ("N" in now),
                early=early == "1",
                expired=expired == "1",
                size=int(size),
                code="".join(code),
                words=words,
            )
            data = self._fetch()
        finally:
            self.kill()
        return self._recording(end, data)

    def _fetch(self) -> bytes:
        argv = ["head", "-c", str(self._max_bytes), f"{self._folder}/pcap"]
        return self._transport.run(argv, timeout=FETCH).expect().stdout

    def _recording(self, end: _End, data: bytes) -> Recording:
        if not data:
            raise Incomplete(f"capture on {self.place}: tcpdump wrote nothing: {end.words.strip()}")
        trace = pcap.parse(data, self.place)
        return Recording(
            place=self.place,
            filter=self._filter,
            trace=trace,
            drops=end.drops,
            gaps=tuple(filter(None, (self._gap(end, trace, data), trace.problem))),
            started=self._started,
            ended=time.time(),
        )

    def _gap(self, end: _End, trace: pcap.Trace, data: bytes) -> str:
        """Return why packets may be missing; "" if none can be."""
        last = first_line("\n".join(reversed(end.words.splitlines())))
        early = end.early or end.code not in ("0", "")
        reasons = {
            f"only {self._max_bytes} of {end.size} bytes are kept (max_bytes)": end.size
            > self._max_bytes,
            f"{len(data)} of {end.size} bytes arrived here": len(data) != end.size,
            f"it ended at {len(trace)} packets (max_packets)": len(trace)
            >= self._bounds.max_packets,
            "its time was over before the end (max_seconds)": end.expired,
            f"tcpdump ended before it was told to: {last}": early,
        }
        return next((text for text, holds in reasons.items() if holds), self._unread(end, trace))

    def _unread(self, end: _End, trace: pcap.Trace) -> str:
        """Return what tcpdump had not read at its end; "" for nothing."""
        captured, received = end.counter("captured"), end.counter("received by filter")
        if captured is None or received is None:
            return "tcpdump did not say what it lost"
        if trace and trace[-1].time_ns / 1e9 >= end.now:
            return ""  # what is younger than the end was read, so all before it was
        waiting = self._waiting(received, captured, end.drops) - self._noise(end)
        return f"{waiting} packets were still waiting at its end" if waiting > 0 else ""

    def _waiting(self, received: int, captured: int, drops: int) -> int:
        if self._interface in ("lo", "any"):  # what goes out there is received, and not captured
            captured *= 2
        return received - drops - captured

    def _noise(self, end: _End) -> int:
        """Return how many packets the kernel counted before the filter was in place.

        The start script has asked tcpdump for its counters as soon as it listened.
        """
        found = _AT_START.search(end.words)
        if found is None:
            return 0
        captured, received, drops = map(int, found.groups())
        return max(0, self._waiting(received, captured, drops))

    def kill(self) -> None:
        """End the capture and remove what it left on the host."""
        if self._folder:
            script = 'cd "$1" && { [ -e code ] || kill -KILL "$(cat pid)"; rm -rf "$1"; }'
            with contextlib.suppress(CannotAssess):  # the script on the host removes it later
                self._transport.run(["sh", "-c", script, "sh", self._folder])


_QUOTE = "'\\''"
