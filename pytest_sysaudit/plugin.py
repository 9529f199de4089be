"""Entry point: names the modules that make up the plugin."""

from __future__ import annotations

import pytest

pytest_plugins = (
    "pytest_sysaudit.hooks.options",
    "pytest_sysaudit.hooks.targets",
    "pytest_sysaudit.hooks.controls",
    "pytest_sysaudit.hooks.verdicts",
    "pytest_sysaudit.hooks.recorder",
    "pytest_sysaudit.hooks.standins",
    "pytest_sysaudit.hooks.terminal",
    "pytest_sysaudit.hooks.xdist",
    "pytest_sysaudit.fixtures.audit",
    "pytest_sysaudit.fixtures.aws",
    "pytest_sysaudit.fixtures.hosts",
    "pytest_sysaudit.fixtures.http",
    "pytest_sysaudit.fixtures.network",
)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer our own hooks to conftest.py files and other plugins."""
    from pytest_sysaudit import hookspecs

    pluginmanager.add_hookspecs(hookspecs)
