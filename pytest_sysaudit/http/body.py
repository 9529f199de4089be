"""Reading a body: bounded in size on the wire and after decoding."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_sysaudit.errors import CannotAssess, ConnectionLost, Incomplete

_CHUNK = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS
_CODINGS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


def read_body(raw: Any, place: str, limit: int) -> bytes:
    """Return the decoded body of *raw*, a urllib3 response.

    Args:
        raw: the response, its body not yet read.
        place: what messages begin with.
        limit: bytes, on the wire and decoded.

    Raises:
        Incomplete: it is larger, or in a coding that was not asked for.
        ConnectionLost: it ends before the end of its coding.
    """
    chunks = _bounded(_wire(raw), place, limit)
    named = raw.headers.get("Content-Encoding", "").strip().lower()
    if named in ("", "identity"):
        return b"".join(chunks)
    if named not in _CODINGS:
        body = b"".join(chunks)
        if body:
            raise Incomplete(f"{place}: the body is in Content-Encoding {named!r}, not asked for")
        return body
    try:
        return b"".join(_bounded(_inflate(chunks, _CODINGS[named], place), place, limit))
    except zlib.error as error:
        raise CannotAssess(f"{place}: the body is no valid {named}: {error}") from error


def _wire(raw: Any) -> Iterator[bytes]:
    while chunk := raw.read(_CHUNK, decode_content=False):
        yield chunk


def _bounded(chunks: Iterable[bytes], place: str, limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise Incomplete(f"{place}: the body is larger than {limit} bytes; see max_body")
        yield chunk


def _inflate(chunks: Iterable[bytes], bits: int, place: str) -> Iterator[bytes]:
    """Yield decoded pieces of at most `_CHUNK` bytes, so that a bomb stops at the limit."""
    decoder, begun = zlib.decompressobj(bits), False
    for chunk in chunks:
        data = chunk
        while data:
            if decoder.eof:
                decoder = zlib.decompressobj(bits)  # gzip may be several members in a row
            if not begun and bits == zlib.MAX_WBITS and not _has_zlib_header(data):
                decoder = zlib.decompressobj(-zlib.MAX_WBITS)  # "deflate" often means raw deflate
            begun = True
            yield decoder.decompress(data, _CHUNK)
            data = decoder.unconsumed_tail or decoder.unused_data
    if begun and not decoder.eof:
        raise ConnectionLost(f"{place}: the body ends in the middle of its coding")


def _has_zlib_header(data: bytes) -> bool:
    return len(data) > 1 and data[0] & 0x0F == zlib.DEFLATED and (data[0] << 8 | data[1]) % 31 == 0
