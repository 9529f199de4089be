"""Hooks that a conftest.py or another plugin can implement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytest_sysaudit.inventory.load import LoadedInventory
    from pytest_sysaudit.record import Result
    from pytest_sysaudit.reports import Writer


@pytest.hookspec(firstresult=True)
def pytest_sysaudit_inventory(config: pytest.Config) -> LoadedInventory | None:
    """Return the inventory of this run, or None to read the inventory file.

    Called once in each process (with pytest-xdist in each worker too), before the first check
    that needs a target is collected. Raise `InventoryError` to end the run with exit code 4.
    """


@pytest.hookspec
def pytest_sysaudit_transports() -> Mapping[str, str | Callable[..., Any]]:  # type: ignore[empty-body]
    """Return further ways to hosts: by kind (``"ssh"``), what opens a transport.

    The value is a callable, or its dotted path ``package.module:name``; it takes
    ``(target, secrets, targets)`` and returns a `Transport`. Called once, at the first connection.
    """


@pytest.hookspec
def pytest_sysaudit_facts() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return further fact tables: by the name that ``host.facts`` gets, the dotted path of a table.

    Called before the first connection; it must say the same whenever it is called.
    """


@pytest.hookspec
def pytest_sysaudit_reports() -> Mapping[str, Writer]:  # type: ignore[empty-body]
    """Return further report writers by the format that ``--audit-report`` takes.

    A writer takes the result document (a dict) and the path to write. Called when the run starts.
    """


@pytest.hookspec
def pytest_sysaudit_result(result: Result) -> None:
    """Look at each result as soon as it is known, in the process that writes the reports."""
