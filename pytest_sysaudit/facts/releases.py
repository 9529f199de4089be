"""Releases of kernels: which belong together, and which is newer."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Words of a release that are a part of its version: el9_3, fc39, deb12.
_VERSION_WORD = re.compile(r"(?:el|fc|deb|mga|amzn|ubuntu)\d\w*|bpo\d*")


def flavour(release: str) -> tuple[str, ...]:
    """Return the words that say for what a kernel is made: ``cloud``, ``amd64``."""
    words = re.split(r"[-.+]", release)
    named = (w for w in words if re.search("[A-Za-z]", w) and not _VERSION_WORD.fullmatch(w))
    return tuple(word for word in named if not re.fullmatch(r"rc\d+", word))


def order(release: str) -> tuple[int, ...]:
    """Return the numbers by which releases of one flavour are sorted."""
    kept = release
    for word in flavour(release):
        kept = kept.replace(word, "", 1)
    return tuple(int(number) for number in re.findall(r"\d+", kept))


def newer(running: str, installed: Iterable[str]) -> tuple[str, ...]:
    """Return those of *installed* that are newer than *running* and of its flavour."""
    same = (each for each in installed if flavour(each) == flavour(running))
    return tuple(sorted((e for e in same if order(e) > order(running)), key=order))
