"""Entry point: names the modules that make up the plugin.

Only what every pytest run needs is loaded here; `hooks.late` loads the rest when there is a check.
"""

from __future__ import annotations

import pytest

pytest_plugins = (
    "pytest_sysaudit.hooks.options",
    "pytest_sysaudit.hooks.early",
    "pytest_sysaudit.hooks.nothing",
    "pytest_sysaudit.fixtures.audit",
    "pytest_sysaudit.fixtures.aws",
    "pytest_sysaudit.fixtures.hosts",
    "pytest_sysaudit.fixtures.http",
    "pytest_sysaudit.fixtures.network",
    "pytest_sysaudit.fixtures.recording",
)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer our own hooks to conftest.py files and other plugins."""
    from pytest_sysaudit import hookspecs

    pluginmanager.add_hookspecs(hookspecs)
