"""Lanes in a worker of pytest-xdist: the items of each message become lanes while others run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from xdist.remote import Marker

from pytest_sysaudit.lanes.hub import Hub
from pytest_sysaudit.lanes.lane import Lane


def worker_of(config: pytest.Config) -> Any:
    """Return what speaks to the controller; None if this is no worker, or a strange one."""
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "WorkerInteractor":
            return plugin
    return None


def missing(worker: Any) -> list[str]:
    """Return what lanes need of pytest-xdist's worker and it has not."""
    needed = ("channel", "sendevent", "torun")
    return [f"xdist: WorkerInteractor.{name}" for name in needed if not hasattr(worker, name)]


class ItemIndex:
    """Part: the number of the item that reports are sent for."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    def fresh(self, _lane: Lane | None, /) -> Any:
        """Return that there is none yet."""
        return None

    def take(self) -> Any:
        """Return the number in use."""
        return self._worker.item_index

    def put(self, token: Any) -> None:
        """Use the number that `take` gave."""
        self._worker.item_index = token


class WorkerHub(Hub):
    """Takes items from the controller until that has no more.

    Attributes:
        name_of: returns the name of an item's lane.
    """

    worker: Any
    name_of: Callable[[pytest.Item], str]

    def serve(self, worker: Any, name_of: Callable[[pytest.Item], str]) -> None:
        """Run what the controller sends."""
        self.worker, self.name_of = worker, name_of
        self._ended = False
        self._numbers_of = {item: n for n, item in enumerate(self.session.items)}
        self._began: dict[Lane, float] = {}
        worker.channel.setcallback(lambda what: self.post(None, what), endmarker=Marker.SHUTDOWN)
        self.run()

    def expects(self) -> bool:
        """Whether the controller may send more."""
        return not self._ended

    def take_message(self, message: Any) -> None:
        """Begin with the items that the controller sent, or note that there will be no more."""
        if message is Marker.SHUTDOWN or message[0] == "shutdown":
            self._ended = True
        elif message[0] in ("runtests", "runtests_all"):
            everything = range(len(self.session.items))
            groups: dict[str, list[pytest.Item]] = defaultdict(list)
            for number in message[1].get("indices", everything):
                item = self.session.items[number]
                groups[self.name_of(item)].append(item)
            for name, items in groups.items():
                self.add(name, items)
        elif message[0] == "steal":
            stolen = self._give_back(set(message[1]["indices"]))
            self.worker.sendevent("unscheduled", indices=stolen)

    def _give_back(self, numbers: set[int]) -> list[int]:
        """Take back all of *numbers*, or none if a lane has begun with one or counts on it."""
        loose = {self._numbers_of[item]: lane for lane, item in self.not_begun()}
        if not numbers <= loose.keys():
            return []
        for number in numbers:
            loose[number].items.remove(self.session.items[number])
        return sorted(numbers)

    def begins(self, lane: Lane, item: pytest.Item) -> None:
        """Let reports be sent for the lane's item."""
        self._began[lane] = time.perf_counter()
        self.worker.item_index = self._numbers_of[item]

    def ends(self, lane: Lane, item: pytest.Item) -> None:
        """Tell the controller that the item is done."""
        took = time.perf_counter() - self._began.pop(lane)
        number = self._numbers_of[item]
        self.worker.sendevent("runtest_protocol_complete", item_index=number, duration=took)
