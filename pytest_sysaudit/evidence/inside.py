"""Known secrets inside what is no text: overwritten in place, so that nothing else moves."""

from __future__ import annotations

import base64
import html
import re
import sys
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

from pytest_sysaudit.evidence.known import Index, Known

#: Up to this size, data is searched for every form of every secret.
_SMALL = 1 << 12
#: Larger data is searched for those that a quick look finds, in pieces of this size.
_PIECE = 1 << 20
#: No form of a secret is longer than so many times the secret, for an escape of each character.
_LONGEST_FORM = 16
_MARK = b"*"
_LAST_OF_ONE_UNIT = 0xFFFF
_ORDERS = ("utf-16-le", "utf-16-be")
_BREAKS = b" \t\r\n\v\f"
_HEX_BREAKS = _BREAKS + b"\\x:%,"
_ESCAPED = re.compile(
    rb"\\+(?:u(?P<unit>[0-9a-fA-F]{4})|U(?P<wide>00[01][0-9a-fA-F]{5})|x(?P<byte>[0-9a-fA-F]{2})|(?P<char>[^\\]))"
    rb"|(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});)"
)
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
            text = piece[skipped:end].decode(order, "surrogatepass")
            _mask_text(masked, start + skipped, text, 2, index)


def _mask_text(masked: bytearray, start: int, text: str, width: int, index: Index) -> None:
    """Write over the bytes of *masked* that stand for secrets in *text*, which begins at *start*.

    Each character of *text* stands for *width* bytes, those of two units for twice as many.
    """
    after = index.mask(text, _stars)
    if after == text:
        return
    at = start
    for one, other in zip(text, after, strict=True):
        size = 2 * width if ord(one) > _LAST_OF_ONE_UNIT else width
        if one != other:
            masked[at : at + size] = _MARK * size
        at += size


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
        self._plain = [unquote_to_bytes(view) for view in self._views if b"%" in view]
        self._plain += [_ESCAPED.sub(_unescaped, view) for view in self._views]

    def may_hold(self, known: Known) -> bool:
        """Whether it finds *known*."""
        raw = known.text.encode("utf-8", "surrogatepass")
        words = {word.encode("utf-8", "surrogatepass") for word in known.literals}
        words |= {known.text.encode(order, "surrogatepass") for order in _ORDERS}
        return (
            _any_in(words, self._views)
            or _any_in([raw, *_unescaped_forms(known.text)], self._plain)
            or _any_in([raw.hex().encode("ascii")], self._digits)
            or _any_in(_base64(raw), self._letters)
        )


def _unescaped(found: re.Match[bytes]) -> bytes:
    """Return what an escape of JSON, Python or HTML stands for."""
    if number := found["unit"] or found["wide"]:
        code = int(number, 16)
        return chr(code).encode("utf-8", "surrogatepass") if code <= sys.maxunicode else b""
    if found["byte"]:
        return bytes([int(found["byte"], 16)])
    if found["entity"]:
        return html.unescape(found[0].decode("ascii")).encode("utf-8")
    return found["char"] or b""


def _unescaped_forms(text: str) -> Iterator[bytes]:
    """Yield what is left of *text* where escapes were undone one by one."""
    units = text.encode("utf-16-be", "surrogatepass")
    each = [units[at : at + 2] for at in range(0, len(units), 2)]
    yield b"".join(
        chr(int.from_bytes(unit, "big")).encode("utf-8", "surrogatepass") for unit in each
    )
    yield b"".join(
        char.encode("latin-1" if char <= "\xff" else "utf-8", "surrogatepass") for char in text
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
