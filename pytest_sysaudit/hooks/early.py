"""Notice the first check of a run: what is not one passes through here at almost no cost."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from pytest_sysaudit.hooks.keys import state_key, uncollected_key
from pytest_sysaudit.hooks.late import engage

FAMILIES = ("host", "ssh_host", "aws_session", "http_client", "sniffer")
"""The fixtures that give a check its target; the first one asked for is what it judges."""
OURS = frozenset({*FAMILIES, "local_host", "target", "audit", "aws_region"})
_HOME = "pytest_sysaudit.fixtures."
_CHECK = re.compile(
    rf"\bmark\.control\b|^\s*(async )?def test\w*\([^)]*\b({'|'.join(sorted(OURS))})\b",
    re.MULTILINE,
)
"""What the text of a file with checks holds."""


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if not own_fixtures(metafunc.definition):
        return
    from pytest_sysaudit.hooks.targets import parametrize

    info = metafunc.definition._fixtureinfo  # noqa: SLF001 - no public name
    info.prune_dependency_tree()  # what a parameter of the user's has replaced asks for nothing
    parametrize(metafunc, own_fixtures(metafunc.definition))


def own_fixtures(item: pytest.Item) -> frozenset[str]:
    """Return the names of the fixtures that *item* asks for and that are ours.

    Names like ``target`` are common: a fixture or a parameter of the user's that bears one stands
    before ours, and is none of our business, unless it asks for the one that it replaces.
    """
    names = OURS.intersection(getattr(item, "fixturenames", ()))
    known = getattr(item, "_fixtureinfo", None)
    if not names or known is None:
        return frozenset()
    return frozenset(name for name in names if _is_own(name, known.name2fixturedefs.get(name, ())))


def _is_own(name: str, definitions: Sequence[pytest.FixtureDef[Any]]) -> bool:
    for definition in reversed(definitions):  # the nearest one is the last
        if str(getattr(definition.func, "__module__", "")).startswith(_HOME):
            return True
        if name not in definition.argnames:
            return False
    return False


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if told := left_out(report, collector.config):
        collector.config.stash.setdefault(uncollected_key, []).append(told)
    return report


def left_out(report: pytest.CollectReport, config: pytest.Config) -> str:
    """Return what is said of a file that was not collected, or of checks skipped as a whole.

    Such a skip leaves nothing to be *not applicable*: no result would say that it is missing.
    """
    if report.failed:
        return report.nodeid
    name, _, inside = report.nodeid.partition("::")
    if not report.skipped or inside or not name.endswith(".py"):
        return ""
    try:
        text = (config.rootpath / name).read_text("utf-8", "replace")
    except OSError:
        return ""
    way_out = "skipped as a whole; 'pytestmark = pytest.mark.skip' keeps its checks in the report"
    return f"{report.nodeid} ({way_out})" if _CHECK.search(text) else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not any(map(may_be_check, items)):
        return
    from pytest_sysaudit.hooks.controls import read_checks
    from pytest_sysaudit.hooks.targets import sort_by_target

    if read_checks(config, items):
        engage(config)
    sort_by_target(config, items)


def may_be_check(item: pytest.Item) -> bool:
    """Whether *item* asks for one of our fixtures or carries our marker."""
    return bool(own_fixtures(item)) or item.get_closest_marker("control") is not None


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> object:
    result = yield
    state = session.config.stash.get(state_key, None)
    failure = state.failure if state else None
    if failure is not None and not hasattr(session.config, "workerinput"):
        raise pytest.UsageError(str(failure))
    return result


def pytest_unconfigure(config: pytest.Config) -> None:
    if state_key in config.stash:
        config.stash[state_key].close()
