"""What an unquoted word of YAML means: only what no reader of YAML can take for something else.

YAML 1.1 and 1.2 read ``no``, ``0640``, ``1_000`` or ``1e3`` differently, and ``1.10`` loses its
zero in both. Such words are refused here, with the way out. Dates and times stay text.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from pytest_sysaudit.text import shorten

_FIXED = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_WORDS = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}
_NUMBER = re.compile(
    r"""[-+]?(?:
        0[xX][0-9a-fA-F_]+ | 0[oO][0-7_]+ | 0[bB][01_]+
        | [0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?
        | \.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
        | \.(?:inf|Inf|INF|nan|NaN|NAN)
    )""",
    re.VERBOSE,
)
#: More digits than every reader of JSON keeps.
_LONGEST = 15


class AmbiguousError(ValueError):
    """A word whose meaning depends on who reads it; the message shows the way out."""


def is_word(text: str) -> bool:
    """Whether *text* is one of yes, no, on, off, y and n, which some readers take for a bool."""
    return text.lower() in _WORDS


def resolve(text: str) -> str | int | float | bool | None:
    """Return what the unquoted word *text* means.

    Raises:
        AmbiguousError: it has more than one meaning.
    """
    if text in _FIXED:
        return _FIXED[text]
    if is_word(text):
        instead = "true" if _WORDS[text.lower()] else "false"
        raise AmbiguousError(_advice(text, f"write {instead}"))
    if not _NUMBER.fullmatch(text):
        return text
    value = _number(text)
    if value is None or _written(value) != text:
        raise AmbiguousError(_advice(text, _spelling(text, value)))
    return value


def _written(value: float) -> str:
    """Return the one way to write *value* that no reader takes for something else."""
    return str(value) if isinstance(value, int) else format(Decimal(repr(value)), "f")


def _number(text: str) -> int | float | None:
    """Return the number that *text* most likely means; None if there is none to suggest."""
    bare = text.replace("_", "")
    if len(bare) > _LONGEST or re.match(r"[-+]?(0[0-9oO]|\.[inIN])", bare):
        return None
    try:
        whole = re.fullmatch(r"[-+]?(0[xXbB].+|[0-9]+)", bare)
        value = int(bare, 0) if whole else float(bare)
        return value if math.isfinite(value) and len(_written(value)) <= _LONGEST else None
    except ValueError:
        return None


def _spelling(text: str, value: float | None) -> str | None:
    if value is not None:
        return f"write {_written(value)}"
    if re.match(r"[-+]?0[0-9_]", text):
        return "write it without the leading zero"
    return None


def _advice(text: str, instead: str | None) -> str:
    text = shorten(text, 60)
    quote = f"quote it: '{text}'"
    return f"{text} is ambiguous in YAML; " + (f"{instead}, or {quote}" if instead else quote)
