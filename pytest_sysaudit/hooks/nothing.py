"""A run that was to audit something and audited nothing is never green."""

from __future__ import annotations

import pytest

from pytest_sysaudit.hooks.keys import judges

_ASKING = (
    *("inventory", "target", "profile", "control", "severity", "framework", "report"),
    *("evidence", "replay", "waivers", "attestations", "baseline", "gate"),
)
"""The options that nobody gives to a run that is to audit nothing."""
_words_key = pytest.StashKey[str]()
"""In the config: what to say about it."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the green from a run whose tests passed and were no checks."""
    config = session.config
    given = [name for name in _ASKING if config.getoption(f"audit_{name}")]
    if not given or hasattr(config, "workerinput") or not judges(config):
        return
    green = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if session.exitstatus not in green or _audited(config):
        return
    session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
    options = ", ".join(f"--audit-{name}" for name in given)
    config.stash[_words_key] = f"nothing was audited: no check was left to carry out ({options})"


def _audited(config: pytest.Config) -> bool:
    from pytest_sysaudit.hooks.recorder import recorder_key

    recorder = config.stash.get(recorder_key, None)
    return recorder is not None and bool(recorder.expected)


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if _words_key in config.stash:
        terminalreporter.write_line(config.stash[_words_key], red=True, bold=True)


def unfilled(item: pytest.Item) -> list[str]:
    """Return the parameters of *item* for which there was not one value.

    pytest makes an item of an empty parametrization all the same, and lets it be skipped.
    """
    from _pytest.compat import NOTSET

    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec is not None else {}
    return [name for name, value in params.items() if value is NOTSET]
