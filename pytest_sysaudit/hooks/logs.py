"""Logs, ours in one tree, captured by pytest as any other, with no secret in them."""

from __future__ import annotations

import logging
import threading
from collections import deque
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


class Orderly(logging.Filter):
    """Lets only the main thread show live logs; what other threads log waits for it.

    To show a line pytest ends the capture for a moment, and what a check printed then, of another
    target, would be shown as it is, with its secrets.
    """

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler
        self._waiting: deque[logging.LogRecord] = deque()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether *record* is to be shown now."""
        if threading.current_thread() is not threading.main_thread():
            self._waiting.append(record)
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Show what waits; in the main thread."""
        while self._waiting:
            record = self._waiting.popleft()
            self._handler.acquire()
            try:
                self._handler.emit(record)
            finally:
                self._handler.release()


def _order_live_logs(config: pytest.Config) -> None:
    plugin = config.pluginmanager.getplugin("logging-plugin")
    handler = getattr(plugin, "log_cli_handler", None)
    if isinstance(handler, logging.StreamHandler):
        orderly = Orderly(handler)
        handler.addFilter(orderly)
        config.add_cleanup(orderly.flush)
        config.add_cleanup(lambda: handler.removeFilter(orderly))


def pytest_collection_finish(session: pytest.Session) -> None:
    _order_live_logs(session.config)
    handler = RedactingHandler(state_of(session.config))
    root = logging.getLogger()
    root.addHandler(handler)
    root.handlers.insert(0, root.handlers.pop())
    session.config.add_cleanup(lambda: root.removeHandler(handler))
