"""Fitting text that others wrote into the columns of a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from pytest_sysaudit.reports.plain import clean_text


def one_line(text: str) -> str:
    """Return *text* on one line; what is invisible or turns text around is escaped."""
    flat = " ".join(clean_text(text).split())
    if flat.isascii():
        return flat
    return "".join(_escape(char) if _is_hidden(char) else char for char in flat)


def width_of(text: str) -> int:
    """Return how many columns a terminal needs for *text*, which is one line."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def fit(text: str, width: int) -> str:
    """Return *text* on one line of at most *width* columns."""
    return cut(one_line(text), width)


def cut(line: str, width: int) -> str:
    """Return at most *width* columns of *line*, blanks as they are; a cut shows as an ellipsis."""
    if width_of(line) <= width:
        return line
    kept, used = [], 1
    for char in line:
        used += _columns(char)
        if used > width:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """Return *text* cut or filled to exactly *width* columns."""
    fitted = fit(text, width)
    return fitted + " " * (width - width_of(fitted))


def listing(names: Sequence[str], width: int) -> str:
    """Return as many of *names* as fit, and how many more there are."""
    shown = [one_line(name) for name in names]
    for count in range(len(shown), 0, -1):
        rest = f" and {len(shown) - count} more" if count < len(shown) else ""
        text = ", ".join(shown[:count]) + rest
        if width_of(text) <= width:
            return text
    rest = f" and {len(shown) - 1} more" if len(shown) > 1 else ""
    return fit(shown[0], width - len(rest)) + rest if shown else ""


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in {"Cf", "Cc", "Co", "Cn", "Zl", "Zp"}


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - 16 bits


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
