"""Logs, ours in one tree, captured by pytest as any other, with no secret in them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from pytest_sysaudit.hooks.keys import state_of

if TYPE_CHECKING:
    from pytest_sysaudit.hooks.state import State


class RedactingHandler(logging.Handler):
    """Takes secrets out of log records, our own and those of libraries, before others see them.

    It stands first among the root logger's handlers, where pytest captures. A record without a
    secret stays as it is, and so does one that cannot be formatted: its own handlers tell that.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self._redact = state.redactor.text

    def emit(self, record: logging.LogRecord) -> None:
        """Rewrite *record* in place."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a broken record of somebody else's
            return
        clean = self._redact(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[1]:
            record.exc_text = self._redact(logging.Formatter().formatException(record.exc_info))


def pytest_collection_finish(session: pytest.Session) -> None:
    handler = RedactingHandler(state_of(session.config))
    root = logging.getLogger()
    root.addHandler(handler)
    root.handlers.insert(0, root.handlers.pop())
    session.config.add_cleanup(lambda: root.removeHandler(handler))
