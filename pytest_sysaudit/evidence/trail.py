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
        strange: whether, while it was open, somebody of whom nobody knows for which check looked at
            what a secret was taken out of.
        targets: whose check it follows, for threads of that check.
        own: in a replay, what the same check used when it was recorded.
        turns: in a replay, how often each of several answers was given, by what was asked.
    """

    ids: dict[str, None] = field(default_factory=dict)
    redacted: bool = False
    strange: bool = False
    targets: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    turns: dict[object, int] = field(default_factory=dict)


#: Every lane is a greenlet, and each of these has context variables of its own.
_current: ContextVar[Trail | None] = ContextVar("trail", default=None)
#: The trails of the checks that run. A thread that a check starts has no context of it.
_open: list[Trail] = []


def used(id_: str, *, redacted: bool = False, target: str = "") -> None:
    """Note that whoever runs looked at the observation *id_*, of *target*; "" is none."""
    if not id_:
        return
    trail = _current.get() or _of_thread(target)
    if trail is not None:
        trail.ids[id_] = None
        trail.redacted = trail.redacted or redacted
    elif redacted:  # it may have been any of them
        for each in tuple(_open):
            each.redacted = each.strange = True


def _of_thread(target: str) -> Trail | None:
    """Return the trail of the one check that looks at *target*; None if there is not one."""
    found = [trail for trail in tuple(_open) if target in trail.targets]
    return found[0] if len(found) == 1 else None


def running() -> Trail | None:
    """Return the trail of whoever runs."""
    return _current.get()


@contextmanager
def opened(trail: Trail) -> Iterator[None]:
    """Follow a check in the block, threads that it starts too."""
    before = follow(trail)
    _open.append(trail)
    try:
        yield
    finally:
        _open[:] = [each for each in _open if each is not trail]
        follow(before)


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
    around = _current.get()
    trail = Trail(own=around.own, turns=around.turns) if around is not None else Trail()
    before = follow(trail)
    try:
        yield trail
    finally:
        follow(before)


def passed_on(trail: Trail) -> None:
    """Add to what whoever runs used all that *trail* holds."""
    for id_ in trail.ids:
        used(id_, redacted=trail.redacted)
