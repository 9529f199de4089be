"""How pytest-xdist hands out checks: all of one target to one worker."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

from pytest_sysaudit.hooks.lanes import AUTO_WIDTH, asked_for

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

    A worker gets several targets at once, for its lanes; what is no check of a target is handed out
    one by one. A check that kills its worker is not tried again; the rest of its target goes on in
    another worker. Where several lanes ran in the worker, it is not known whose check it was: their
    targets are begun again one at a time, and then it is.
    """

    def __init__(self, config: pytest.Config, log: Producer, names: Collection[str]) -> None:
        super().__init__(config, log)
        self._names = frozenset(names)
        self._places: dict[WorkerController, dict[str, int]] = {}
        asked = asked_for(config)
        self._width = AUTO_WIDTH if asked is None else asked
        self._share = 0
        self._suspects: set[str] = set()

    def _split_scope(self, nodeid: str) -> str:
        group = nodeid[nodeid.rfind("@") + 1 :] if "@" in nodeid.rpartition("]")[2] else ""
        return target_in(nodeid, self._names) or group or nodeid

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._share:
            self._sort()
        scope, unit = self.workqueue.popitem(last=False)
        self.assigned_work.setdefault(node, {})[scope] = unit
        if node not in self._places:
            found = self.registered_collections[node]
            self._places[node] = {nodeid: n for n, nodeid in enumerate(found)}
        places = self._places[node]
        with contextlib.suppress(OSError):  # it has died, and remove_node gives the unit back
            node.send_runtest_some([places[nodeid] for nodeid, done in unit.items() if not done])

    def _sort(self) -> None:
        """Put targets first, and count how many of them are a worker's share."""
        units = sorted(self.workqueue.items(), key=lambda unit: unit[0] not in self._names)
        self.workqueue.clear()
        self.workqueue.update(units)
        targets = [*self.workqueue, *(s for units in self.assigned_work.values() for s in units)]
        each = math.ceil(sum(s in self._names for s in targets) / max(len(self.nodes), 1))
        self._share = max(1, min(self._width, each))

    def _reschedule(self, node: WorkerController) -> None:
        if node not in self.registered_collections or node.shutting_down:
            return  # it has just been started, or ends
        if not self.workqueue:
            node.shutdown()
        while self.workqueue and self._has_room(node):
            self._assign_work_unit(node)

    def _has_room(self, node: WorkerController) -> bool:
        """Whether *node* may have the first unit of the queue."""
        held = self.assigned_work[node]
        if self._pending_of(held) <= (1 if self._width > 1 else 2):
            return True  # a worker without lanes begins with its last item when it knows the next
        scope = next(iter(self.workqueue))
        if self._suspects.intersection([*held, scope]):
            return False
        if scope in self._names:
            return sum(name in self._names for name in held) < self._share
        return bool(sum(name not in self._names for name in held) <= 1)

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
        """Give back what the worker did not begin; return the test that killed it, if known."""
        units = self.assigned_work.pop(node)
        left = {s: unit for s, unit in units.items() if not all(unit.values())}
        if not left:
            return None
        known = [scope for scope in left if scope in self._suspects]
        lanes = {scope if scope in self._names else "" for scope in left}
        killer = None
        if known or len(lanes) == 1 or self._width <= 1:
            unit = left[known[0] if known else next(iter(left))]
            killer = next(nodeid for nodeid, done in unit.items() if not done)
            unit[killer] = True
        else:
            self._suspects.update(left)
        self.workqueue.update({s: unit for s, unit in left.items() if not all(unit.values())})
        self._share = 0
        for other in self.assigned_work:
            self._reschedule(other)
        return killer
