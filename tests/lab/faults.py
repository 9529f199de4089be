"""Servers that misbehave, on loopback: for everything that can go wrong before a login."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from lab.sshd import free_port

Address = tuple[str, int]


def refused() -> Address:
    """An address where nobody listens: the connection is refused."""
    return "127.0.0.1", free_port()


@contextlib.contextmanager
def unanswered() -> Iterator[Address]:
    """An address whose SYNs are dropped: a listener whose queue is full and that never accepts."""
    with socket.socket() as listener, contextlib.ExitStack() as held:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):  # more than the queue holds: the rest stays unanswered
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield address


class Server:
    """Accepts TCP connections and says *greeting*; then it is silent, or hangs up.

    Attributes:
        address: where it listens.
        accepted: how many connections it has taken.
    """

    def __init__(self, greeting: bytes = b"", *, hang_up: bool = False) -> None:
        self.greeting = greeting
        self.hang_up = hang_up
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self.address: Address = self._listener.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                connection.sendall(self.greeting)
                if self.hang_up:
                    connection.close()
                else:
                    self._held.append(connection)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._held:
            connection.close()


def silent() -> Server:
    """A server that accepts and says nothing."""
    return Server()


def babbling(greeting: bytes = b"HTTP/1.1 400 Bad Request\r\n\r\n") -> Server:
    """A server that says something that is not SSH, and hangs up."""
    return Server(greeting, hang_up=True)


class Relay:
    """A TCP relay to *target* whose connections can be cut or stalled: a network that breaks.

    It drops the first *drops* connections, after the words *last_words*.

    Attributes:
        address: where it listens.
        accepted: how many connections went through.
    """

    def __init__(self, target: Address, *, drops: int = 0, last_words: bytes = b"") -> None:
        self.target = target
        self.accepted = 0
        self.drops = drops
        self.last_words = last_words
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[socket.socket] = []
        self.address: Address = self._listener.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.drops > 0:
                    self.drops -= 1
                    near.sendall(self.last_words)
                    near.close()
                    continue
                far = socket.create_connection(self.target)
                self.accepted += 1
                self._pairs += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def stall(self) -> None:
        """Pass nothing on any more; the connections stay open."""
        self._open.clear()

    def cut(self) -> None:
        """Break every connection."""
        for end in self._pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.set()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()
        for end in self._pairs:
            end.close()
