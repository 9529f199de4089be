"""TLS by hand: send one ClientHello, and tell what the server made of it.

The local OpenSSL cannot say SSL 3.0, export suites or RC4 any more, so that its silence about them
proves nothing. This can name every code point, and goes no further than the first answer.
"""

from __future__ import annotations

import enum
import os
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_sysaudit.text import is_address

#: Versions by name, oldest first, with their numbers on the wire.
VERSIONS = {
    "SSLv3": 0x0300,
    "TLSv1": 0x0301,
    "TLSv1.1": 0x0302,
    "TLSv1.2": 0x0303,
    "TLSv1.3": 0x0304,
}
_NAMES = {number: name for name, number in VERSIONS.items()}
_TLS12, _TLS13 = VERSIONS["TLSv1.2"], VERSIONS["TLSv1.3"]

_ALERT, _HANDSHAKE, _SERVER_HELLO = 21, 22, 2
_MAX_RECORD = (1 << 14) + 2048
_MAX_ANSWER = 1 << 17
_SNI, _GROUPS, _POINTS, _SIGNATURES, _VERSIONS, _KEY_SHARE, _RENEGOTIATION = (
    0, 10, 11, 13, 43, 51, 0xFF01,
)  # fmt: skip
#: x25519, P-256 to P-521, x448, the ffdhe groups, the hybrids with ML-KEM, then old curves.
_NAMED_GROUPS = (
    29, 23, 24, 25, 30, 256, 257, 258, 4588, 4587, 4589, 19, 21, 22, 26, 27, 28,
)  # fmt: skip
_SCHEMES = (
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B,
    0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0202,
)  # fmt: skip
#: Alerts that say: not with this version, not with these suites.
_NO = {40: "handshake_failure", 47: "illegal_parameter", 70: "protocol_version",
       71: "insufficient_security", 86: "inappropriate_fallback"}  # fmt: skip
_OTHER = {
    80: "internal_error",
    112: "unrecognized_name",
    50: "decode_error",
    10: "unexpected_message",
}
#: Level and kind of the alert that some servers send before they go on (RFC 6066, 3).
_NAME_WARNING = (1, 112)


class Reply(enum.StrEnum):
    """What became of a ClientHello."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    CLOSED = "closed"
    SILENT = "silent"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to one ClientHello.

    Attributes:
        reply: accepted means that it chose the version that was asked for.
        suite: code point of the suite that it chose; None unless accepted.
        detail: the alert or the error, in words.
    """

    reply: Reply
    suite: int | None = None
    detail: str = ""


def ask(
    place: tuple[str, int], name: str, version: str, suites: Sequence[int], seconds: float
) -> Answer:
    """Connect to *place*, offer exactly *version* with *suites*, and return the answer.

    Args:
        place: host and port.
        name: the server's name, sent as SNI unless it is an IP address.
        version: one of `VERSIONS`.
        suites: code points, best first.
        seconds: for the connection, and again for the whole answer.

    Raises:
        OSError: there is no TCP connection.
    """
    with socket.create_connection(place, timeout=seconds) as sock:
        try:
            sock.sendall(client_hello(version, suites, name))
            return _read(sock, version, time.monotonic() + seconds)
        except TimeoutError:
            return Answer(Reply.SILENT, detail=f"no answer within {seconds:g} s")
        except (ConnectionResetError, BrokenPipeError):
            return Answer(Reply.CLOSED, detail="connection reset")
        except (ValueError, struct.error, IndexError) as error:
            return Answer(Reply.UNCLEAR, detail=f"not TLS: {error}")


def client_hello(version: str, suites: Sequence[int], name: str = "") -> bytes:
    """Return the record of a ClientHello that offers *version* alone."""
    number = VERSIONS[version]
    offered = b"".join(struct.pack("!H", code) for code in suites)
    body = struct.pack("!H", min(number, _TLS12)) + os.urandom(32)
    body += bytes([32]) + os.urandom(32) if number == _TLS13 else b"\0"
    body += _block(offered) + b"\1\0"
    if number > VERSIONS["SSLv3"]:
        body += _block(_extensions(number, name))
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return struct.pack("!BHH", _HANDSHAKE, min(number, VERSIONS["TLSv1"]), len(message)) + message


