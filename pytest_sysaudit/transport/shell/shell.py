"""One shell on a host that runs commands one after the other: exact output, exact exit codes.

Requests are written at once and answered in order. Nothing here waits: answers come as futures,
set by the thread that hears the pipe.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError

from pytest_sysaudit.transport.shell import script
from pytest_sysaudit.transport.shell.marks import Cutter
from pytest_sysaudit.transport.shell.pipe import Opener, Pipe
from pytest_sysaudit.transport.shell.request import Again, Fate, Request, ShellEnded

#: Bytes that are written ahead of the running command. Above it the doorman could not hand them
#: on (a pipe holds 64 KB), and would not read a line that ends the command.
AHEAD = 32_000
_NOISE = 4096
_LOOKS = 100


class Shell:
    """A persistent shell; a `Hearer` of its pipe.

    Args:
        limit: bytes of output of one command; what goes beyond is ended.
        program: the worker's shell.

    Attributes:
        ready: done when the shell runs; holds `Again` if it never will.
        ended: the exit code, when it is over; None if it is not known.
        opened: when it was started, by the monotonic clock; ``lag``: how long that took.
        answered: whether the doorman ever told what runs.
        tainted: whether a command left a process behind that may still write to its output.
    """

    def __init__(self, *, limit: int, program: str = "/bin/sh") -> None:
        mark = secrets.token_hex(16)
        self.ready: Future[None] = Future()
        self.ended: Future[int | None] = Future()
        self.opened = time.monotonic()
        self.lag = 0.0
        self.answered = self.tainted = False
        self._mark = mark
        self._limit = limit
        self._program = program
        self._cutters = (Cutter(mark.encode(), limit), Cutter(mark.encode(), limit))
        self._lock = threading.Lock()
        self._held: deque[Request] = deque()
        self._sent: deque[Request] = deque()
        self._first: list[bytes | None] = [None, None]
        self._pipe: Pipe | None = None
        self._worker = self._ahead = 0
        self._looks = 0
        self._last = False
        self._looking: Request | None = None
        self._opening = self._over = self._finished = False
        self._exit_code: int | None = None
        self._closing = False
        self._queue: list[Callable[[], object]] = []

    def open(self, opener: Opener) -> None:
        """Start it; `Again` from the opener means that there is no room for it.

        Raises:
            CannotAssess: the opener's reason.
            OSError: it was not even started.
        """
        self._opening = True
        try:
            pipe = opener(self)
        finally:
            self._opening = False
        with self._lock:
            self._pipe = pipe
            self.opened = time.monotonic()
            over = self._over
            self._control(script.opening(self._mark, self._program))
            self._pump()
        if over:
            self._finish()

    @property
    def alive(self) -> bool:
        """Whether it takes requests."""
        return not (self._over or self._closing)

    @property
    def started(self) -> bool:
        """Whether it ever ran."""
        return self._worker != 0

    @property
    def refused(self) -> str:
        """Why it was not started, if another try may succeed."""
        return self._pipe.refused if self._pipe is not None else ""

    @property
    def load(self) -> int:
        """How many requests it has."""
        return len(self._sent) + len(self._held)

    def busy_for(self) -> float:
        """Return for how many seconds the running command has run; 0 if there is none."""
        head = self._sent[0] if self._sent else None
        begun = head.begun if head is not None else None
        return 0.0 if begun is None else time.monotonic() - begun

    def said(self) -> bytes:
        """Return what came before the shell was ready."""
        with self._lock:
            parts = [
                first if first is not None else cutter.so_far()
                for first, cutter in zip(self._first, self._cutters, strict=True)
            ]
        return b"".join(parts)[:_NOISE]

    def submit(self, requests: Sequence[Request]) -> None:
        """Queue *requests*: in one write, as far as they are not much.

        Raises:
            OSError: the shell is gone; nothing was queued.
        """
        with self._lock:
            if not self.alive:
                raise OSError("the shell has ended")
            for request in requests:
                request.shell = self
            self._held.extend(requests)
            if self._pipe is not None:
                self._pump()

    def _pump(self) -> None:
        """Write what may be written; the lock is held."""
        lines = []
        while self._held:
            request = self._held[0]
            if self._sent and self._ahead + len(request.lines) > AHEAD:
                break
            self._ahead += len(request.lines) if self._sent else 0
            lines.append(request.lines)
            self._sent.append(self._held.popleft())
        self._begin()
        if lines and self._pipe is not None:
            try:
                self._pipe.write(b"".join(lines))
            except OSError:
                return  # `on_end` says the rest

    def _begin(self) -> None:
        """Note when the first request began, and end it if nobody wants it; the lock is held."""
        if not self._worker or not self._sent:
            return
        head = self._sent[0]
        if head.begun is None:
            head.begun = time.monotonic()
            if head.fate is not None:
                self._look(head)

    def end(self, request: Request, fate: Fate) -> None:
        """End *request*, and go on with the next; its future tells when that is done."""
        with self._lock:
            if request.future.done() or self._over:
                return
            self._doom(request, fate)
            if request in self._held:
                self._held.remove(request)
                self._later(request.future.set_exception, Again())
            elif self._sent and request is self._sent[0] and request.begun is not None:
                self._look(request)
        self._tell()

    @staticmethod
    def _doom(request: Request, fate: Fate) -> None:
        if request.fate is None:
            request.fate, request.ending = fate, time.monotonic()

    def _look(self, request: Request) -> None:
        """Ask what the worker runs: only that is ended, whatever has ended meanwhile."""
        if self._looking is not request:
            self._looking, self._looks = request, 0
            self._control(script.look(self._mark, self._worker))

    def _found(self, note: bytes) -> None:
        """Take the doorman's answer: it came before the request's own mark, so it is about it."""
        self.answered = True
        request = self._looking
        if request is None or request.err is not None or self._sent[0] is not request:
            return
        pids = note[1:].decode("ascii", "replace").strip()
        if pids:
            request.stopped = True
            self._control(script.stop(self._mark, pids))
        elif self._looks < _LOOKS:
            self._looks += 1
            self._control(script.look(self._mark, self._worker))

    def _control(self, line: bytes) -> None:
        if self._pipe is not None:
            try:
                self._pipe.write(line)
            except OSError:
                return  # `on_end` says the rest

    def on_out(self, data: bytes) -> None:
        """Take standard output."""
        self._hear(0, data)

    def on_err(self, data: bytes) -> None:
        """Take standard error."""
        self._hear(1, data)

    def _hear(self, side: int, data: bytes) -> None:
        with self._lock:
            if self._over:
                return
            for body, note in self._cutters[side].feed(data):
                if note.startswith(b"K"):
                    self._found(note)
                elif self._first[side] is None:
                    self._start(side, body, note)
                else:
                    self._part(side, body, note)
            self._check_size()
        self._tell()

    def _start(self, side: int, body: bytes, note: bytes) -> None:
        """Take the first mark of a stream: what login files said stands before it."""
        self._first[side] = body
        if note.startswith(b"R"):
            self._worker = int(note[1:])
        if None not in self._first:
            self.lag = time.monotonic() - self.opened
            self._later(self.ready.set_result, None)
            self._begin()

    def _part(self, side: int, body: bytes, note: bytes) -> None:
        for request in self._sent:
            if side == 0 and request.out is None:
                code, _, stray = note.partition(b" ")
                request.out, request.exit_code = body, int(code)
                self.tainted = bool(stray)
                break
            if side == 1 and request.err is None:
                request.err = body
                break
        while self._sent and self._sent[0].out is not None and self._sent[0].err is not None:
            done = self._sent.popleft()
            self._ahead -= len(self._sent[0].lines) if self._sent else 0
            self._later(done.future.set_result, done.reply())
            if self.tainted:
                self._give_back()
            self._pump()
        if self._last and not self._sent:
            self._later(self._leave, None)

    def _give_back(self) -> None:
        """Leave what is not begun to another shell: the worker has ended; the lock is held."""
        for request in (*self._sent, *self._held):
            self._later(request.future.set_exception, Again())
        self._sent.clear()
        self._held.clear()
        self._last = self._closing = True

    def _check_size(self) -> None:
        """End the running command if it has written too much."""
        if self._sent and sum(cutter.size for cutter in self._cutters) > self._limit:
            head = self._sent[0]
            self._doom(head, Fate.LARGE)
            if head.begun is not None:
                self._look(head)

    def on_end(self, exit_code: int | None) -> None:
        """Learn that the shell is gone."""
        with self._lock:
            if self._over:
                return
            self._over = True
            self._exit_code = exit_code
            if self._pipe is None and self._opening:
                return  # `open` goes on when it knows the pipe, which knows why
        self._finish()

    def _finish(self) -> None:
        with self._lock:
            if self._finished:
                return
            self._finished = True
            begun = self._may_have_run()
            for request in (*self._sent, *self._held):
                self._later(request.future.set_exception, ShellEnded() if begun else Again())
                begun = False
            self._sent.clear()
            self._held.clear()
            if not self.ready.done():
                self._later(self.ready.set_exception, Again())
            self._later(self.ended.set_result, self._exit_code)
        self._tell()

    def _may_have_run(self) -> bool:
        """Whether the first request may have begun: then nobody runs it a second time.

        The worker says that it runs before it reads a command. What was not heard is known not to
        have been said only if the shell's own end was told, which comes after all that it said.
        """
        if not self._sent or self._pipe is None or self._pipe.refused:
            return False
        return bool(self._worker) or self._exit_code is None

    def close(self) -> None:
        """Give it up; what it runs is ended, if anything."""
        with self._lock:
            self._closing = True
            pipe = self._pipe
            if not self._sent and self._worker:
                self._control(script.bye(self._mark))
        if pipe is not None:
            pipe.close()

    def retire(self) -> None:
        """Take no further requests, and close when those that it has are answered."""
        with self._lock:
            self._last = self._closing = True
            if not self._sent and not self._held:
                self._later(self._leave, None)
        self._tell()

    def _leave(self, _: None) -> None:
        self.close()

    def abandon(self) -> None:
        """Close it and answer everybody at once, whatever the host does."""
        self.close()
        self.on_end(None)
        self._finish()

    def _later(self, call: Callable[..., object], value: object) -> None:
        """Set a future when the lock is released: who waits for it may call us."""
        self._queue.append(lambda: call(value))

    def _tell(self) -> None:
        while self._queue:
            try:
                call = self._queue.pop(0)
            except IndexError:
                return
            with contextlib.suppress(InvalidStateError):  # it was abandoned meanwhile
                call()
