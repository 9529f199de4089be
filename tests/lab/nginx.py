"""A real nginx on free ports of loopback, one process for many server blocks."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.tls import Pair

PROGRAM = shutil.which("nginx") or "/usr/sbin/nginx"

#: What a well-kept site sends, on error pages, too.
GOOD_HEADERS = """
add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'" always;
add_header X-Content-Type-Options nosniff always;
add_header X-Frame-Options DENY always;
add_header Referrer-Policy no-referrer always;
add_header Set-Cookie "sid=abc123; Path=/; Secure; HttpOnly; SameSite=Lax" always;
server_tokens off;
"""
GOOD_TLS = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;"
#: All that this OpenSSL can still speak.
OLD_TLS = "ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:COMPLEMENTOFALL:@SECLEVEL=0;"
HELLO = 'location / { default_type text/html; return 200 "<p>hello</p>\\n"; }'


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def tls_server(pair: Pair, body: str = HELLO, settings: str = GOOD_TLS) -> str:
    """A server block over TLS; ``PORT`` is filled in when it is started."""
    cert, key = pair.files
    return (
        f"server {{ listen 127.0.0.1:PORT ssl; ssl_certificate {cert}; "
        f"ssl_certificate_key {key};\n{settings}\n{body} }}"
    )


def plain_server(body: str = HELLO) -> str:
    return f"server {{ listen 127.0.0.1:PORT;\n{body} }}"


@contextlib.contextmanager
def nginx(folder: Path, servers: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Run nginx with a block for each name of *servers*; yield the ports by name."""
    ports = {name: free_port() for name in servers}
    blocks = "\n".join(text.replace("PORT", str(ports[name])) for name, text in servers.items())
    for name, port in ports.items():
        blocks = blocks.replace(f"@{name}@", str(port))
    temp = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log {folder}/access.log;\n{temp}{blocks}\n}}\n"
    )
    argv = [PROGRAM, "-e", f"{folder}/error.log", "-p", str(folder), "-c", str(config)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _wait(process, ports.values(), folder)
            yield ports
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)


def _wait(process: subprocess.Popen[bytes], ports: object, folder: Path) -> None:
    deadline = time.monotonic() + 15
    for port in ports:  # type: ignore[attr-defined]
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                log = folder / "error.log"
                why = log.read_text() if log.exists() else ""
                raise RuntimeError(f"nginx does not start: {why}")
            time.sleep(0.02)
