"""Finding the word that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pytest_sysaudit.text import shorten


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return `` Did you mean 'x'?``, else what there is.

    Args:
        word: what was written.
        known: what could have been written.
        otherwise: how to introduce the known words, as ``Groups``; "" to say nothing.
    """
    names = list(known)
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), lower, 1)
    if close:
        return f" Did you mean '{lower[close[0]]}'?"
    if not otherwise:
        return ""
    return f" {otherwise}: {shorten(', '.join(names), 300) or 'none'}"
