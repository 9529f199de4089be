"""What is kept of an observation: without secrets, and no more of it than the limits allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from pytest_sysaudit.evidence.canonical import canonical
from pytest_sysaudit.evidence.observation import Observation
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.record import Plain

#: A content that is cut is searched so much further, for secrets that the cut would split.
BEYOND = 1 << 18


@dataclass(frozen=True, slots=True)
class Clean:
    """Content without secrets.

    Attributes:
        content: what is kept of it.
        size: bytes as it came.
        redacted: whether a secret was taken out.
        cut: whether it is only the beginning.
    """

    content: bytes
    size: int
    redacted: bool
    cut: bool


def clean_part(data: bytes, redactor: Redactor, limit: int) -> Clean:
    """Return *data* without secrets, at most *limit* bytes of it.

    Text loses known secrets and what looks like one; what holds zero bytes is no text and keeps
    its length.
    """
    cut = len(data) > limit
    seen = data[: limit + BEYOND] if cut else data
    clean = redactor.binary(seen) if b"\0" in seen else _clean_text(seen, redactor)
    return Clean(clean[:limit], len(data), redacted=clean != seen, cut=cut)


def clean_value(value: Plain, redactor: Redactor, limit: int) -> Clean:
    """Return the JSON of *value* without secrets, at most *limit* bytes of it."""
    seen, clean = canonical(value), canonical(redactor.plain(value))
    return Clean(clean[:limit], len(clean), redacted=clean != seen, cut=len(clean) > limit)


def _clean_text(data: bytes, redactor: Redactor) -> bytes:
    # what is not UTF-8 goes through as it is, so the text around it can be searched all the same
    text = data.decode("utf-8", "surrogateescape")
    clean = redactor.text(text)
    return data if clean is text else clean.encode("utf-8", "surrogateescape")


class Words(TypedDict):
    """What an observation asked, was answered and failed of, without secrets."""

    asked: Mapping[str, Plain]
    answer: Plain
    error: Mapping[str, Plain] | None


def clean_words(seen: Observation, redactor: Redactor) -> tuple[Words, bool]:
    """Return what *seen* asked, was answered and failed of, without secrets.

    Returns:
        These; whether a secret was taken out.
    """
    words: Words = {"asked": seen.asked, "answer": seen.answer, "error": seen.error}
    clean: Words = redactor.plain(words)
    # tuples came out as lists; only their JSON tells whether anything was taken out
    redacted = clean != words and canonical(clean) != canonical(words)
    return clean, redacted
