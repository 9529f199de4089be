"""Many targets at once: decide whether this run has lanes, and run it in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.hooks.keys import check_key, judges, lanes_key, state_of
from pytest_sysaudit.inventory.target import Kind

if TYPE_CHECKING:
    from pytest_sysaudit.lanes.hub import Hub

AUTO_WIDTH = 128
"""Lanes at a time where nobody says how many."""
hub_key: pytest.StashKey[Hub] = pytest.StashKey()
"""In the config: what runs the lanes, while they run."""


def asked_for(config: pytest.Config) -> int | None:
    """Return how many targets at once the user wants; None: as many as is good."""
    text = config.getoption("audit_lanes") or config.getini("audit_lanes") or "auto"
    return None if text == "auto" else int(text)


def lane_of(item: pytest.Item) -> str:
    """Return the name of the lane of *item*: its target's; "" for items that have none."""
    check = item.stash.get(check_key, None)
    return check.label if check else ""


def width(session: pytest.Session) -> int:
    """Return how many lanes may run at a time in this run; 0: there are none."""
    config = session.config
    if state_of(config).replay is not None:
        return 0  # nothing is waited for
    most = asked_for(config)
    alone = any(getattr(config.option, name, False) for name in ("usepdb", "trace"))
    if most == 0 or alone or not judges(config) or config.pluginmanager.hasplugin("dsession"):
        return 0
    if len({lane_of(item) for item in session.items}) < 2:  # noqa: PLR2004 - one has no other to wait for
        return 0
    if most is not None:
        return most
    try:
        several = len(state_of(config).selected) > 1
    except SysauditError:
        return 0
    return AUTO_WIDTH if several else 0


@pytest.hookimpl
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Stand before pytest's own loop, and before that of a worker of pytest-xdist."""
    config = session.config
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return None  # pytest's own loop says so
    lanes = width(session)
    if not lanes:
        return None
    worker = None
    if hasattr(config, "workerinput"):
        from pytest_sysaudit.lanes.xdist import worker_of

        worker = worker_of(config)
    if lacking := _lacking(session, worker):
        _say(config, f"one target after the other: lanes do not find {', '.join(lacking)}")
        return None
    _run(session, lanes, worker)
    return True


def _say(config: pytest.Config, text: str) -> None:
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_line(f"audit: {text}", yellow=True)


def _lacking(session: pytest.Session, worker: Any) -> list[str]:
    """Return what lanes need and this pytest has not."""
    try:
        from pytest_sysaudit.lanes import internals, runtime  # noqa: F401 - all that is needed
    except ImportError as error:
        return [str(error)]
    found = internals.missing(session)
    if hasattr(session.config, "workerinput"):
        from pytest_sysaudit.lanes.xdist import missing

        found += missing(worker)
    return found


def _run(session: pytest.Session, lanes: int, worker: Any) -> None:
    from pytest_sysaudit.lanes.runtime import lanes_of

    session.config.stash[lanes_key] = lanes
    try:
        if worker is None:
            _run_here(session, lanes)
        else:
            from pytest_sysaudit.lanes.xdist import ItemIndex, WorkerHub

            worker.item_index = None
            with lanes_of(session, lanes, WorkerHub, [ItemIndex(worker)]) as hub:
                session.config.stash[hub_key] = hub
                _instruct(hub, session)
                hub.serve(worker, lane_of)
    finally:
        used = session.config.stash.get(hub_key, None)
        state_of(session.config).remarks += used.complaints if used else ()


def _run_here(session: pytest.Session, lanes: int) -> None:
    from pytest_sysaudit.lanes.hub import Hub
    from pytest_sysaudit.lanes.runtime import lanes_of

    with lanes_of(session, lanes, Hub) as hub:
        session.config.stash[hub_key] = hub
        _instruct(hub, session)
        groups: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            groups.setdefault(lane_of(item), []).append(item)
        for name, items in groups.items():
            hub.add(name, items)
        hub.run()


def _instruct(hub: Hub, session: pytest.Session) -> None:
    """Tell *hub* what it cannot know of the items."""
    hub.listeners = _listeners(session)
    hub.is_check = lambda item: check_key in item.stash


def _listeners(session: pytest.Session) -> frozenset[str]:
    """Return the lanes of networks: a capture is to hold what others say, not the audit's own."""
    checks = [item.stash.get(check_key, None) for item in session.items]
    kinds = {check.label: check.target.kind for check in checks if check and check.target}
    return frozenset(name for name, kind in kinds.items() if kind is Kind.NETWORK)
