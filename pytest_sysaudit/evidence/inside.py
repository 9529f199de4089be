"""Known secrets inside what is no text: overwritten in place, so that nothing else moves."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from pytest_sysaudit.evidence.known import Index, Known

#: Up to this size, data is searched for every form of every secret.
_SMALL = 1 << 12
#: Larger data is searched for those that a quick look finds, in pieces of this size.
_PIECE = 1 << 20
#: No form of a secret is longer than so many times the secret, for an escape of each character.
_LONGEST_FORM = 16
_MARK = b"*"
_ORDERS = ("utf-16-le", "utf-16-be")
_BREAKS = b" \t\r\n\v\f"
_HEX_BREAKS = _BREAKS + b"\\x:%,"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def mask(data: bytes, index: Index) -> bytes:
    """Return *data* with ``*`` over what *index* knows, in UTF-8, UTF-16 and what is made of them.

    Also base64, hexadecimal and the escapes of URLs, HTML and programs.
    """
    if len(data) > _SMALL:
        look = _Look(data)
        found = [known for known in index.all if look.may_hold(known)]
        index = Index()
        for known in found:
            index.add(known)
    if not index.all:
        return data
    masked = bytearray(data)
    over = _LONGEST_FORM * max(len(known.text) for known in index.all) + 64
    for start in range(0, len(data), _PIECE):
        _mask_piece(masked, start, data[start : start + _PIECE + over], index)
    return bytes(masked)


def _mask_piece(masked: bytearray, start: int, piece: bytes, index: Index) -> None:
    _mask_text(masked, start, piece.decode("latin-1"), 1, index)
    if b"\0" not in piece:
        return
    for skipped in (0, 1):
        end = len(piece) - (len(piece) - skipped) % 2
        for order in _ORDERS:
            units = _units(piece[skipped:end], order)
            _mask_text(masked, start + skipped, units, 2, index)


def _units(data: bytes, order: str) -> str:
    """Return the text of UTF-16 *data*, a character for each two bytes.

    Characters of two units are followed by a zero.
    """
    text = data.decode(order, "surrogatepass")
    if len(text) * 2 == len(data):
        return text
    return "".join(char + "\0" if ord(char) > 0xFFFF else char for char in text)  # noqa: PLR2004


def _mask_text(masked: bytearray, start: int, text: str, width: int, index: Index) -> None:
    """Write over the bytes of *masked* that stand for secrets in *text*, which begins at *start*.

    Each character of *text* stands for *width* bytes.
    """
    after = index.mask(text, _stars)
    if after == text:
        return
    for number, (one, other) in enumerate(zip(text, after, strict=True)):
        if one != other:
            at = start + number * width
            masked[at : at + width] = _MARK * width


def _stars(found: re.Match[str]) -> str:
    return "*" * len(found[0])


class _Look:
    """A quick look at data: whether a form of a secret may be in it, each way of writing undone."""

    def __init__(self, data: bytes) -> None:
        self._views = [data]
        if b"\0" in data:  # UTF-16 of ASCII is ASCII with zeros in between
            self._views.append(data.translate(None, b"\0"))
        self._digits = [view.lower().translate(None, _HEX_BREAKS) for view in self._views]
        self._letters = [
            re.sub(rb"\\+[nr]", b"", view).translate(_URL_SAFE, _BREAKS) for view in self._views
        ]
        self._unquoted = [unquote_to_bytes(view) for view in self._views if b"%" in view]

    def may_hold(self, known: Known) -> bool:
        """Whether it finds *known*."""
        raw = known.text.encode("utf-8", "surrogatepass")
        words = {word.encode("utf-8", "surrogatepass") for word in known.literals}
        words |= {known.text.encode(order, "surrogatepass") for order in _ORDERS}
        return (
            _any_in(words, self._views)
            or _any_in([raw], self._unquoted)
            or _any_in([raw.hex().encode("ascii")], self._digits)
            or _any_in(_base64(raw), self._letters)
        )


def _any_in(words: Iterable[bytes], views: list[bytes]) -> bool:
    return any(word in view for word in words for view in views)


def _base64(raw: bytes) -> list[bytes]:
    """Return the part of base64 of *raw* that is sure, wherever in it it begins."""
    parts = []
    for pad, first in ((0, 0), (1, 2), (2, 3)):
        text = base64.b64encode(b"\0" * pad + raw).rstrip(b"=")
        parts.append(text[first : len(text) - ((pad + len(raw)) % 3 != 0)])
    return [part for part in parts if len(part) > 4]  # noqa: PLR2004 - shorter ones are words
