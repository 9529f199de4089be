"""Web servers that answer byte for byte what a test says, and clients for any endpoint."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.http.client import HttpClient, open_client
from pytest_sysaudit.inventory.model import Defaults, Http
from pytest_sysaudit.inventory.secrets import Secrets
from pytest_sysaudit.inventory.target import Kind, Target

Script = Callable[[socket.socket, str], None]


def client_of(
    base_url: str, *, base: Path = Path(), defaults: Mapping[str, Any] | None = None, **entry: Any
) -> HttpClient:
    """The client of an inventory entry; short timeouts unless told otherwise."""
    model = Http(base_url=base_url, **{"connect_timeout": 5, "read_timeout": 5, **entry})
    target = Target(
        name="shop", kind=Kind.HTTP, entry=model, base=base, defaults=Defaults(**(defaults or {}))
    )
    return open_client(target, Secrets(Redactor()))


def answer(body: bytes = b"hello", status: str = "200 OK", *headers: str) -> bytes:
    """The bytes of a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirect(location: str, status: str = "302 Found", *headers: str) -> bytes:
    return answer(b"", status, f"Location: {location}", *headers)


class ScriptedServer:
    """Accepts connections on loopback; *script* gets each request and the socket to answer on.

    Attributes:
        requests: the heads of all requests, in the order they came.
        connections: how many connections were accepted.
    """

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self._script, self._context = script, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://localhost:{self.port}"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
            with sock:
                while head := _head(sock):
                    self.requests.append(head)
                    self._script(sock, head)

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


@contextlib.contextmanager
def routes(
    pages: Mapping[str, bytes], context: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """A server that answers the bytes of *pages* by path, and 404 for others."""

    def script(sock: socket.socket, head: str) -> None:
        sock.sendall(pages.get(head.split()[1], answer(b"no such page", "404 Not Found")))

    with ScriptedServer(script, context) as server:
        yield server


def _head(sock: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(4096)
        if not chunk:
            return ""
        data += chunk
    return data.decode("latin-1")