def parse_server_hello(message: bytes) -> tuple[str, int]:
    """Return version and suite of a ServerHello's body; a HelloRetryRequest is one, too.

    Raises:
        ValueError, IndexError, struct.error: it is none.
    """
    legacy = struct.unpack_from("!H", message)[0]
    at = 34 + 1 + message[34]
    suite = struct.unpack_from("!H", message, at)[0]
    at += 3
    end = at + 2 + struct.unpack_from("!H", message, at)[0] if at + 2 <= len(message) else 0
    at += 2
    while at + 4 <= end:
        kind, size = struct.unpack_from("!HH", message, at)
        if kind == _VERSIONS:
            legacy = struct.unpack_from("!H", message, at + 4)[0]
        at += 4 + size
    if legacy not in _NAMES:
        raise ValueError(f"unknown version {legacy:#06x}")
    return _NAMES[legacy], suite


def _extensions(number: int, name: str) -> bytes:
    groups = b"".join(struct.pack("!H", group) for group in _NAMED_GROUPS)
    parts = [(_GROUPS, _block(groups)), (_POINTS, b"\1\0"), (_RENEGOTIATION, b"\0")]
    if name and not is_address(name):
        parts.insert(0, (_SNI, _block(b"\0" + _block(name.encode("idna")))))
    if number >= _TLS12:
        schemes = b"".join(struct.pack("!H", scheme) for scheme in _SCHEMES)
        parts.append((_SIGNATURES, _block(schemes)))
    if number == _TLS13:
        parts.append((_VERSIONS, b"\2" + struct.pack("!H", number)))
        share = struct.pack("!H", _NAMED_GROUPS[0]) + _block(os.urandom(32))
        parts.append((_KEY_SHARE, _block(share)))
    return b"".join(struct.pack("!H", kind) + _block(data) for kind, data in parts)


def _block(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def _read(sock: socket.socket, version: str, deadline: float) -> Answer:
    """Read records until there is a whole ServerHello or an alert."""
    handshake = b""
    while len(handshake) < _MAX_ANSWER:
        head = _exactly(sock, 5, deadline)
        if head is None:
            return Answer(Reply.CLOSED, detail="connection closed without an alert")
        kind, major, _, size = struct.unpack("!BBBH", head)
        if kind not in (_ALERT, _HANDSHAKE) or major != 3 or size > _MAX_RECORD:  # noqa: PLR2004
            raise ValueError(f"it begins with {head!r}")
        data = _exactly(sock, size, deadline)
        if data is None:
            return Answer(Reply.CLOSED, detail="connection closed in the middle of a record")
        if kind == _ALERT and tuple(data[:2]) == _NAME_WARNING:
            continue
        if kind == _ALERT:
            return _alert(data[1])
        handshake += data
        if len(handshake) >= 4 and len(handshake) >= 4 + int.from_bytes(handshake[1:4], "big"):  # noqa: PLR2004
            return _hello(handshake, version)
    raise ValueError("its first message never ends")


def _hello(handshake: bytes, version: str) -> Answer:
    if handshake[0] != _SERVER_HELLO:
        raise ValueError(f"handshake message {handshake[0]} instead of a ServerHello")
    size = int.from_bytes(handshake[1:4], "big")
    chosen, suite = parse_server_hello(handshake[4 : 4 + size])
    if chosen != version:
        return Answer(Reply.REFUSED, detail=f"the server answered with {chosen}")
    return Answer(Reply.ACCEPTED, suite=suite)


def _alert(code: int) -> Answer:
    if code in _NO:
        return Answer(Reply.REFUSED, detail=f"alert {_NO[code]}")
    return Answer(Reply.UNCLEAR, detail=f"alert {_OTHER.get(code, code)}")


def _exactly(sock: socket.socket, size: int, deadline: float) -> bytes | None:
    """Return *size* bytes; None if the connection ends before; raises TimeoutError."""
    data = b""
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        chunk = sock.recv(size - len(data))
        if not chunk:
            return None
        data += chunk
    return data
