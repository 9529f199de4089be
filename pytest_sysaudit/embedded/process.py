"""A child process that ends when we end, however we end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class ChildProcess:
    """One running child: its output goes to a log file, its life is bound to ours.

    The kernel sends SIGTERM to the child when the thread that started it ends. That thread waits
    for the child, so it ends with the child or with this process, and not before.

    Args:
        argv: the program and its arguments.
        log: the file that standard output and standard error are added to.
        env: the child's environment; None: ours.

    Attributes:
        pid: its process id.
        log: the file that its output goes to.

    Raises:
        OSError: the program cannot be started.
    """

    def __init__(
        self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        self._argv = list(argv)
        self._env = env
        self._started = threading.Event()
        self._error: OSError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watch = threading.Thread(target=self._run, name=f"child {argv[0]}", daemon=True)
        self._watch.start()
        self._started.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        bind = _binder(os.getpid())
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._env,
                    start_new_session=True,
                    preexec_fn=bind,  # noqa: PLW1509 - one prepared C call, no locks
                )
        except OSError as error:
            self._error = error
        finally:
            self._started.set()
        if self._process is not None:
            self._process.wait()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code as `subprocess` gives it; None while it runs."""
        return None if self._watch.is_alive() else self._popen.returncode

    @property
    def _popen(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self._argv[0]} was not started")
        return self._process

    def output(self) -> str:
        """Return what the child wrote so far."""
        return self.log.read_text("utf-8", "backslashreplace") if self.log.exists() else ""

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self._watch.is_alive():
            self._popen.send_signal(number)

    def stop(self, grace: float = 3.0) -> None:
        """End the child and its children: SIGTERM, after *grace* seconds SIGKILL."""
        offspring = children(self.pid)
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self._watch.join(grace)
        if self._watch.is_alive():
            self.signal(signal.SIGKILL)
            self._watch.join(grace)
        for pid in offspring:
            kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Return the process ids of the direct children of *pid*."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError):  # it ended while we looked
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, path.read_text().split())
    return found


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to *pid*; nothing happens if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _binder(parent: int) -> Callable[[], None]:
    """Return what the new process does first: ask for SIGTERM when its parent dies."""
    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind
