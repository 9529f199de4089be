"""Notice the first check of a run: what is not one passes through here at almost no cost."""

from __future__ import annotations

import pytest

from pytest_sysaudit.hooks.keys import state_key
from pytest_sysaudit.hooks.late import engage

FAMILIES = ("host", "ssh_host", "aws_session", "http_client", "sniffer")
"""The fixtures that give a check its target; the first one asked for is what it judges."""
OURS = frozenset({*FAMILIES, "local_host", "target", "audit", "aws_region"})
MARKERS = ("control", "targets")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if OURS.isdisjoint(metafunc.fixturenames):
        return
    from pytest_sysaudit.hooks.targets import parametrize

    parametrize(metafunc)


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
    """Whether *item* asks for one of our fixtures or carries one of our markers."""
    if not OURS.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    return any(item.get_closest_marker(name) for name in MARKERS)


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
