"""The processes of one side of a measurement: their CPU time and memory."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil


def _root() -> Path | None:
    """Where control groups that count CPU time can be made; None: nowhere."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for _, place, kind, options, *_ in mounts:
        counts = kind == "cgroup2" or (kind == "cgroup" and "cpuacct" in options.split(","))
        if counts and os.access(place, os.W_OK):
            return Path(place)
    return None


class Group:
    """A control group for processes and all that they start, daemons included.

    A program joins by being started with the `argv` that `wrap` gives. Where the kernel offers no
    control groups, the processes that were started so are followed from parent to child: what has
    left its parent is then not counted.
    """

    def __init__(self, name: str) -> None:
        root = _root()
        self.folder = root / name if root else None
        self._started: list[int] = []
        if self.folder:
            try:
                self.folder.mkdir()
            except OSError:
                self.folder = None

    def wrap(self, argv: list[str]) -> list[str]:
        """Return the command that starts *argv* inside this group."""
        if self.folder is None:
            return argv
        return ["sh", "-c", f'echo 0 >{self.folder}/cgroup.procs && exec "$@"', "sh", *argv]

    def follow(self, pid: int) -> None:
        """Count *pid* too where there are no control groups."""
        self._started.append(pid)

    def pids(self) -> list[int]:
        """The processes that live now."""
        if self.folder is not None:
            return [int(line) for line in (self.folder / "cgroup.procs").read_text().split()]
        found = []
        for pid in self._started:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                found += [pid, *(child.pid for child in process.children(recursive=True))]
        return found

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        if self.folder is None:
            return sum(_cpu_with_children(pid) for pid in self.pids())
        old = self.folder / "cpuacct.usage"
        if old.exists():
            return int(old.read_text()) / 1e9
        figures = dict(line.split() for line in (self.folder / "cpu.stat").read_text().splitlines())
        return int(figures["usage_usec"]) / 1e6

    def memory(self) -> int:
        """Bytes: the peak resident sizes of the processes that live now, added up."""
        return sum(_peak(pid) for pid in self.pids())

    def end(self) -> None:
        """End the processes that are left."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + 2
            while self.pids() and time.monotonic() < deadline:
                time.sleep(0.02)

    def remove(self) -> None:
        """End what is left and take the control group away."""
        self.end()
        if self.folder is not None:
            with contextlib.suppress(OSError):
                self.folder.rmdir()


def _cpu_with_children(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return sum(times[:4])


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return peak_of(status)


def peak_of(status: str) -> int:
    """Read the peak resident size, in bytes, from the text of /proc/PID/status."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
