"""Where the plugin keeps its state: in pytest's stashes, never in globals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_sysaudit.audit import Audit
    from pytest_sysaudit.hooks.check import Check
    from pytest_sysaudit.hooks.state import State

state_key: pytest.StashKey[State] = pytest.StashKey()
"""In the config: what this process knows of the run, from the first check on."""

check_key: pytest.StashKey[Check] = pytest.StashKey()
"""In an item: the check that it carries out."""

audit_key: pytest.StashKey[Audit] = pytest.StashKey()
"""In an item: what its check told the report."""

lanes_key = pytest.StashKey[int]()
"""In the config: how many targets are under way at a time; absent or 0: one after the other."""

uncollected_key = pytest.StashKey[list[str]]()
"""In the config: the files that this process could not collect."""

_LOOKS = ("collectonly", "setupplan", "showfixtures", "show_fixtures_per_test")


def only_looks(config: pytest.Config) -> bool:
    """Whether pytest was asked to show what there is: then no target is touched."""
    return any(config.getoption(name, False) for name in _LOOKS)


def judges(config: pytest.Config) -> bool:
    """Whether checks are carried out, and not only listed or (``--setup-only``) set up."""
    return not only_looks(config) and not config.getoption("setuponly", False)


def state_of(config: pytest.Config) -> State:
    """Return the state of the run."""
    if state_key not in config.stash:
        from pytest_sysaudit.hooks.state import State

        config.stash[state_key] = State(config)
    return config.stash[state_key]
