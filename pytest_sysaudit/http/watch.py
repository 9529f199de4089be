"""One attempt at one answer: its deadline, and when what happened."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

from pytest_sysaudit.http.session import TlsInfo


class Watch:
    """Times one attempt, and cuts the connection when the whole of it takes too long.

    A timeout of a socket starts anew with every byte, so a server that dribbles would hold an audit
    for ever. Cutting the connection ends any read there is, be it headers, body or handshake.

    Attributes:
        phase: ``connect`` before there is a connection, ``reused`` if it was an old one,
            ``open`` on a new one, ``answer`` once the headers are here.
        expired: the deadline passed.
        peer: ``address:port`` at the other end of the connection (a proxy's, if there is one).
        tls: what the handshake agreed on, None without TLS.
        connect_ms: milliseconds of the TCP connect; None on a connection that was reused.
        first_byte_ms: milliseconds from the start until the headers were here.
    """

    def __init__(self, seconds: float) -> None:
        self.phase = "connect"
        self.expired = False
        self.peer = ""
        self.tls: TlsInfo | None = None
        self.connect_ms: float | None = None
        self.first_byte_ms: float | None = None
        self.started = time.time()
        self.seconds = seconds
        self._begin = time.monotonic()
        self._sock: Any = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._sock = None

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the start."""
        return round((time.monotonic() - self._begin) * 1000, 1)

    def hold(self, sock: Any) -> None:
        """Cut *sock* when the deadline passes, or now if it has."""
        with self._lock:
            self._sock = sock
            if self.expired:
                _shut(sock)

    def answered(self) -> None:
        """The status line and the headers are here."""
        self.phase = "answer"
        self.first_byte_ms = self.elapsed_ms

    def _cut(self) -> None:
        with self._lock:
            self.expired = True
            if self._sock is not None:
                _shut(self._sock)


def _shut(sock: Any) -> None:
    """Shut the connection below TLS: SSLSocket.shutdown would fall back to plain reads."""
    inner = getattr(sock, "socket", sock)  # urllib3's TLS in TLS
    with contextlib.suppress(OSError):
        socket.socket.shutdown(inner, socket.SHUT_RDWR)
