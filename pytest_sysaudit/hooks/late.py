"""Load the rest of the plugin when a run turns out to be an audit."""

from __future__ import annotations

from importlib import import_module

import pytest

MODULES = (
    *("signals", "logs", "verdicts", "readonly", "recorder"),
    *("foresee", "standins", "memory", "lanes", "terminal"),
)


def engage(config: pytest.Config) -> None:
    """Register the hooks of an audit; does nothing the second time."""
    names = [*MODULES, "xdist"] if config.pluginmanager.hasplugin("xdist") else [*MODULES]
    if config.getoption("audit_replay"):
        names.remove("foresee")  # nothing is asked, so nothing is asked ahead
    for name in names:
        full = f"pytest_sysaudit.hooks.{name}"
        if not config.pluginmanager.hasplugin(full):
            config.pluginmanager.register(import_module(full), full)
    if not config.pluginmanager.hasplugin("sysaudit-recorder"):
        from pytest_sysaudit.hooks.recorder import record

        record(config)
