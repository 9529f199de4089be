"""Waiting for targets so that Ctrl-C is heard at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
#: Seconds between two looks at whether somebody pressed Ctrl-C: a wait without end may miss it.
_LOOK = 0.1


def heard(call: Callable[[], T]) -> T:
    """Return what *call* gives; it runs in a thread, which an interrupted command leaves behind."""
    given: list[T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            given.append(call())
        except BaseException as error:  # noqa: BLE001 - it is raised below
            raised.append(error)

    thread = threading.Thread(target=copy_context().run, args=(work,), daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK)
    if raised:
        raise raised[0]
    return given[0]
