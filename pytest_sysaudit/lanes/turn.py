"""The one wait: where a lane gives the turn away, so that others go on.

Outside of a lane (another thread, a library's user, pytest's own loop) both functions just wait.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Turn(Protocol):
    """What the greenlet of a lane carries as its attribute ``sysaudit_turn``."""

    def call(self, call: Callable[[], T]) -> T:
        """Return what *call* gives, which runs in a thread of its own while other lanes go on."""

    def until(self, future: Future[T], timeout: float | None) -> T:
        """Return the result of *future*; other lanes go on; raises TimeoutError."""


def wait(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what the blocking *call* gives; other lanes go on meanwhile.

    In a lane, *call* runs in another thread, with this one's context variables. If the lane is
    told to stop, that is raised here, and what becomes of *call* is the caller's to decide.

    Raises:
        BaseException: whatever *call* raises.
    """
    turn = current_turn()
    if turn is None:
        return call(*args, **kwargs)
    return turn.call(lambda: call(*args, **kwargs))


def wait_for(future: Future[T], timeout: float | None = None) -> T:
    """Return the result of *future*, which another thread sets; other lanes go on meanwhile.

    Args:
        future: it is not cancelled, whatever happens here.
        timeout: seconds; None: without end.

    Raises:
        TimeoutError: there was no result within *timeout*.
        BaseException: whatever the future holds.
    """
    turn = current_turn()
    if turn is None or future.done():
        return future.result(timeout)
    return turn.until(future, timeout)


def current_turn() -> Turn | None:
    """Return what gives the turn away here; None outside of a lane."""
    # in another thread it may be half imported yet: then this one is in no lane
    current: Any = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    return getattr(current(), "sysaudit_turn", None) if current else None


def owned(future: Future[T], owner: Callable[[], object] | None = None) -> Future[T]:
    """Note which lane is to set the result of *future*, and return it.

    Whoever waits for it without letting all lanes go on must let that one go on.

    Args:
        future: what others will wait for.
        owner: returns the `Turn` of that lane; by default it is the running one.
    """
    turn = current_turn()
    future.sysaudit_owner = owner or (lambda: turn)  # type: ignore[attr-defined]
    return future


def owner_of(future: Future[Any] | None) -> object:
    """Return the `Turn` that is to set the result of *future*; None if that is not known."""
    owner = getattr(future, "sysaudit_owner", None)
    return owner() if owner else None
