"""Every internal of pytest that lanes touch, and what says whether all of them are there."""
# ruff: noqa: SLF001 - touching them is what this module is for, so that no other one does

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest
from _pytest import runner
from _pytest.assertion import util as assertion
from _pytest.junitxml import xml_key
from _pytest.logging import LogCaptureHandler
from _pytest.outcomes import TEST_OUTCOME
from _pytest.runner import SetupState

from pytest_sysaudit.lanes.state import FromStart

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from pytest_sysaudit.lanes.lane import Lane

    Finalizer = Callable[[], object]

_OUTERR = ("out", "err")


def missing(session: pytest.Session) -> list[str]:
    """Return what lanes need of pytest's internals and this pytest has not; [] if all is there."""
    return [name for name, there in _needs(session) if not there]


def _needs(session: pytest.Session) -> Iterator[tuple[str, bool]]:
    state = session._setupstate
    yield "SetupState.stack", isinstance(getattr(state, "stack", None), dict)
    for owner, name, arguments in (
        (SetupState, "setup", ["self", "item"]),
        (SetupState, "addfinalizer", ["self", "finalizer", "node"]),
        (SetupState, "teardown_exact", ["self", "nextitem"]),
        (runner, "runtestprotocol", ["item", "log", "nextitem"]),
        (pytest.FixtureDef, "finish", ["self", "request"]),
        (LogCaptureHandler, "emit", ["self", "record"]),
    ):
        yield f"{owner.__name__}.{name}({', '.join(arguments)})", _takes(owner, name, arguments)
    yield from _has("assertion.util", assertion, "_reprcompare", "_assertion_pass", "_config")
    yield from _has("warnings", warnings, "_showwarnmsg_impl", "_filters_mutated")  # Python's own
    manager = session.config.pluginmanager.getplugin("capturemanager")
    if manager is not None:
        needed = ("_global_capturing", "_capture_fixture", "suspend_global_capture")
        yield from _has("CaptureManager", manager, *needed)
        captured = getattr(manager, "_global_capturing", None)
        if captured is not None:
            yield from _has("MultiCapture", captured, "out", "err", "is_started", "readouterr")
        for name in _OUTERR if getattr(captured, "out", None) is not None else ():
            yield from _has(f"MultiCapture.{name}", getattr(captured, name), "tmpfile")
    plugin = session.config.pluginmanager.getplugin("logging-plugin")
    if plugin is not None:
        yield from _has("LoggingPlugin", plugin, "caplog_handler", "report_handler", "log_level")
    yield from _needs_of_fixtures(session)


def _needs_of_fixtures(session: pytest.Session) -> Iterator[tuple[str, bool]]:
    item = next((item for item in session.items if hasattr(item, "_fixtureinfo")), None)
    if item is None:
        return
    known = getattr(item._fixtureinfo, "name2fixturedefs", None)
    yield "FuncFixtureInfo.name2fixturedefs", isinstance(known, dict)
    for definition in next(iter((known or {}).values()), ())[-1:]:
        needed = ("cached_result", "_finalizers", "argname", "argnames", "scope")
        yield from _has("FixtureDef", definition, *needed)


def _has(what: str, owner: object, *names: str) -> Iterator[tuple[str, bool]]:
    return ((f"{what}.{name}", hasattr(owner, name)) for name in names)


def _takes(owner: Any, name: str, arguments: list[str]) -> bool:
    found = getattr(owner, name, None)
    return callable(found) and list(signature(found).parameters) == arguments


def run_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """Set up, call and tear down *item*, and return the reports, which nobody was told yet."""
    return runner.runtestprotocol(item, log=False, nextitem=nextitem)


def has_own_protocol(config: pytest.Config) -> bool:
    """Whether a plugin, as one that runs failed tests again, carries out items its own way."""
    impls = config.hook.pytest_runtest_protocol.get_hookimpls()
    return any(
        not (impl.hookwrapper or impl.wrapper) and impl.plugin is not runner for impl in impls
    )


class JunitOrder:
    """Puts the cases of pytest's own JUnit XML in the order in which they were collected.

    A case that is done has forgotten whose it is, so this is noted when it first appears.
    """

    def __init__(self, config: pytest.Config) -> None:
        xml = config.stash.get(xml_key, None)
        self._cases: list[Any] = getattr(xml, "node_reporters_ordered", [])
        self._seen = len(self._cases)
        self._names = [""] * self._seen
        self._last = ""

    def note(self, nodeid: str) -> None:
        """Note that the cases that come from now on are those of *nodeid*."""
        while self._seen < len(self._cases):
            self._names.append(self._last)
            self._seen += 1
        self._last = nodeid

    def sort(self, order: dict[str, int]) -> None:
        """Sort the cases by the number that *order* gives to their node ids."""
        self.note("")
        numbers = [order.get(name, -1) for name in self._names]
        ranked = sorted(range(self._seen), key=numbers.__getitem__)
        self._cases[:] = [self._cases[n] for n in ranked]


