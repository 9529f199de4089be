"""Decoding, shortening and recognizing of what targets send us, or are asked."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable

#: What XML 1.0 and terminals cannot hold, and what would reverse the text around it: controls but
#: tab and newline, bidirectional overrides, lone surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_ADDRESS = re.compile(r" at 0x[0-9a-f]{4,16}\b")
_SELF_EVIDENT = re.compile(r"^ \+ +(where|and) +(observe = audit\.observe|inputs = audit\.inputs)$")
_ESCAPES = re.compile("\x1b\\[[0-9;:?]*[ -/]*[@-~]")


def decode(data: bytes) -> str:
    r"""Decode UTF-8; bytes that are not UTF-8 come out as ``\xNN``, never as surrogates."""
    return data.decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    r"""Make *text* fit for XML, JSON and a terminal: colour codes go, controls become ``\xNN``."""
    if text.isprintable():  # nearly always
        return str(text)

    def escape(match: re.Match[str]) -> str:
        code = ord(match.group())
        return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"  # noqa: PLR2004 - one byte

    return _UNPRINTABLE.sub(escape, _ESCAPES.sub("", text).replace("\r\n", "\n"))


def settled(message: str) -> str:
    """Drop from the message of an assertion what varies from run to run, or says nothing.

    These are the addresses of objects, and pytest's lines on where `audit` itself comes from.
    """
    lines = [line for line in message.split("\n") if not _SELF_EVIDENT.search(line)]
    return _ADDRESS.sub("", "\n".join(lines))


def shorten(text: str, limit: int = 2000) -> str:
    """Cut *text* to *limit* characters and say how many were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit} characters more)"


def first_line(text: str, limit: int = 300) -> str:
    """Return the first line of *text* that is not blank, shortened."""
    return shorten(next((line.strip() for line in text.splitlines() if line.strip()), ""), limit)


def is_address(text: str) -> bool:
    """Whether *text* is an IP address, with a zone (``%eth0``) or without."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text.partition("%")[0])
        except OSError:
            continue
        return True
    return False


def plural(count: int, noun: str, plural_form: str | None = None) -> str:
    """Return ``1 host`` or ``2 hosts``."""
    return f"{count} {noun if count == 1 else plural_form or noun + 's'}"


def listed(things: Iterable[object], most: int = 20) -> str:
    """Return *things* on one line, at most *most* of them, and then how many there are in all.

    Each is made `printable`, so that names with newlines and foreign bytes stay on the line.
    """
    words = [printable(str(thing)).replace("\n", "\\n") for thing in things]
    if len(words) <= most:
        return ", ".join(words)
    return f"{', '.join(words[:most])} and {len(words) - most} more ({len(words)} in all)"
