"""Processes that carry bytes: one thread hears them all and sees them end."""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from pytest_sysaudit.transport.shell.pipe import Hearer

_CHUNK = 1 << 16
#: Seconds from the end of a process's input until it is told to end, and until it is made to.
_PATIENCE, _LAST_PATIENCE = 2.0, 4.0
_POLL = 0.05


class ProcessPipe:
    """A `Pipe` to a process of this machine, which `Loop.start` starts.

    Attributes:
        refused: why it was not started, if another try may succeed.
    """

    def __init__(self, loop: Loop, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self.refused = ""
        self.argv = list(argv)
        self.env = dict(env)
        self.process: subprocess.Popen[bytes] | None = None
        self._loop = loop
        self._lock = threading.Lock()
        self._unsent: deque[bytes] = deque()
        self._ends = self._gone = False

    def spawn(self) -> None:
        """Start the process, in the thread of the caller: a hundred start at once then."""
        try:
            process = subprocess.Popen(
                self.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.env,
                start_new_session=True,
            )
        except OSError as error:
            self.refused = f"{self.argv[0]} cannot be started: {error.strerror}"
            self.end()
            return
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
        self.process = process

    def write(self, data: bytes) -> None:
        """Queue *data*; what the process takes at once is written at once.

        Raises:
            OSError: the process has ended.
        """
        with self._lock:
            if self._gone or self._ends:
                raise BrokenPipeError(f"{self.argv[0]} has ended")
            idle = not self._unsent
            self._unsent.append(data)
            if idle and self.process is not None:
                self._send()
            left = bool(self._unsent)
        if left:
            self._loop.call(functools.partial(self._loop.feed, self))

    def close(self) -> None:
        """End its input; a process that goes on all the same is ended."""
        with self._lock:
            if self._ends:
                return
            self._ends = True
        self._loop.call(functools.partial(self._loop.closed, self))

    def send(self) -> bool:
        """Write what can be written; return whether something is left."""
        with self._lock:
            self._send()
            if self._ends and not self._unsent:
                self._shut()
            return bool(self._unsent)

    def _send(self) -> None:
        stdin = self.process.stdin if self.process is not None else None
        if stdin is None or stdin.closed:
            self._unsent.clear()
            return
        try:
            while self._unsent:
                data = self._unsent[0]
                sent = os.write(stdin.fileno(), data)
                if sent == len(data):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = data[sent:]
        except BlockingIOError:
            return
        except OSError:  # it does not read any more; its end is told where it is seen
            self._unsent.clear()

    def _shut(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def end(self) -> None:
        """Take nothing more: the process is gone."""
        with self._lock:
            self._gone = True
            self._unsent.clear()
            self._shut()

    def signal(self, number: int) -> None:
        """Send a signal to it and to what it has started; nothing happens if it is gone."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class _Entry:
    """What the loop knows of one process."""

    def __init__(self, pipe: ProcessPipe, hearer: Hearer) -> None:
        self.pipe = pipe
        self.hearer = hearer
        self.open: dict[IO[bytes], Callable[[bytes], None]] = {}
        self.pidfd: int | None = None
        self.feeding: int | None = None
        self.ends_at: list[tuple[float, int]] = []


class Loop:
    """The thread of all processes; it runs while there is one.

    A process whose standard input ends has to end too: so none is left if the run is killed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()
        self._entries: dict[ProcessPipe, _Entry] = {}
        self._running = False
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_in, False)
        os.set_blocking(self._wake_out, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_in, selectors.EVENT_READ)

    def start(self, pipe: ProcessPipe, hearer: Hearer) -> None:
        """Start the process of *pipe*, in a session of its own.

        One that cannot be started ends without an exit code, and `ProcessPipe.refused` says why.
        """
        pipe.spawn()
        self.call(functools.partial(self._begin, _Entry(pipe, hearer)))

    def kill(self, pipe: ProcessPipe) -> None:
        """Have the process told to end, and made to a little later."""

        def end() -> None:
            if entry := self._entries.get(pipe):
                now = time.monotonic()
                entry.ends_at = [(now, signal.SIGTERM), (now + 1, signal.SIGKILL)]

        self.call(end)

    def call(self, call: Callable[[], None]) -> None:
        """Have *call* made by the thread."""
        with self._lock:
            self._calls.append(call)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="openssh", daemon=True).start()
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_out, b".")

    def _run(self) -> None:
        while True:
            for key, events in self._selector.select(self._pause()):
                if key.data is not None:
                    key.data(events)
                else:
                    self._hush()
            while self._calls:
                self._calls.popleft()()
            self._look_after()
            with self._lock:
                if not self._entries and not self._calls:
                    self._running = False
                    return

    def _hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_in, _CHUNK):
                pass

    def _pause(self) -> float | None:
        if self._calls:
            return 0
        ends = [entry.ends_at[0][0] for entry in self._entries.values() if entry.ends_at]
        waits = [max(0.0, min(ends) - time.monotonic())] if ends else []
        if any(entry.pidfd is None for entry in self._entries.values()):
            waits.append(_POLL)
        return min(waits, default=None)

    def _begin(self, entry: _Entry) -> None:
        process = entry.pipe.process
        if process is None:
            entry.hearer.on_end(None)
            return
        self._entries[entry.pipe] = entry
        self._listen(entry, process)
        self.feed(entry.pipe)

    def _listen(self, entry: _Entry, process: subprocess.Popen[bytes]) -> None:
        hearer = entry.hearer
        for stream, tell in ((process.stdout, hearer.on_out), (process.stderr, hearer.on_err)):
            if stream is not None:
                entry.open[stream] = tell
                on_event = functools.partial(self._hear, entry, stream)
                self._selector.register(stream, selectors.EVENT_READ, on_event)
        try:
            entry.pidfd = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # an older kernel, or a sandbox
            return
        ended = functools.partial(self._ended, entry)
        self._selector.register(entry.pidfd, selectors.EVENT_READ, ended)

    def _hear(self, entry: _Entry, stream: IO[bytes], _events: int) -> bool:
        """Read once; return whether something came."""
        if stream not in entry.open:  # its end was told together with this
            return False
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return False
        if data:
            entry.open[stream](data)
            return True
        self._selector.unregister(stream)
        del entry.open[stream]
        return False

    def feed(self, pipe: ProcessPipe) -> None:
        """Go on writing when the process takes more."""
        entry = self._entries.get(pipe)
        stdin = pipe.process.stdin if pipe.process is not None else None
        if entry is None or stdin is None or stdin.closed:
            return
        fd = stdin.fileno()
        left = pipe.send()
        if left and entry.feeding is None:
            entry.feeding = fd
            self._selector.register(fd, selectors.EVENT_WRITE, lambda _: self.feed(pipe))
        elif not left:
            self._stop_feeding(entry)

    def _stop_feeding(self, entry: _Entry) -> None:
        fd, entry.feeding = entry.feeding, None
        if fd is not None:
            self._selector.unregister(fd)

    def closed(self, pipe: ProcessPipe) -> None:
        """See to it that a process whose input has ended ends too."""
        self.feed(pipe)
        entry = self._entries.get(pipe)
        if entry is not None:
            now = time.monotonic()
            entry.ends_at = [
                (now + _PATIENCE, signal.SIGTERM),
                (now + _LAST_PATIENCE, signal.SIGKILL),
            ]

    def _look_after(self) -> None:
        now = time.monotonic()
        for entry in list(self._entries.values()):
            while entry.ends_at and entry.ends_at[0][0] <= now:
                entry.pipe.signal(entry.ends_at.pop(0)[1])
            if entry.pidfd is None:
                self._ended(entry, 0)

    def _ended(self, entry: _Entry, _events: int) -> None:
        """Tell the end of a process, after all that it wrote; who else holds its pipes is not."""
        process = entry.pipe.process
        if entry.pipe not in self._entries or process is None or process.poll() is None:
            return
        for stream in list(entry.open):
            while self._hear(entry, stream, 0):
                pass
        self._forget(entry)
        entry.hearer.on_end(process.returncode if process.returncode >= 0 else None)

    def _forget(self, entry: _Entry) -> None:
        process = entry.pipe.process
        del self._entries[entry.pipe]
        self._stop_feeding(entry)
        for stream in entry.open:
            self._selector.unregister(stream)
        if entry.pidfd is not None:
            self._selector.unregister(entry.pidfd)
            os.close(entry.pidfd)
        entry.pipe.end()
        for output in (process.stdout, process.stderr) if process is not None else ():
            if output is not None:
                output.close()


def shared_loop() -> Loop:
    """Return the loop of this process: a thread for each host would wake up for nothing."""
    return _loop_of(os.getpid())


@functools.cache
def _loop_of(_process: int) -> Loop:  # a forked process has no thread of ours
    return Loop()