class Sharing:
    """Which session fixtures are the same for all lanes: those that no parameter reaches."""

    def __init__(self, session: pytest.Session) -> None:
        callspecs = [getattr(item, "callspec", None) for item in session.items]
        self._parameters = {name for spec in callspecs if spec for name in spec.params}
        self._known: dict[Any, bool] = {}

    def holds(self, definition: object) -> bool:
        """Whether the fixture was found to be a shared one when it was set up."""
        return self._known.get(definition, False)

    def decide(self, definition: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> bool:
        """Return whether the fixture, which is about to be set up, is a shared one."""
        if definition not in self._known:
            shared = definition.scope == "session" and self._is_free(definition, request)
            self._known[definition] = shared
        return self._known[definition]

    def _is_free(self, definition: pytest.FixtureDef[Any], request: Any) -> bool:
        definitions = request._pyfuncitem._fixtureinfo.name2fixturedefs
        seen: set[str] = set()
        names = [definition.argname, *definition.argnames]
        while names:
            name = names.pop()
            if name in self._parameters:
                return False
            if name not in seen:
                seen.add(name)
                names += [more for found in definitions.get(name, ()) for more in found.argnames]
        return True


class LaneSetupState(SetupState):
    """What one lane has set up. Shared fixtures are the session's own, and it tears them down."""

    def __init__(
        self,
        session: pytest.Session,
        root: SetupState,
        sharing: Sharing,
        closes: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._session = session
        self._root = root
        self._sharing = sharing
        self._closes = closes

    def addfinalizer(self, finalizer: Finalizer, node: Any) -> None:
        """Attach *finalizer* to *node*, or to the session if it ends a shared fixture."""
        owner = getattr(getattr(finalizer, "func", None), "__self__", None)
        if node is self._session and owner is not None and self._sharing.holds(owner):
            self._root.stack.setdefault(node, ([node.teardown], None))
            self._root.addfinalizer(finalizer, node)
        else:
            super().addfinalizer(finalizer, node)

    def teardown_exact(self, nextitem: pytest.Item | None) -> None:
        """Tear down what *nextitem* does not need; the last lane's end is that of the session."""
        errors: list[BaseException] = []
        for tear_down in (super().teardown_exact, self._close_session):
            try:
                tear_down(nextitem)
            except TEST_OUTCOME as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("errors during test teardown", errors)

    def _close_session(self, nextitem: pytest.Item | None) -> None:
        finalizers, _ = self._root.stack.get(self._session, ([], None))
        if nextitem is None and len(finalizers) > 1 and self._closes():
            self._root.teardown_exact(None)


class SetUp:
    """Part: what is set up, and the results of the lane's own fixtures.

    Attributes:
        active: the fixtures that the lane in place has set up; a dict for its order.
    """

    def __init__(
        self, session: pytest.Session, make: Callable[[Callable[[], bool]], SetupState]
    ) -> None:
        self._session = session
        self._root: SetupState = session._setupstate
        self._make = make
        self.active: dict[pytest.FixtureDef[Any], None] = {}

    def fresh(self, lane: Lane | None, /) -> Any:
        """Return that nothing is set up yet."""
        return (self._make(lane.closes) if lane else self._root), {}, []

    def take(self) -> Any:
        """Put aside what is set up."""
        active = self.active
        kept = []
        for definition in active:
            inner = definition.__dict__
            shown = inner.pop("cached_param", _NOTHING)  # what --setup-show shows
            kept.append((definition, definition.cached_result, definition._finalizers, shown))
            definition.cached_result = None
            inner["_finalizers"] = []
        return self._session._setupstate, active, kept

    def put(self, token: Any) -> None:
        """Put back what `take` gave."""
        self._session._setupstate, self.active, kept = token
        for definition, result, finalizers, shown in kept:
            definition.cached_result = result
            definition.__dict__["_finalizers"] = finalizers
            if shown is not _NOTHING:
                definition.cached_param = shown


_NOTHING = object()


class Comparison(FromStart):
    """Part: how a failed assertion is explained."""

    def take(self) -> Any:
        """Return what holds."""
        return assertion._reprcompare, assertion._assertion_pass, assertion._config

    def put(self, token: Any) -> None:
        """Let hold what `take` gave."""
        assertion._reprcompare, assertion._assertion_pass, assertion._config = token


class LogHandlers:
    """Part: the handlers behind ``caplog`` and the log sections of reports, one pair a lane.

    Args:
        plugin: pytest's logging plugin.
        current: returns the lane that the calling thread works for; None if it is not known.
    """

    def __init__(self, plugin: Any, current: Callable[[], Lane | None]) -> None:
        self._plugin = plugin
        self._base = plugin.caplog_handler, plugin.report_handler
        self._current = current

    def fresh(self, lane: Lane | None, /) -> Any:
        """Return new handlers."""
        if lane is None:
            return self._base
        return tuple(_LaneHandler(lane, self._current, like) for like in self._base)

    def take(self) -> Any:
        """Return the handlers in use."""
        return self._plugin.caplog_handler, self._plugin.report_handler

    def put(self, token: Any) -> None:
        """Use the handlers that `take` gave."""
        self._plugin.caplog_handler, self._plugin.report_handler = token


class _LaneHandler(LogCaptureHandler):
    """Hears its own lane only, for loggers that do not propagate have the handlers of all."""

    def __init__(
        self, lane: Lane, current: Callable[[], Lane | None], like: logging.Handler
    ) -> None:
        super().__init__()
        self._lane = lane
        self._current = current
        self.setFormatter(like.formatter)
        self.setLevel(like.level)

    def emit(self, record: logging.LogRecord) -> None:
        if self._current() in (None, self._lane):
            super().emit(record)


@dataclass(frozen=True, slots=True)
class _Captured:
    """What was captured when a lane gave the turn away, and how.

    Attributes:
        started: whether pytest was capturing for the item.
        text: what was written since.
        fixture: the ``capsys`` or ``capfd`` of the item.
        nested: fds 1 and 2 and ``sys.stdout`` and ``sys.stderr``, if somebody had replaced them.
    """

    started: bool = False
    text: tuple[str, str] = ("", "")
    fixture: Any = None
    nested: tuple[int, int, Any, Any] | None = None


def _holds_text(way: Any) -> bool:
    """Whether something may have been written since the text was last read."""
    if not hasattr(way, "targetfd_save"):
        return True
    return os.lseek(way.tmpfile.fileno(), 0, os.SEEK_CUR) > 0  # a third of what fstat costs


class Capture:
    """Part: standard output and error, pytest's capturing of them, and what replaced them.

    Capturing goes on while lanes take turns: it is stopped or begun only for a lane that had it so.
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._base = sys.stdout, sys.stderr
        self._fds = os.dup(1), os.dup(2)

    def close(self) -> None:
        """Give back the file descriptors."""
        for fd in self._fds:
            os.close(fd)

    def fresh(self, _lane: Lane | None, /) -> Any:
        """Return that nothing is captured yet."""
        return _Captured()

    def take(self) -> Any:
        """Put aside what was captured, and whatever stands in for standard output and error."""
        captured = self._captured
        nested, text = None, ("", "")
        streams = (captured.out.tmpfile, captured.err.tmpfile) if captured else self._base
        if sys.stdout is not streams[0] or sys.stderr is not streams[1]:
            nested = self._replace(streams, captured)
        if captured and any(map(_holds_text, (captured.out, captured.err))):
            text = captured.readouterr()
        fixture, self._manager._capture_fixture = self._manager._capture_fixture, None
        return _Captured(bool(captured), text, fixture, nested)

    def put(self, token: Any) -> None:
        """Put back what `take` gave."""
        if token.started != bool(self._captured):
            if token.started:
                self._manager.resume_global_capture()
            else:
                self._manager.suspend_global_capture()
        for name, text in zip(_OUTERR, token.text, strict=True) if any(token.text) else ():
            if text:  # TeeCaptureIO, of --capture=tee-sys, would show it a second time
                io.TextIOWrapper.write(getattr(self._captured, name).tmpfile, text)
        self._manager._capture_fixture = token.fixture
        if token.nested:
            *fds, sys.stdout, sys.stderr = token.nested
            for number, fd in zip((1, 2), fds, strict=True):
                os.dup2(fd, number)
                os.close(fd)

    @property
    def _captured(self) -> Any:
        """What pytest captures into just now; None if it does not."""
        found = self._manager._global_capturing
        return found if found is not None and found.out and found.is_started() else None

    def _replace(self, streams: Collection[Any], captured: Any) -> tuple[int, int, Any, Any]:
        sys.stdout.flush()
        sys.stderr.flush()
        nested = os.dup(1), os.dup(2), sys.stdout, sys.stderr
        sys.stdout, sys.stderr = streams
        for number, (name, fd) in enumerate(zip(_OUTERR, self._fds, strict=True), 1):
            way = getattr(captured, name, None)
            if way is not None and hasattr(way, "targetfd_save"):  # fds are captured too
                fd = way.tmpfile.fileno()  # noqa: PLW2901 - else the one from the start
            os.dup2(fd, number)
        return nested
