"""One run of a program over the hosts of a bed, measured."""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from bed import Bed
from groups import Group

SAMPLE = 0.1  # seconds between two looks at the memory
SETTLE = 0.3  # seconds for the servers to notice that the client has left


@dataclass(frozen=True)
class Figures:
    """What one run took.

    Attributes:
        wall: seconds, from the start of Python to its end.
        client_cpu: CPU seconds of the program and all that it started, ssh processes included.
        server_cpu: CPU seconds of all sshds and what they started.
        memory: bytes, the peak resident sizes of all of the program's processes added up.
        connections: TCP connections that the sshds accepted.
        passed: checks that passed.
    """

    wall: float
    client_cpu: float
    server_cpu: float
    memory: float
    connections: float
    passed: float


def environment(home: Path) -> dict[str, str]:
    """The environment of both programs: byte code is cached, there is no ssh agent."""
    dropped = ("PYTHON", "PYTEST_", "SSH_", "COV", "COLUMNS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(dropped) or name == "PYTHONPATH"
    }
    return {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8"}


class _Watch:
    """Looks at the memory of a group until it is stopped."""

    def __init__(self, group: Group) -> None:
        self.peak = 0
        self._group = group
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE):
            self.peak = max(self.peak, self._group.memory())

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self.peak


def run(bed: Bed, argv: Sequence[str], folder: Path, *, limit: float) -> Figures:
    """Run *argv* in *folder* over the hosts of *bed*.

    Raises:
        RuntimeError: it did not end within *limit* seconds, or printed no result.
    """
    group = Group(f"sysaudit-bench-{time.time_ns()}-client")
    server_before, connections_before = bed.servers.cpu(), bed.connections()
    output = folder / "output"
    try:
        with output.open("w") as file:
            started = time.perf_counter()
            process = subprocess.Popen(
                group.wrap(list(argv)),
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            group.follow(process.pid)
            wall, used, memory = _wait(process, group, started, limit)
        cpu = group.cpu() if group.folder else used.ru_utime + used.ru_stime
    finally:
        group.remove()
    time.sleep(SETTLE)
    return Figures(
        wall=wall,
        client_cpu=cpu,
        server_cpu=bed.servers.cpu() - server_before,
        memory=memory,
        connections=bed.connections() - connections_before,
        passed=_passed(output.read_text(errors="replace")),
    )


def _wait(
    process: subprocess.Popen[bytes], group: Group, started: float, limit: float
) -> tuple[float, resource.struct_rusage, int]:
    watch = _Watch(group)
    alarm = threading.Timer(limit, process.kill)
    alarm.start()
    try:
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        process.kill()
        raise
    finally:
        alarm.cancel()
        memory = watch.stop()
    if wall >= limit:
        raise RuntimeError(f"not done after {limit:.0f} s")
    return wall, used, max(memory, used.ru_maxrss * 1024)


def _passed(output: str) -> int:
    """Return how many tests passed, all if any did not."""
    counts = read_summary(output)
    others = {name: count for name, count in counts.items() if name not in ("passed", "warnings")}
    if others or "passed" not in counts:
        raise RuntimeError(f"expected passes only, got {counts}:\n{output[-3000:]}")
    return counts["passed"]


def read_summary(output: str) -> dict[str, int]:
    """Read the counts of pytest's last line: ``{"passed": 40, "warnings": 1}``."""
    lines = [line.strip("= ") for line in output.splitlines() if re.search(r" in [\d.:]+", line)]
    found = re.findall(r"(\d+) ([a-z]+)", lines[-1].partition(" in ")[0]) if lines else []
    return {"warnings" if name == "warning" else name: int(count) for count, name in found}


def medians(runs: Sequence[Figures]) -> Figures:
    """The median of each figure by itself."""
    columns = {f.name: [getattr(one, f.name) for one in runs] for f in fields(Figures)}
    return Figures(**{name: statistics.median(column) for name, column in columns.items()})
