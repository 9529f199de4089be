"""Many targets at once in one pytest process; this package alone touches pytest's internals.

What waits for a target imports `wait`, `wait_for` and `Once` from here; they cost nothing outside
of a lane. The rest is loaded by `pytest_sysaudit.hooks.lanes` when a run has lanes.
"""

from __future__ import annotations

from pytest_sysaudit.lanes.once import Once
from pytest_sysaudit.lanes.turn import wait, wait_for

__all__ = ["Once", "wait", "wait_for"]
