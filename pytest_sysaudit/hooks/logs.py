"""One logger tree, captured by pytest as any other, with no secret in it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from pytest_sysaudit.hooks.keys import state_of

if TYPE_CHECKING:
    from pytest_sysaudit.hooks.state import State


class RedactingHandler(logging.Handler):
    """Takes secrets out of our own log records before any other handler sees them.

    It sits at the top of our logger tree: the handlers there are called before those of the root
    logger, where pytest captures.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self._redact = state.redactor.text

    def emit(self, record: logging.LogRecord) -> None:
        """Rewrite *record* in place."""
        record.msg, record.args = self._redact(record.getMessage()), ()
        if record.exc_info and record.exc_info[1]:
            record.exc_text = self._redact(logging.Formatter().formatException(record.exc_info))


def pytest_collection_finish(session: pytest.Session) -> None:
    handler = RedactingHandler(state_of(session.config))
    logger = logging.getLogger("pytest_sysaudit")
    logger.addHandler(handler)
    session.config.add_cleanup(lambda: logger.removeHandler(handler))
