"""What an audit shows: a line a target while it runs, short reasons by target at its end."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.hooks.keys import judges, state_of
from pytest_sysaudit.hooks.progress import progress_of
from pytest_sysaudit.hooks.recorder import recorder_key
from pytest_sysaudit.text import plural

if TYPE_CHECKING:
    from pytest_sysaudit.hooks.recorder import Recorder

LOG_WIDTH = 140
"""Columns of a log file, which nobody has to fit on a screen."""


def pytest_report_header(config: pytest.Config) -> str | None:
    state = state_of(config)
    if not (config.getoption("audit_inventory") or config.getoption("audit_target")):
        return None
    return f"audit: {state.path}: {plural(len(state.selected), 'target')} selected"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Follow targets instead of files, if all that runs are checks and nobody asked for more."""
    config = session.config
    places = [(nodeid, check.label) for nodeid, check in state_of(config).expected]
    progress = progress_of(session, places) if judges(config) else None
    if progress is None:
        return (yield)
    config.pluginmanager.register(progress, "sysaudit-progress")
    try:
        return (yield)
    finally:
        progress.end()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave out pytest's own list of failures where ours says the same, shorter."""
    config = session.config
    recorder = config.stash.get(recorder_key, None)
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if recorder is None or recorder.document is None or reporter is None:
        return
    if recorder.other_failures or config.option.tbstyle != "auto":
        return
    config.option.tbstyle = "no"
    if config.option.reportchars == "fE":
        reporter.reportchars = ""


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    recorder = config.stash.get(recorder_key, None)
    if recorder is None:
        return
    if recorder.state.failure is not None:
        if getattr(config.option, "dist", "no") != "no":  # else pytest has told it
            terminalreporter.write_line(f"ERROR: {recorder.state.failure}", red=True, bold=True)
        return
    if recorder.document is None:
        return
    from pytest_sysaudit.reports.summary import lines

    reporter: Any = terminalreporter
    reporter.section("audit")
    width = reporter._tw.fullwidth if reporter.isatty else LOG_WIDTH  # noqa: SLF001 - no other name
    for text, style in lines(recorder.document, width, verbose=config.get_verbosity() > 0):
        reporter.write_line(text, **dict.fromkeys(style.split(), True))
    remarks = [*recorder.state.remarks, _no_inventory(recorder)]
    for line in filter(None, remarks):
        reporter.write_line(line, yellow=True)
    _write_end(reporter, recorder)


def _no_inventory(recorder: Recorder) -> str:
    """Return that this machine alone was audited because no inventory was found, else ""."""
    state = recorder.state
    document = recorder.document or {}
    if state.wanted or [t["name"] for t in document["targets"]] != [*state.inventory.targets]:
        return ""
    if state.inventory != type(state.inventory).implicit():  # a hook gave one
        return ""
    return (
        f"there is no {state.path}: only this machine was audited; "
        "--audit-inventory PATH names another inventory"
    )


def _write_end(reporter: Any, recorder: Recorder) -> None:
    base = recorder.config.invocation_params.dir
    for name, path in recorder.written:
        shown = path.relative_to(base) if path.is_relative_to(base) else path
        reporter.write_line(f"{name} report: {shown}")
    for text, style in _recording_lines(recorder):
        reporter.write_line(text, **dict.fromkeys(style.split(), True))
    for line in recorder.unwritten:
        reporter.write_line(f"report not written: {line}", red=True, bold=True)


def _recording_lines(recorder: Recorder) -> Iterator[tuple[str, str]]:
    """Yield what is to be said about a recording that was made, or judged again."""
    state = recorder.state
    base = recorder.config.invocation_params.dir
    if state.journal is not None:
        folder = state.journal.folder
        shown = folder.relative_to(base) if folder.is_relative_to(base) else folder
        signed = "signed" if state.journal.signed else "not signed"
        yield f"evidence: {shown} ({signed})", ""
        if state.journal.problem:
            yield f"evidence is not complete: {state.journal.problem}", "red bold"
    if state.replay is not None:
        told = state.replay.story()
        yield f"replay of run {told['run']} of {told['started']}: no target was touched", ""
        if told["as_recorded"]:
            count = plural(told["as_recorded"], "check")
            yield f"{count} stood as recorded: what they looked at was redacted", ""
