"""Many targets at once in one pytest process; this package alone touches pytest's internals.

What waits for a target imports `wait`, `wait_for`, `Once` and `Mutex` from here; they cost nothing
outside of a lane. The rest is loaded by `pytest_sysaudit.hooks.lanes` when a run has lanes.
"""

from __future__ import annotations

from pytest_sysaudit.lanes.mutex import Mutex
from pytest_sysaudit.lanes.once import Once
from pytest_sysaudit.lanes.turn import wait, wait_for

__all__ = ["Mutex", "Once", "wait", "wait_for"]
