"""The other end of the capture process: starting it, asking it to end, hearing what it says."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_sysaudit.errors import CannotAssess, Denied, TimedOut
from pytest_sysaudit.text import decode, first_line

SCRIPT = Path(__file__).with_name("capture_process.py")
START, STOP = 15.0, 15.0  # seconds; the process itself gives up draining after 5


class Helper:
    """One capture process; every wait for it has an end."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._where = f"capture on {config['interface']}"
        self._said = b""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SCRIPT), json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(config["fd"],),
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ready(self) -> None:
        """Wait until packets are recorded.

        Raises:
            Denied: the kernel refuses.
            CannotAssess: the interface is down, or the process failed.
            TimedOut: nothing was heard.
        """
        line = self._line(START)
        if line == b"READY":
            return
        if not line:
            if self._process.poll() is None:
                raise TimedOut(f"{self._where}: no start within {START:g} s")
            raise CannotAssess(f"{self._where}: the capture process failed: {self._complaint()}")
        found = json.loads(line)
        if found["errno"] in (errno.EPERM, errno.EACCES):
            raise Denied(f"{self._where} was refused by the kernel: {found['error']}")
        raise CannotAssess(f"{self._where} failed: {found['error']}")

    def stop(self) -> tuple[dict[str, Any], str]:
        """End the capture; return its counters ({} if it did not say) and why it is not whole."""
        early = self._process.poll()
        if early is not None:
            self.end()
            return {}, f"the capture process ended before it was told to (exit code {early})"
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            report = json.loads(self._line(STOP) or b"{}")
        finally:
            self.end()
        if not report:
            return {}, f"the capture process did not say what it saw within {STOP:g} s"
        gap = report["truncated"] or report["died"]
        return report, gap or ("" if report["drained"] else "packets were still waiting at its end")

    def _line(self, seconds: float) -> bytes:
        """Return the next line it says; b"" if it ended or none came in time."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        fd, deadline = self._process.stdout.fileno(), time.monotonic() + seconds
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while b"\n" not in self._said:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                return b""
            data = os.read(fd, 65536)
            if not data:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(left)
                return b""
            self._said += data
        line, _, self._said = self._said.partition(b"\n")
        return line

    def _complaint(self) -> str:
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        lines = decode(self._process.stderr.read()).strip().splitlines()
        return first_line(lines[-1]) if lines else f"exit code {self._process.returncode}"

    def end(self) -> None:
        """Make sure that the process is gone; may be called twice."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
