"""Which of many known secrets a text may hold: only these are looked for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property

from pytest_sysaudit.evidence import forms

#: So many secrets are looked for in every text: finding out which may be there would take longer.
FEW = 8
#: Characters of a form that are looked up.
_GRAM = 4
#: So many patterns are kept.
_KEPT = 256
#: What may stand between the digits of `forms.coded`, and between its letters.
_BETWEEN_DIGITS = re.compile(r"[\\x:%\s,]+")
_BETWEEN_LETTERS = re.compile(r"\s|\\+[nr]")
_URL_SAFE = str.maketrans("-_", "+/")


class Known:
    """One known secret and the patterns that find it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def literals(self) -> frozenset[str]:
        """What stands for it in texts that hold no escape."""
        return frozenset(forms.literals(self.text))

    @cached_property
    def coded(self) -> tuple[str, ...]:
        """Patterns for it in hexadecimal and base64."""
        return tuple(forms.coded(self.text))

    @cached_property
    def escaped(self) -> re.Pattern[str]:
        """A pattern for it with any of its characters escaped."""
        return re.compile(forms.escaped(self.text))


_Starts = dict[str, list[tuple[str, Known]]]
"""By how they begin, forms and the secrets they are forms of."""


class Index:
    """Known secrets, the longest first, and where each of their forms begins."""

    def __init__(self) -> None:
        self.all: list[Known] = []
        self._literals: dict[int, _Starts] = defaultdict(lambda: defaultdict(list))
        self._digits: _Starts = defaultdict(list)
        self._letters: _Starts = defaultdict(list)
        self._patterns: dict[tuple[str, frozenset[str]], re.Pattern[str]] = {}

    def add(self, known: Known) -> None:
        """Look for *known* too."""
        self.all = sorted([*self.all, known], key=lambda each: (-len(each.text), each.text))
        for text in known.literals:
            length = min(len(text), _GRAM)
            self._literals[length][text[:length]].append((text, known))
        raw = known.text.encode("utf-8", "surrogatepass")
        self._digits[raw.hex()[: 2 * _GRAM]].append((raw.hex(), known))
        for letters in forms.letters(raw):
            # not from the first one on: an n or r after a backslash is taken for a line's end
            self._letters[letters[1 : 1 + _GRAM]].append((letters[1:], known))

    def mask(self, text: str, mask: str | Callable[[re.Match[str]], str]) -> str:
        """Return *text* with *mask*, or what it gives, for what is known, however it is written."""
        few = len(self.all) <= FEW
        if found := self.all if few else self._with_literals(text):
            text = self._literal(found).sub(mask, text)
        if found := self.all if few else self._with_codes(text):
            text = self._coded(found).sub(mask, text)
        if any(char in text for char in forms.ESCAPES):
            for known in self.all:
                text = known.escaped.sub(mask, text)
        return text

    def _with_literals(self, text: str) -> list[Known]:
        return self._in_order(
            known
            for length, starts in [*self._literals.items()]
            for known in _found(starts, text, length)
        )

    def _with_codes(self, text: str) -> list[Known]:
        digits = _BETWEEN_DIGITS.sub("", text).lower()
        letters = _BETWEEN_LETTERS.sub("", text).translate(_URL_SAFE)
        found = _found(self._digits, digits, 2 * _GRAM) + _found(self._letters, letters, _GRAM)
        return self._in_order(found)

    def _in_order(self, found: Iterable[Known]) -> list[Known]:
        return sorted(set(found), key=lambda each: (-len(each.text), each.text))

    def _literal(self, found: list[Known]) -> re.Pattern[str]:
        words = {word for known in found for word in known.literals}
        longest = sorted(words, key=lambda word: (-len(word), word))
        return self._pattern("literal", found, map(re.escape, longest))

    def _coded(self, found: list[Known]) -> re.Pattern[str]:
        return self._pattern("coded", found, (form for known in found for form in known.coded))

    def _pattern(self, kind: str, found: list[Known], parts: Iterable[str]) -> re.Pattern[str]:
        key = (kind, frozenset(known.text for known in found))
        pattern = self._patterns.get(key)
        if pattern is None:
            if len(self._patterns) >= _KEPT:
                self._patterns.clear()
            pattern = self._patterns[key] = re.compile("|".join(parts))
        return pattern


def _found(starts: _Starts, text: str, length: int) -> list[Known]:
    grams = {text[at : at + length] for at in range(len(text) - length + 1)}
    found = [pair for gram in grams if gram in starts for pair in starts[gram]]
    return [known for form, known in found if form in text]
