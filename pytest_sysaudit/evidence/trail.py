"""What the running check looked at: the ids of its observations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Trail:
    """The observations that were used, in their order.

    Attributes:
        ids: each once.
        redacted: whether a secret was taken out of one of them.
    """

    ids: dict[str, None] = field(default_factory=dict)
    redacted: bool = False


#: Every lane is a greenlet, and each of these has context variables of its own.
_current: ContextVar[Trail | None] = ContextVar("trail", default=None)


def used(id_: str, *, redacted: bool = False) -> None:
    """Note that whoever runs looked at the observation *id_*; "" is none."""
    trail = _current.get()
    if trail is not None and id_:
        trail.ids[id_] = None
        trail.redacted = trail.redacted or redacted


def follow(trail: Trail | None) -> Trail | None:
    """Make *trail* that of whoever runs from now on, and return the one before."""
    before = _current.get()
    _current.set(trail)
    return before


@contextmanager
def collected() -> Iterator[Trail]:
    """Collect what is used in the block apart from what is used around it.

    A fact table that is read for a check is made of commands; the check used the table.
    """
    trail = Trail()
    before = follow(trail)
    try:
        yield trail
    finally:
        follow(before)


def passed_on(trail: Trail) -> None:
    """Add to what whoever runs used all that *trail* holds."""
    for id_ in trail.ids:
        used(id_, redacted=trail.redacted)
