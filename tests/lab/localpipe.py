"""Shells of this machine behind a `Pipe`, to test what runs over pipes without a server."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading

from pytest_sysaudit.transport.shell.pipe import Hearer
from pytest_sysaudit.transport.shell.script import BOOT


class LocalPipe:
    """A process of this machine; *argv* runs in a session of its own.

    It writes to sockets, as under sshd: unlike a pipe's, their two ends can be told apart.
    """

    def __init__(self, argv: list[str], hearer: Hearer) -> None:
        self.refused = ""
        self.written = 0
        self._hearer = hearer
        self._lock = threading.Lock()
        (self._out, out), (self._err, err) = socket.socketpair(), socket.socketpair()
        with out, err:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=out.fileno(),
                stderr=err.fileno(),
                bufsize=0,
                start_new_session=True,
            )
        self._outbox: list[bytes] = []
        self._more = threading.Semaphore(0)
        self._closed = False
        works = (self._hear_out, self._hear_err, self._write_all, self._watch)
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def write(self, data: bytes) -> None:
        if self._closed or self.process.poll() is not None:
            raise OSError("gone")
        self.written += 1
        self._outbox.append(data)
        self._more.release()

    def close(self) -> None:
        self._closed = True
        self._more.release()

    def _write_all(self) -> None:
        stdin = self.process.stdin
        with contextlib.suppress(OSError):
            while self._more.acquire() and self._outbox:
                left = memoryview(self._outbox.pop(0))
                while left:
                    left = left[stdin.write(left) :]
        with contextlib.suppress(OSError):
            stdin.close()

    def _hear_out(self) -> None:
        with self._out:
            while data := self._out.recv(65536):
                with self._lock:
                    self._hearer.on_out(data)

    def _hear_err(self) -> None:
        with self._err:
            while data := self._err.recv(65536):
                with self._lock:
                    self._hearer.on_err(data)

    def _watch(self) -> None:
        code = self.process.wait()
        for thread in self._threads[:2]:
            thread.join(0.1)  # what it left behind may hold its streams open
        with self._lock:
            self._hearer.on_end(code if code >= 0 else 128 - code)


class LocalWay:
    """A `Way` to this machine.

    Args:
        shell: runs the doorman, as an argv.
        most: how many processes may run at once; the next one is refused.
    """

    def __init__(self, shell: tuple[str, ...] = ("/bin/sh",), most: int = 10) -> None:
        self.shell = shell
        self.most = most
        self.alive = True
        self.pipes: list[LocalPipe] = []

    def start(self, line: str, hearer: Hearer) -> LocalPipe:
        running = sum(pipe.process.poll() is None for pipe in self.pipes)
        refused = running >= self.most
        argv = ["false"] if refused else [*self.shell, "-c", BOOT]
        del line
        pipe = LocalPipe(argv, hearer)
        pipe.refused = "no more of them" if refused else ""
        self.pipes.append(pipe)
        return pipe

    def close(self) -> None:
        self.alive = False
        for pipe in self.pipes:
            pipe.close()
