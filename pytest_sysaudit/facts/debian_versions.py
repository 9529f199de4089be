"""Which of two versions of a Debian package is the later one, as deb-version(7) says."""

from __future__ import annotations

import re
from itertools import zip_longest

_PART = re.compile(r"(\D*)(\d*)")


def is_later(version: str, than: str) -> bool:
    """Whether *version* comes after *than*."""
    return _key(version) > _key(than)


def _key(version: str) -> tuple[int, _Text, _Text]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return int(epoch), _Text(upstream), _Text(revision)


class _Text:
    """A part of a version: texts and numbers in turn.

    A tilde comes before everything, even the end; letters come before other characters.
    """

    def __init__(self, text: str) -> None:
        pairs = [match.groups() for match in _PART.finditer(text)]
        self._parts = [([_rank(c) for c in word], int(digits or 0)) for word, digits in pairs]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Text) and not self < other and not other < self

    def __hash__(self) -> int:
        return 0

    def __lt__(self, other: _Text) -> bool:
        nothing: tuple[list[int], int] = ([], 0)
        for mine, its in zip_longest(self._parts, other._parts, fillvalue=nothing):
            for one, two in zip_longest(mine[0], its[0], fillvalue=0):
                if one != two:
                    return one < two
            if mine[1] != its[1]:
                return mine[1] < its[1]
        return False


def _rank(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
