"""Run the items of a session in lanes: put the pieces together and take them apart again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import Any, TypeVar

import pytest

from pytest_sysaudit.lanes import internals, state
from pytest_sysaudit.lanes.hub import Hub
from pytest_sysaudit.lanes.lane import Lane
from pytest_sysaudit.lanes.pool import Pool
from pytest_sysaudit.lanes.state import Keeper, Part

AnyHub = TypeVar("AnyHub", bound=Hub)


@contextmanager
def lanes_of(
    session: pytest.Session, width: int, make: type[AnyHub], more: Sequence[Part] = ()
) -> Iterator[AnyHub]:
    """Make all ready to run lanes; when the block ends, all is as before.

    Args:
        session: pytest's.
        width: how many lanes may be under way at a time.
        make: the class of the hub.
        more: further state that lanes need of their own.
    """
    pool = Pool()
    sharing = internals.Sharing(session)
    root = session._setupstate  # noqa: SLF001 - checked by `internals.missing`

    def set_up(closes: Callable[[], bool]) -> internals.LaneSetupState:
        return internals.LaneSetupState(session, root, sharing, closes)

    setup = internals.SetUp(session, set_up)
    capture, parts = _parts(session, pool, lambda: keeper.current)
    keeper = Keeper([setup, *parts, *more])
    hub = make(session, keeper, width, pool)
    plugin = LanePlugin(hub, sharing, setup)
    manager = session.config.pluginmanager
    manager.register(plugin, "sysaudit-lane-hooks")
    try:
        yield hub
    finally:
        keeper.place(None)
        plugin.put_in_order()
        manager.unregister(plugin)
        pool.close()
        if capture is not None:
            capture.close()


def _parts(
    session: pytest.Session, pool: Pool, in_place: Callable[[], Lane | None]
) -> tuple[internals.Capture | None, list[Part]]:
    """Return the parts of the state that there are in this run, that of capturing also apart."""

    def of_thread() -> Lane | None:
        return pool.workers.get(get_ident()) or in_place()

    manager = session.config.pluginmanager
    parts: list[Part] = [internals.Comparison(), state.Warnings(), state.Trace(), state.Place()]
    logging = manager.getplugin("logging-plugin")
    parts.append(state.Logs(pool.workers, logging.log_level if logging else None))
    if logging is not None:
        parts.append(internals.LogHandlers(logging, of_thread))
    capturing = manager.getplugin("capturemanager")
    capture = internals.Capture(capturing) if capturing is not None else None
    return capture, parts if capture is None else [*parts, capture]


class LanePlugin:
    """The hooks that only a run with lanes needs."""

    def __init__(self, hub: Hub, sharing: internals.Sharing, setup: internals.SetUp) -> None:
        self._hub = hub
        self._sharing = sharing
        self._setup = setup
        self._told = ""
        self._config = config = hub.session.config
        self._junit = internals.JunitOrder(config)
        self._own_protocol = not internals.has_own_protocol(config)

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        """Tell of an item in one go when it is done, so that nothing comes between."""
        if not self._own_protocol:
            return None
        reports = internals.run_protocol(item, nextitem)
        self._open(item)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        self._told = ""
        return True

    def _open(self, item: pytest.Item) -> None:
        if self._told != item.nodeid:
            self._told = item.nodeid
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """See to it that what is told of a subtest is told of its own test."""
        lane = self._hub.current
        item = lane.item if lane is not None else None
        if self._own_protocol and item is not None and item.nodeid == report.nodeid:
            self._open(item)
        self._junit.note(report.nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Know before the tear-down that the run ends, though nobody was told yet."""
        report = yield
        failed = report.failed and not hasattr(report, "wasxfail")
        if self._own_protocol and failed and report.when != "teardown":
            session, most = item.session, item.config.getoption("maxfail")
            if most and session.testsfailed + 1 >= most and not session.shouldfail:
                session.shouldfail = f"stopping after {session.testsfailed + 1} failures"
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Note what belongs to the lane. What belongs to all is set up in one go."""
        lane = self._hub.current
        if lane is None:
            return (yield)
        if not self._sharing.decide(fixturedef, request):
            self._setup.active[fixturedef] = None
            return (yield)
        lane.alone += 1
        try:
            return (yield)
        finally:
            lane.alone -= 1

    @pytest.hookimpl(trylast=True)
    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Forget what the lane has torn down."""
        self._setup.active.pop(fixturedef, None)

    def put_in_order(self) -> None:
        """Put what pytest shows and writes at its end into the order of the items."""
        order = {item.nodeid: number for number, item in enumerate(self._hub.session.items)}
        self._junit.sort(order)
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        for reports in reporter.stats.values() if reporter else ():
            reports.sort(key=lambda report: order.get(getattr(report, "nodeid", None) or "", -1))
