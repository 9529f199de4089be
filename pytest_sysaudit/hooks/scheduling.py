"""How pytest-xdist hands out checks: all of one target to one worker."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController


def target_in(nodeid: str, names: Collection[str]) -> str | None:
    """Return the target that the id of a test begins its parameters with, if it does.

    The longest name counts: `hooks.targets` sees to it that no other one is meant.
    """
    text = nodeid.partition("::")[2].partition("[")[2].rpartition("]")[0]
    while text and text not in names:
        text = text.rpartition("-")[0]
    return text or None


class TargetScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Run all checks of one target on one worker, over one connection.

    Other tests are handed out one by one. A check that kills its worker is not tried again; the
    rest of its target goes on in another worker.
    """

    def __init__(self, config: pytest.Config, log: Producer, names: Collection[str]) -> None:
        super().__init__(config, log)
        self._names = frozenset(names)
        self._places: dict[WorkerController, dict[str, int]] = {}

    def _split_scope(self, nodeid: str) -> str:
        group = nodeid[nodeid.rfind("@") + 1 :] if "@" in nodeid.rpartition("]")[2] else ""
        return target_in(nodeid, self._names) or group or nodeid

    def _assign_work_unit(self, node: WorkerController) -> None:
        scope, unit = self.workqueue.popitem(last=False)
        self.assigned_work.setdefault(node, {})[scope] = unit
        if node not in self._places:
            found = self.registered_collections[node]
            self._places[node] = {nodeid: n for n, nodeid in enumerate(found)}
        places = self._places[node]
        with contextlib.suppress(OSError):  # it has died, and remove_node gives the unit back
            node.send_runtest_some([places[nodeid] for nodeid, done in unit.items() if not done])

    def _reschedule(self, node: WorkerController) -> None:
        if node in self.registered_collections:  # else it has just been started
            super()._reschedule(node)

    def mark_test_complete(
        self,
        node: WorkerController,
        item_index: int,
        duration: float = 0,  # noqa: ARG002 - xdist's own signature
    ) -> None:
        """Note that a test has ended, and forget a scope that is done."""
        nodeid = self.registered_collections[node][item_index]
        scope = self._split_scope(nodeid)
        unit = self.assigned_work[node][scope]
        unit[nodeid] = True
        if all(unit.values()):
            del self.assigned_work[node][scope]
        self._reschedule(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """Give back what the worker did not begin; return the test that killed it, if one did."""
        units = self.assigned_work.pop(node)
        left = [(nodeid, unit) for unit in units.values() for nodeid in unit if not unit[nodeid]]
        if not left:
            return None
        killer: str = left[0][0]
        left[0][1][killer] = True
        self.workqueue.update({s: unit for s, unit in units.items() if not all(unit.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return killer
