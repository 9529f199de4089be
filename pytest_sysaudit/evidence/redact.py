"""The single place where secrets are taken out of what is stored, logged or shown."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_sysaudit.evidence import forms, inside, shapes
from pytest_sysaudit.evidence.known import Index, Known
from pytest_sysaudit.evidence.shapes import MASK

__all__ = ["MASK", "SHORTEST", "Redactor"]

#: Shorter values would blank out ordinary text.
SHORTEST = 4
#: So many texts are remembered, of so many characters in all, none longer than a part of that.
MEMORY, ROOM, LONG = 4096, 1 << 20, 1 << 14
#: Where somebody cut a text, so that only a part of a secret is left beside it.
_CUT = re.compile(r"(?<!\.)(?:\.{3}|…)(?!\.)")


class Redactor:
    """Takes known secrets out, however they are written, and what looks like a secret.

    May be used from several threads.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._pieces: set[str] = set()
        self._index = Index()
        self._lock = threading.Lock()
        self._done: dict[str, str] = {}
        self._room = ROOM
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Redact *secret* from now on. Values shorter than four characters are left alone."""
        if len(secret.strip()) < SHORTEST or secret in self._secrets:
            return
        with self._lock:
            for text in {secret, *forms.lines(secret)} - self._secrets:
                self._index.add(Known(text))
                pieces = {text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1)}
                self._pieces |= pieces
                self._secrets = {*self._secrets, text}
            self._done = {}  # who still works with the old one adds to what nobody reads

    @property
    def version(self) -> int:
        """How much it knows: what was redacted before it knew more is to be redacted again."""
        return len(self._secrets)

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        done = self._done
        if (known := done.get(text)) is not None:
            return known
        clean = self._masked(text)
        if len(text) <= LONG:  # ids, titles and asserts come again with every target
            self._room -= len(text)
            if len(done) >= MEMORY or self._room < 0:
                done.clear()
                self._room = ROOM
            done[text] = clean
        return clean

    def _masked(self, text: str) -> str:
        if self._secrets:
            text = self._without_ends(self._index.mask(text, MASK))
        return shapes.mask(text)

    def _without_ends(self, text: str) -> str:
        """Mask the beginning of a secret before an ellipsis, and the end of one after it."""
        pieces, done = [], 0
        for cut in _CUT.finditer(text):
            before = self._beginning(text, done, cut.start())
            after = self._end(text, cut.end())
            if before or after:
                pieces += [text[done : cut.start() - before], MASK if before else ""]
                pieces += [cut[0], MASK if after else ""]
                done = cut.end() + after
        return "".join([*pieces, text[done:]]) if pieces else text

    def _beginning(self, text: str, floor: int, end: int) -> int:
        """Return how many characters before *end* are the beginning of a secret."""
        if end - floor < SHORTEST or text[end - SHORTEST : end] not in self._pieces:
            return 0
        return max(
            (
                length
                for secret in self._secrets
                for length in range(SHORTEST, min(len(secret), end - floor) + 1)
                if text.startswith(secret[:length], end - length)
            ),
            default=0,
        )

    def _end(self, text: str, start: int) -> int:
        """Return how many characters from *start* on are the end of a secret."""
        if text[start : start + SHORTEST] not in self._pieces:
            return 0
        return max(
            (
                length
                for secret in self._secrets
                for length in range(SHORTEST, len(secret) + 1)
                if text.startswith(secret[-length:], start)
            ),
            default=0,
        )

    def binary(self, data: bytes) -> bytes:
        """Return *data*, which is no text, with ``*`` over known secrets, none of it moved."""
        return inside.mask(data, self._index) if self._secrets else data

    def plain(self, value: Any) -> Any:
        """Return JSON data without secrets, keys of mappings included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            paired = shapes.named_pair(value)
            return {
                self.text(str(key)): self._named(item)
                if shapes.is_secret_name(str(key)) or (paired and key in ("value", "Value"))
                else self.plain(item)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.plain(item) for item in value]
        return value

    def _named(self, value: Any) -> Any:
        """Return what has the name of a secret: the text in it is masked, settings are not."""
        if isinstance(value, str):
            return MASK if shapes.is_secret_value(value) else self.text(value)
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._named(item) for item in value]
        return self.plain(value)
