"""The one time that a run judges by: when it began, or in a replay when the recorded run did."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime

_run: ContextVar[datetime | None] = ContextVar("run", default=None)


def now() -> datetime:
    """Return the time, in UTC, to judge expiry dates and ages by.

    All checks of one run get the same: its begin. A replay has that of the recorded run, so what
    had not expired then has not expired now. Outside a run it is the time.
    """
    return _run.get() or datetime.now(UTC)


def set_now(moment: datetime | None) -> datetime | None:
    """Make *moment* the time of what runs from now on in this context; None: the real one.

    Returns:
        What was set before.
    """
    before = _run.get()
    _run.set(moment)
    return before
