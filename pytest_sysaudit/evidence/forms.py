"""The ways in which one known secret may be written in a text."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from html.entities import codepoint2name
from urllib.parse import quote

_SHORTEST_LINE = 8
#: What breaks a line of base64 or of hexadecimal digits, as it is or escaped.
_BREAK = r"(?:\s|\\+[nr]){0,40}"
_HEX_BETWEEN = r"[\\x:%\s,]{0,4}"
#: A line's end, with what pytest and others put before the next line.
_NEWLINE = r"(?:\r?\n[^\S\n]*[E>|]?[^\S\n]*|\\\\*r\\\\*n|\\\\*n|&#0*10;|&#[xX]0*[aA];|%0[aA])"
#: Characters that some writer puts another way than as they are.
ESCAPES = "%&\\"


def literals(secret: str) -> set[str]:
    """Return what stands for *secret* in the texts that hold no escape."""
    coded = {secret, secret.strip(), "\n".join(line.strip() for line in secret.splitlines())}
    coded.add(quote(secret, safe=""))
    with_plus = quote(secret, safe=" ").replace(" ", "+")
    raw = secret.encode("utf-8", "surrogatepass")
    return {text for text in {*coded, with_plus, raw.decode("latin-1")} if text.strip()}


def lines(secret: str) -> set[str]:
    """Return the lines of *secret* that are long enough to be looked for each."""
    found = {line.strip() for line in secret.splitlines()}
    return {line for line in found if len(line) >= _SHORTEST_LINE and line != secret}


def escaped(secret: str) -> str:
    """Return a pattern for *secret* with any of its characters escaped, once or again.

    That is for URLs, HTML and XML, JSON, shells, and for Python's way to show text and bytes.
    """
    return "".join(map(_character, secret))


def coded(secret: str) -> list[str]:
    """Return patterns for *secret* in hexadecimal, and in base64 wherever in it it begins."""
    raw = secret.encode("utf-8", "surrogatepass")
    pairs = [f"{_nibble(byte >> 4)}{_nibble(byte & 15)}" for byte in raw]
    patterns = [_HEX_BETWEEN.join(pairs)]
    for part, end in _parts(raw):
        either = [{"+": "[+-]", "/": "[/_]"}.get(char, char) for char in part]
        patterns.append(_BREAK.join(either) + end)
    return patterns


def letters(raw: bytes) -> list[str]:
    """Return how each of the patterns in base64 of `coded` begins, all of it that is sure."""
    return [part for part, _ in _parts(raw)]


def _parts(raw: bytes) -> Iterator[tuple[str, str]]:
    """Yield base64 of *raw* wherever in it it begins, and a pattern for what may follow."""
    for pad in range(3):
        text = base64.b64encode(b"\0" * pad + raw).decode().rstrip("=")
        shared = (pad + len(raw)) % 3 != 0  # the last character also holds bits of what follows
        part = text[(0, 2, 3)[pad] : len(text) - shared]
        if len(part) > 4:  # noqa: PLR2004 - shorter ones are words
            yield part, r"[A-Za-z0-9+/_-]?={0,2}" if shared else ""


def _character(char: str) -> str:
    if char == "\n":
        return _NEWLINE
    code, raw = ord(char), char.encode("utf-8", "surrogatepass")
    ways = [re.escape(char), "".join(f"%{_byte(byte)}" for byte in raw)]
    ways += [f"&(?:amp;)*#(?:0*{code}|[xX]0*{_digits(code)});"]
    if code in codepoint2name or char == "'":
        ways.append(f"&(?:amp;)*{codepoint2name.get(code, 'apos')};")
    ways.append("".join(rf"\\\\*x{_byte(byte)}" for byte in raw))
    ways += [rf"\\\\*x{_byte(code)}"] if 0x7F < code <= 0xFF else []  # noqa: PLR2004
    units = char.encode("utf-16-be", "surrogatepass").hex()
    each = [int(units[at : at + 4], 16) for at in range(0, len(units), 4)]
    ways.append("".join(rf"\\\\*u{_byte(unit >> 8)}{_byte(unit & 255)}" for unit in each))
    ways += [rf"\\\\*U0*{_digits(code)}"] if len(each) > 1 else []
    if not char.isalnum():
        ways += [rf"\\\\*{way}" for way in ways if way[0] == "&"] + [rf"\\\\*{re.escape(char)}"]
    ways += [r"\+"] if char == " " else []
    ways += [r"\\\\*t"] if char == "\t" else []
    ways += [r"\\\\*r"] if char == "\r" else []
    ways += ["'(?:\"'\"|\\\\\\\\*'')'"] if char == "'" else []  # how shells quote it
    return f"(?:{'|'.join(ways)})"


def _byte(byte: int) -> str:
    return f"{_nibble(byte >> 4)}{_nibble(byte & 15)}"


def _digits(code: int) -> str:
    return "".join(_nibble(int(digit, 16)) for digit in f"{code:x}")


def _nibble(nibble: int) -> str:
    return str(nibble) if nibble < 10 else f"[{nibble:x}{nibble:X}]"  # noqa: PLR2004 - a digit
