"""What a record says of an observation, and what its journal hands back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_sysaudit.evidence.clean import Words
from pytest_sysaudit.evidence.observation import Observation, Stored
from pytest_sysaudit.record import Plain


def said_of(
    seen: Observation,
    words: Words,
    parts: Mapping[str, Plain],
    *,
    redacted: bool,
    cut: Sequence[str],
) -> dict[str, Plain]:
    """Return the record of *seen*; what is empty, none or false is left out.

    Args:
        seen: as it came.
        words: its words without secrets.
        parts: what the record says of each content.
        redacted: whether a secret was taken out.
        cut: the contents that are not whole.
    """
    maybe: dict[str, Plain] = {
        "duration": seen.duration or None,
        "answer": words["answer"],
        "error": words["error"],
        "parts": parts or None,
        "made_of": seen.made_of or None,
        "redacted": redacted or None,
        "cut": cut or None,
    }
    return {
        "kind": seen.kind,
        "target": seen.target,
        "asked": words["asked"],
        "started": seen.started,
        **{name: value for name, value in maybe.items() if value is not None},
    }


def stored_of(
    seen: Observation, id_: str, words: Words, *, redacted: bool, cut: tuple[str, ...]
) -> Stored:
    """Return what is kept of *seen* under *id_*, without its contents."""
    return Stored(
        id=id_,
        kind=seen.kind,
        target=seen.target,
        started=seen.started,
        duration=seen.duration,
        **words,
        made_of=seen.made_of,
        redacted=redacted,
        cut=cut,
    )


def unkept(seen: Observation) -> Stored:
    """Return *seen* as what nothing is kept of: it has no id."""
    words: Words = {"asked": seen.asked, "answer": seen.answer, "error": seen.error}
    return stored_of(seen, "", words, redacted=seen.redacted, cut=())


def cut_words(parts: Mapping[str, Mapping[str, Plain]], cut: Sequence[str]) -> str:
    """Return how much is kept of what is *cut*."""
    return ", ".join(
        f"{name}: {parts[name].get('size', 0)} of {parts[name]['of']} bytes are kept"
        for name in cut
    )
