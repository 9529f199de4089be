"""Who runs the audit, with which versions, and what was chosen."""

from __future__ import annotations

import getpass
import platform
from importlib.metadata import PackageNotFoundError, version

import pytest

from pytest_sysaudit import __version__
from pytest_sysaudit.record import Plain

LIBRARIES = ("pytest", "pytest-testinfra", "paramiko", "boto3", "requests", "psutil", "scapy")


def operator() -> str:
    """Return ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{platform.node()}"


def versions() -> dict[str, Plain]:
    """Return the versions of this plugin, of Python and of the libraries that do the work."""
    found: dict[str, Plain] = {
        "pytest-sysaudit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = None
    return found


def selection_of(config: pytest.Config) -> dict[str, Plain]:
    """Return the options that chose targets and controls."""
    option = config.getoption
    return {
        "profiles": option("audit_profile") or config.getini("audit_profile"),
        "targets": option("audit_target"),
        "controls": option("audit_control"),
        "severity": option("audit_severity"),
        "frameworks": option("audit_framework"),
        "keyword": option("keyword"),
        "markers": option("markexpr"),
        "intrusive": option("audit_allow_intrusive"),
    }
