"""Keep a long run small, and its last check as quick as its first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any, Literal

import pytest

from pytest_sysaudit.hooks.collector import pass_over
from pytest_sysaudit.hooks.keys import check_key, judges, state_of
from pytest_sysaudit.inventory.target import Kind, Target


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    if any(check_key in item.stash for item in session.items):
        pass_over(session.config)


class Reports:
    """Forgets of the reports of checks that passed what pytest's terminal never shows."""

    def __init__(self, config: pytest.Config) -> None:
        reporter: Any = config.pluginmanager.getplugin("terminalreporter")
        self._stats: dict[str, list[Any]] = reporter.stats if reporter else {}
        self._keywords: dict[tuple[str, ...], dict[str, Literal[1]]] = {}
        times = getattr(reporter, "_show_progress_info", "") == "times"
        self._timed = times or getattr(config.option, "durations", None) is not None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed or not hasattr(report, "sysaudit_verdict"):
            return
        told = self._stats.get("", ())
        kept = report.when == "call" or report.sections or self._timed
        if not kept and told and told[-1] is report:
            self._stats[""].pop()
            return
        name = report.nodeid.rpartition("::")[2]
        own = (name, name.partition("[")[2].removesuffix("]"))
        shared = tuple(keyword for keyword in report.keywords if keyword not in own)
        report.keywords = self._keywords.setdefault(shared, dict.fromkeys(shared, 1))


class Partings:
    """Closes the connection of each host, and forgets what was read of it, after its last check."""

    def __init__(self, items: list[pytest.Item], config: pytest.Config) -> None:
        self._state = state_of(config)
        checks = [item.stash[check_key] for item in items if check_key in item.stash]
        self._left = Counter(target.name for check in checks for target in check.targets)
        kept = {name for target in self._state.inventory.targets.values() for name in _uses(target)}
        for name in kept:
            del self._left[name]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report = yield
        check = item.stash.get(check_key, None)
        if check is None or call.when != "teardown":
            return report
        for target in check.targets:
            self._left[target.name] -= 1
            if self._left[target.name] == 0 and target.kind is Kind.SSH:
                self._state.connections.part(target.name)
        return report


def _uses(target: Target) -> set[str]:
    """Return the names of the targets that *target* is reached or watched through."""
    entry: Any = target.entry
    jump = getattr(getattr(entry, "ssh", None), "proxy_jump", None)
    return {name for name in (getattr(entry, "via", None), jump) if name}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    config = session.config
    config.pluginmanager.register(Reports(config), "sysaudit-reports")
    if not judges(config) or not any(check_key in item.stash for item in session.items):
        return (yield)
    config.pluginmanager.register(Partings(session.items, config), "sysaudit-partings")
    from pytest_sysaudit.lanes.shortcuts import shortcuts

    with shortcuts(session):
        return (yield)
