"""Put the state of a running item aside and back: what Python and pytest keep once a process."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pytest_sysaudit.lanes.lane import Lane

CURRENT_TEST = "PYTEST_CURRENT_TEST"


class Part(Protocol):
    """One kind of state of which the process has one and every lane needs its own."""

    def fresh(self, lane: Lane | None, /) -> Any:
        """Return what a lane begins with; for None: what holds when no lane runs."""

    def take(self) -> Any:
        """Return what is in place; it is about to be replaced."""

    def put(self, token: Any) -> None:
        """Put in place what `take` or `fresh` returned."""


class Keeper:
    """Knows whose state is in place, and replaces it.

    A lane that goes on before any other lane ran finds all as it was, at no cost.
    """

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self.current: Lane | None = None

    def place(self, lane: Lane | None) -> None:
        """Put the state of *lane* in place; None: that outside of lanes."""
        before = self.current
        if before is lane:
            return
        if before is not None:
            before.kept = [part.take() for part in self.parts]
        kept = lane.kept if lane else None
        if kept is None:
            kept = [part.fresh(lane) for part in self.parts]
        for part, token in zip(self.parts, kept, strict=True):
            part.put(token)
        self.current = lane


class FromStart(ABC):
    """Part: of this kind, every lane begins with what held before the first item."""

    def __init__(self) -> None:
        self._base = self.take()

    def fresh(self, _lane: Lane | None, /) -> Any:
        """Return what held."""
        return self._base

    @abstractmethod
    def take(self) -> Any:
        """Return what is in place."""


class Warnings(FromStart):
    """Part: the filters of warnings and what records them."""

    def __init__(self) -> None:
        self._module: Any = warnings
        super().__init__()

    def take(self) -> Any:
        """Return what holds."""
        module = self._module
        return module.filters, module.showwarning, module._showwarnmsg_impl  # noqa: SLF001

    def put(self, token: Any) -> None:
        """Let hold what `take` gave."""
        module = self._module
        changed = module.filters is not token[0]
        module.filters, module.showwarning, module._showwarnmsg_impl = token  # noqa: SLF001
        if changed:  # else each module goes on to leave out what it has shown in another lane
            module._filters_mutated()  # noqa: SLF001


class Trace(FromStart):
    """Part: the trace function, for `hooks.vacuity` watches each lane's own check."""

    def take(self) -> Any:
        """Return what traces."""
        return sys.gettrace()

    def put(self, token: Any) -> None:
        """Let trace what `take` gave."""
        if sys.gettrace() is not token:
            sys.settrace(token)


class Place:
    """Part: the current folder, and the name of the running item in the environment."""

    def __init__(self) -> None:
        self._folder = self._base = _folder()

    def fresh(self, _lane: Lane | None, /) -> Any:
        """Return the folder of the start, and no item."""
        return self._base, None

    def take(self) -> Any:
        """Return what is in place."""
        self._folder = _folder()
        return self._folder, os.environ.get(CURRENT_TEST)

    def put(self, token: Any) -> None:
        """Put in place what `take` gave."""
        folder, name = token
        if folder and folder != self._folder:
            with contextlib.suppress(OSError):  # it may be gone, as it may in a serial run
                os.chdir(folder)
            self._folder = folder
        if name is not None:
            os.environ[CURRENT_TEST] = name
        else:
            os.environ.pop(CURRENT_TEST, None)


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a Path for each turn is too dear
    except OSError:
        return ""


class Logs:
    """Part: the handlers of the root logger, and its level.

    What a thread logs goes to the handlers of the lane it works for, whoever has the turn.

    Args:
        workers: the lane that a thread works for, by the thread's number.
        level: of the records that pytest wants to see; None: it leaves the level alone.
    """

    def __init__(self, workers: Mapping[int, Lane], level: int | None) -> None:
        self._root = logging.getLogger()
        self._workers = workers
        self._list, self._level = self._root.handlers, self._root.level
        self._base = list(self._list)
        self._floor = self._level if level is None else min(self._level, level)

    def fresh(self, lane: Lane | None, /) -> Any:
        """Return the handlers of the start."""
        if lane is None:
            self._list[:] = self._base
            return self._list, self._level
        lane.handlers = _LaneHandlers(self._base, self._workers)
        # pytest lowers the level for each phase of each item; so it has not to, which is dear
        return lane.handlers, self._floor

    def take(self) -> Any:
        """Return what is in place."""
        return self._root.handlers, self._root.level

    def put(self, token: Any) -> None:
        """Put in place what `take` gave."""
        self._root.handlers, level = token
        if self._root.level != level:
            self._root.setLevel(level)


class _LaneHandlers(list[logging.Handler]):
    """The root logger's handlers as one lane has them; its threads see them in other turns too."""

    def __init__(self, handlers: list[logging.Handler], workers: Mapping[int, Lane]) -> None:
        super().__init__(handlers)
        self._workers = workers

    def __iter__(self) -> Iterator[logging.Handler]:
        lane = self._workers.get(get_ident())
        if lane is None or lane.handlers is self:
            return super().__iter__()
        return list.__iter__(lane.handlers)


def levels() -> tuple[int, dict[str, int]]:
    """Return the level of every logger, which lanes share."""
    manager = logging.root.manager
    found = {
        name: logger.level
        for name, logger in list(manager.loggerDict.items())
        if isinstance(logger, logging.Logger)
    }
    return manager.disable, {**found, "": logging.root.level}


def changed(before: tuple[int, dict[str, int]]) -> bool:
    """Whether a logger has now another level than `levels` told."""
    disabled, found = levels()
    return disabled != before[0] or any(
        level != before[1].get(name, logging.NOTSET) for name, level in found.items()
    )
