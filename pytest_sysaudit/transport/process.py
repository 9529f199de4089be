"""One process of this machine: its output, its exit code, a deadline, and no way to hang."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Protocol

from pytest_sysaudit.errors import Incomplete, TimedOut
from pytest_sysaudit.text import plural

if TYPE_CHECKING:
    import psutil

#: Seconds between asking a process group to end and ending it.
GRACE = 0.5
#: Seconds between looks at a process where the kernel has no pidfd_open.
POLL = 0.05
CHUNK = 1 << 16


class Talk(Protocol):
    """What is said to a process on its standard input, given what it wrote to standard error."""

    def answer(self, stderr: bytes) -> bytes:
        """Return what to write now, given all of standard error so far; may raise to end it."""

    @property
    def over(self) -> bool:
        """Whether standard input can be closed once everything is written."""


class Say:
    """Say one thing at once, then nothing."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.over = False

    def answer(self, stderr: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Return all that is to be said, the first time."""
        said, self.over = self.over, True
        return b"" if said else self.data


class Process:
    """A started process, in a session of its own.

    Args:
        argv: the program and its arguments.
        env: its whole environment.
        silent: whether its standard input is empty.

    Attributes:
        survivors: ids of those of its descendants that we were not allowed to end.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], *, silent: bool) -> None:
        self.survivors: list[int] = []
        self._popen = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if silent else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        self._unsent = b""

    @property
    def stdout(self) -> bytes:
        """What it wrote to standard output so far."""
        return bytes(self._output["stdout"])

    @property
    def stderr(self) -> bytes:
        """What it wrote to standard error so far."""
        return bytes(self._output["stderr"])

    def finish(self, talk: Talk, timeout: float, max_output: int) -> int:
        """Wait for its end and return its exit code, 128 + N if signal N ended it.

        What background children write after its end is not waited for.

        Raises:
            TimedOut: *timeout* seconds passed; it was killed with its children.
            Incomplete: it wrote more than *max_output* bytes; it was killed with its children.
        """
        self._timeout, self._deadline = timeout, time.monotonic() + timeout
        try:
            with self._pipes() as selector:
                self._converse(selector, talk, max_output)
            code = self._wait()
        except BaseException:
            self.end()
            raise
        finally:
            self._close()
        return 128 - code if code < 0 else code

    @contextlib.contextmanager
    def _pipes(self) -> Iterator[selectors.BaseSelector]:
        with selectors.DefaultSelector() as selector:
            for name in self._output:
                pipe: IO[bytes] = getattr(self._popen, name)
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, name)
            if self._popen.stdin is not None:
                os.set_blocking(self._popen.stdin.fileno(), False)
            ended = _pidfd(self._popen.pid)
            if ended is not None:
                selector.register(ended, selectors.EVENT_READ, "end")
            try:
                yield selector
            finally:
                if ended is not None:
                    os.close(ended)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(f"no end within {self._timeout:g} s")
        return left

    def _converse(self, selector: selectors.BaseSelector, talk: Talk, max_output: int) -> None:
        heard = -1
        while self._open_outputs(selector):
            if heard != (heard := len(self._output["stderr"])):
                self._unsent += talk.answer(self.stderr)
            self._send(selector, talk)
            left = self._left()
            gone = self._popen.poll() is not None
            ready = selector.select(0 if gone else min(left, self._longest_wait(selector)))
            read = [self._read(selector, key) for key, _ in ready if key.data in self._output]
            size = sum(map(len, self._output.values()))
            if size > max_output:
                raise Incomplete(f"more than {plural(max_output, 'byte')} of output")
            if gone and not any(read):
                return

    def _longest_wait(self, selector: selectors.BaseSelector) -> float:
        watched = any(key.data == "end" for key in selector.get_map().values())
        return 3600 if watched else POLL

    def _open_outputs(self, selector: selectors.BaseSelector) -> bool:
        return any(key.data in self._output for key in selector.get_map().values())

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> int:
        try:
            data = os.read(key.fd, CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            selector.unregister(key.fileobj)
        self._output[key.data] += data
        return len(data)

    def _send(self, selector: selectors.BaseSelector, talk: Talk) -> None:
        stdin = self._popen.stdin
        if stdin is None or stdin.closed:
            return
        watching = stdin in selector.get_map()
        try:
            if self._unsent:
                self._unsent = self._unsent[os.write(stdin.fileno(), self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._unsent = b""
        if self._unsent and not watching:
            selector.register(stdin, selectors.EVENT_WRITE, "stdin")
        elif not self._unsent:
            if watching:
                selector.unregister(stdin)
            if talk.over:
                stdin.close()

    def _wait(self) -> int:
        """Return the exit code as `subprocess` gives it; it may run on with its outputs closed."""
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._popen.wait(self._left())

    def end(self) -> None:
        """End the process, its group and its descendants: first asked, then made to."""
        import psutil

        with contextlib.suppress(psutil.NoSuchProcess):
            strays = psutil.Process(self._popen.pid).children(recursive=True)
            for number in (signal.SIGTERM, signal.SIGKILL):
                self._signal(number, strays)
            self.survivors = [stray.pid for stray in strays if _alive(stray)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(GRACE)

    def _signal(self, number: signal.Signals, strays: Sequence[psutil.Process]) -> None:
        import psutil

        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)
        for stray in strays:
            with contextlib.suppress(psutil.Error):
                stray.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(GRACE)
        # A dead stray is a zombie until init looks after it: psutil would wait for that too.
        end = time.monotonic() + GRACE
        while any(map(_alive, strays)) and time.monotonic() < end:
            time.sleep(POLL / 5)

    def _close(self) -> None:
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _alive(process: psutil.Process) -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # an older kernel, or a sandbox
        return None
