"""The program of the embedded web server: ``python -m ... FOLDER``, with its keys in FOLDER."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_SECONDS = 30
_PAGE = b"<!doctype html><title>Shop</title><p>Open for business.</p>\n"
_MISSING = b"<!doctype html><title>Not found</title><p>There is no such page.</p>\n"
_HEADERS = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_COOKIE = "visit=1; Path=/; Secure; HttpOnly; SameSite=Lax"


class Server(ThreadingHTTPServer):
    """A server whose handshakes are made by the threads of the connections, not by the listener."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler], context: Any = None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._context: ssl.SSLContext | None = context

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; its handshake comes with its first read."""
        sock, address = super().get_request()
        sock.settimeout(_SECONDS)
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a client went away or failed to shake hands."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """What both servers have in common."""

    protocol_version = "HTTP/1.1"
    sys_version = ""

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send one answer; a HEAD request gets no body. Only pages that exist tell the version."""
        self.server_version = "shop/1.0" if status < HTTPStatus.BAD_REQUEST else "shop"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        """Keep the log for errors."""


class Shop(Handler):
    """The site itself."""

    def do_GET(self) -> None:
        """Answer a page, the health report, or that there is no such page."""
        html = {**_HEADERS, "Content-Type": "text/html; charset=utf-8"}
        path = self.path.partition("?")[0]
        if path == "/":
            self.answer(200, _PAGE, {**html, "Set-Cookie": _COOKIE})
        elif path == "/health":
            body = json.dumps({"status": "ok", "checks": {"database": "ok"}}).encode()
            self.answer(200, body, {**_HEADERS, "Content-Type": "application/json"})
        else:
            self.answer(404, _MISSING, html)

    do_HEAD = do_GET  # noqa: N815 - the base class' name

    def do_OPTIONS(self) -> None:
        """Name the methods."""
        self.answer(204, b"", {**_HEADERS, "Allow": "GET, HEAD, OPTIONS"})


def redirector(port: int) -> type[Handler]:
    """Return the handler of the plain server, which sends everybody to https on *port*."""

    class Redirect(Handler):
        def do_GET(self) -> None:
            location = f"https://localhost:{port}/{self.path.lstrip('/')}"
            self.answer(308, b"", {"Location": location})

        do_HEAD = do_GET  # noqa: N815 - the base class' name

    return Redirect


def main(folder: Path) -> None:
    """Serve until the process is ended; the ports are written to FOLDER/ports.json."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    site = Server(Shop, context)
    plain = Server(redirector(site.server_port))
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    draft = folder / "ports.json.new"
    draft.write_text(json.dumps({"https": site.server_port, "http": plain.server_port}), "utf-8")
    draft.rename(folder / "ports.json")
    site.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
