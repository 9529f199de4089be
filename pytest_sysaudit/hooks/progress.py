"""What the terminal shows while an audit runs: letters by target, or how far all targets are."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest

from pytest_sysaudit.hooks.board import NAME_WIDTH, Board, Standing, places_of
from pytest_sysaudit.hooks.keys import lanes_key
from pytest_sysaudit.record import Result

INTERVAL = 0.1
"""Seconds between two changes of the live line."""


class Progress:
    """Shows how far an audit is, at pytest's plain verbosity.

    One target after the other: a line for each, with a letter for each of its checks, as pytest
    does for files. Several at once: on a terminal one line that changes, in a log a line for each
    target that is done. Which of both it is the run tells, or else the order of what it tells.
    """

    def __init__(self, config: pytest.Config, reporter: Any, board: Board | None = None) -> None:
        self._config = config
        self._reporter = reporter
        self._board = board
        self._together = False
        self._live = _is_live(config, reporter)
        self._current: Standing | None = None
        self._since = self._shown = 0.0
        self._begins: dict[str, float] = {}
        if board is not None:
            reporter.showfspath = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        found = self._board.of(nodeid) if self._board else None
        if found is None:
            return
        self._since = self._since or time.time()
        if not self._together and (self._lanes or self._is_between(found)):
            if self._current is None:
                self._reporter.write_line("")  # as pytest does before its first file
            self._go_together()
        self._current = found
        if self._together:
            self._refresh()
            return
        self._reporter.write_ensure_prefix(f"{found.name or 'run':<{NAME_WIDTH}} ")
        self._reporter.flush()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        known = getattr(report, "sysaudit_run", None)
        if known is not None and self._board is None:
            self._begin_far(places_of(known["expected"]))
        yield
        if self._board is None:
            return
        if report.when == "setup":
            self._begins[report.nodeid] = report.start
        elif report.when != "call":  # its tear-down, or the end of the worker that it ran in
            began = self._begins.pop(report.nodeid, time.time())
            over = self._board.end(report.nodeid, began, getattr(report, "stop", time.time()))
            if self._together:
                self._tell(over)

    def pytest_sysaudit_result(self, result: Result) -> None:
        if self._board is not None:
            self._board.count(result)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Generator[None, Any, Any]:
        status = yield
        if self._together and status is not None:
            return (status[0], "", status[2])  # no letter for each
        return status

    def end(self) -> None:
        """Leave the terminal to others."""
        if self._board is None or not self._together:
            return
        if self._live:
            self._refresh(last=True)
            self._reporter.ensure_newline()
        else:
            for target in self._board.unfinished():
                self._write(target)
        self._together = False

    def _begin_far(self, places: list[tuple[str, str]]) -> None:
        """Begin where workers carry out the checks: if that is all they do."""
        collected = getattr(self._reporter._session, "testscollected", 0)  # noqa: SLF001
        if len(places) == collected:
            self._board = Board(places)
            self._since = time.time()
            self._go_together()

    def _go_together(self) -> None:
        self._together = True
        self._reporter.ensure_newline()
        self._reporter.showfspath = False
        self._reporter._show_progress_info = False  # noqa: SLF001 - no public name

    def _is_between(self, found: Standing) -> bool:
        """Whether *found* is told of while another target is not done."""
        current = self._current
        return current is not None and current is not found and not current.is_over

    @property
    def _lanes(self) -> int:
        return self._config.stash.get(lanes_key, 0)

    def _tell(self, over: Standing | None) -> None:
        if self._live:
            self._refresh()
        elif over is not None:
            self._write(over)

    def _write(self, target: Standing) -> None:
        self._reporter.write_line(target.line(), **{target.style(): True})
        self._reporter.flush()

    def _refresh(self, *, last: bool = False) -> None:
        now = time.time()
        if self._board is None or not self._live or (now - self._shown < INTERVAL and not last):
            return
        self._shown = now
        width = _columns(self._reporter) - 1
        line = self._board.live_line(width, now - self._since, self._lanes)
        self._reporter.rewrite(f"{line:<{width}}")
        self._reporter.currentfspath = -2  # so that others begin a new line
        self._reporter.flush()


def _is_live(config: pytest.Config, reporter: Any) -> bool:
    """Whether a line can be written over: on a terminal that nobody else writes to."""
    alone = getattr(config.option, "capture", "") != "no"
    return bool(reporter.isatty) and alone and os.environ.get("TERM", "") != "dumb"


def _columns(reporter: Any) -> int:
    """Return how wide the terminal is; pytest's own number is never below 40."""
    with suppress(KeyError, ValueError):
        return int(os.environ["COLUMNS"])
    with suppress(AttributeError, OSError, ValueError):
        return os.get_terminal_size(reporter._tw._file.fileno()).columns or 80  # noqa: SLF001
    return 80


def progress_of(session: pytest.Session, places: list[tuple[str, str]]) -> Progress | None:
    """Return what is to follow the run of *session*; None: pytest's own way is wanted.

    Args:
        session: pytest's.
        places: node id and target of each check; none where workers carry them out.
    """
    config = session.config
    reporter = config.pluginmanager.getplugin("terminalreporter")
    plain = type(reporter) is pytest.TerminalReporter and config.get_verbosity() == 0
    if not plain or len(places) != len(session.items):
        return None
    if not places and not config.pluginmanager.hasplugin("dsession"):
        return None
    return Progress(config, reporter, Board(places) if places else None)
