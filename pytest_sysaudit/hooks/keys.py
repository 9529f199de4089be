"""Where the plugin keeps its state: in pytest's stashes, never in globals."""

from __future__ import annotations

import pytest

from pytest_sysaudit.audit import Audit
from pytest_sysaudit.hooks.check import Check
from pytest_sysaudit.hooks.state import State

state_key = pytest.StashKey[State]()
"""In the config: what this process knows of the run."""

check_key = pytest.StashKey[Check]()
"""In an item: the check that it carries out."""

audit_key = pytest.StashKey[Audit]()
"""In an item: what its check told the report."""


def state_of(config: pytest.Config) -> State:
    """Return the state of the run."""
    return config.stash[state_key]
