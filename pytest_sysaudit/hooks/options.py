"""Command-line options, settings and markers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.hooks.keys import state_key, state_of
from pytest_sysaudit.hooks.state import State
from pytest_sysaudit.record import Severity

if TYPE_CHECKING:
    from pytest_sysaudit.reports import Writer

_OPTIONS: tuple[tuple[str, dict[str, object]], ...] = (
    ("--audit-inventory", {"metavar": "PATH", "help": "inventory file (default: inventory.yaml)"}),
    (
        "--audit-target",
        {
            "metavar": "EXPR",
            "action": "append",
            "default": [],
            "help": "targets: a name, group, glob or kind:aws; 'web:!web3', 'web:&prod'; repeatable",
        },
    ),
    (
        "--audit-control",
        {
            "metavar": "EXPR",
            "action": "append",
            "default": [],
            "help": "controls to check: an id or a glob; may be repeated",
        },
    ),
    (
        "--audit-severity",
        {
            "metavar": "LEVEL",
            "choices": [str(s) for s in Severity],
            "help": "only controls of this severity and above",
        },
    ),
    (
        "--audit-framework",
        {
            "metavar": "NAME[:GLOB]",
            "action": "append",
            "default": [],
            "help": "only controls of this framework, as cis-debian12:5.1.*; may be repeated",
        },
    ),
    (
        "--audit-report",
        {
            "metavar": "FORMAT[=PATH]",
            "action": "append",
            "default": [],
            "help": "write a report: html, json or junit; may be repeated",
        },
    ),
    (
        "--audit-allow-intrusive",
        {"action": "store_true", "help": "run checks that a target may notice as an attack"},
    ),
)
_MARKERS = (
    "control(id, severity='medium', frameworks={}, inputs={}, manual=False): "
    "the requirement that this check judges",
    "targets(expression='all', kind=None): the targets that this check runs on",
    "platform(system='linux', distribution=None): not applicable on other platforms",
    "needs(privilege): 'root': not assessed without it",
    "intrusive: sends what a target may notice as an attack; needs --audit-allow-intrusive",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sysaudit", "system audit")
    for name, settings in _OPTIONS:
        group.addoption(name, dest=name[2:].replace("-", "_"), **settings)
    parser.addini("audit_inventory", "inventory file of the audit", default="")
    parser.addini("audit_report", "reports to write, as FORMAT[=PATH]", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[state_key] = state = State(config)
    specs = config.getoption("audit_report") + config.getini("audit_report")
    if hasattr(config, "workerinput"):
        return  # the controller has looked at the options already
    try:
        if specs:
            _check_reports(config, specs)
        if config.getoption("audit_inventory") or config.getoption("audit_target"):
            _ = state.selected
    except SysauditError as error:
        raise pytest.UsageError(str(error)) from error


def _check_reports(config: pytest.Config, specs: list[str]) -> None:
    from pytest_sysaudit.reports import parse_specs

    parse_specs(specs, report_writers(config))


def report_writers(config: pytest.Config) -> dict[str, str | Writer]:
    """Return the report writers by format, those of other plugins included."""
    from pytest_sysaudit.reports import WRITERS

    found: dict[str, str | Writer] = dict(WRITERS)
    for more in config.hook.pytest_sysaudit_reports():
        found.update(more)
    return found


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> object:
    result = yield
    failure = state_of(session.config).failure
    if failure is not None and not hasattr(session.config, "workerinput"):
        raise pytest.UsageError(str(failure))
    return result


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


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    handler = RedactingHandler(state_of(session.config))
    logger = logging.getLogger("pytest_sysaudit")
    logger.addHandler(handler)
    session.config.add_cleanup(lambda: logger.removeHandler(handler))


def pytest_unconfigure(config: pytest.Config) -> None:
    if state_key in config.stash:
        state_of(config).close()
