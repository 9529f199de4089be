"""Audit real systems with plain pytest checks.

Every public name is here and is imported when it is first used, so that a pytest run that audits
nothing pays for nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_sysaudit.audit import Audit
    from pytest_sysaudit.aws.session import AwsSession
    from pytest_sysaudit.errors import (
        CannotAssess,
        ConnectionLost,
        Denied,
        EvidenceError,
        HostKeyError,
        Incomplete,
        InventoryError,
        LoginRefused,
        NotApplicable,
        RefusedByPolicy,
        ReportError,
        SecretError,
        SysauditError,
        TimedOut,
        Unreachable,
        WrongIdentity,
    )
    from pytest_sysaudit.facts import Facts
    from pytest_sysaudit.facts.health import Health
    from pytest_sysaudit.host import Host
    from pytest_sysaudit.http.client import HttpClient
    from pytest_sysaudit.inventory.load import LoadedInventory
    from pytest_sysaudit.inventory.load import load as load_inventory
    from pytest_sysaudit.inventory.target import Kind, Target
    from pytest_sysaudit.network.capture import Capture
    from pytest_sysaudit.network.sniffer import Sniffer
    from pytest_sysaudit.record import Control, Severity, Verdict
    from pytest_sysaudit.record import Result as Finding
    from pytest_sysaudit.recording import Recording
    from pytest_sysaudit.reports import Writer
    from pytest_sysaudit.transport.base import CommandResult, FileStat, Transport

__version__ = "0.1.0"

_PLACES = {
    "Audit": "audit",
    "AwsSession": "aws.session",
    "CannotAssess": "errors",
    "Capture": "network.capture",
    "CommandResult": "transport.base",
    "ConnectionLost": "errors",
    "Control": "record",
    "Denied": "errors",
    "EvidenceError": "errors",
    "Facts": "facts",
    "FileStat": "transport.base",
    "Finding": "record:Result",
    "Health": "facts.health",
    "Host": "host",
    "HostKeyError": "errors",
    "HttpClient": "http.client",
    "Incomplete": "errors",
    "InventoryError": "errors",
    "Kind": "inventory.target",
    "LoadedInventory": "inventory.load",
    "LoginRefused": "errors",
    "NotApplicable": "errors",
    "Recording": "recording",
    "RefusedByPolicy": "errors",
    "ReportError": "errors",
    "SecretError": "errors",
    "Severity": "record",
    "Sniffer": "network.sniffer",
    "SysauditError": "errors",
    "Target": "inventory.target",
    "TimedOut": "errors",
    "Transport": "transport.base",
    "Unreachable": "errors",
    "Verdict": "record",
    "Writer": "reports",
    "WrongIdentity": "errors",
    "load_inventory": "inventory.load:load",
}

__all__ = [
    "Audit",
    "AwsSession",
    "CannotAssess",
    "Capture",
    "CommandResult",
    "ConnectionLost",
    "Control",
    "Denied",
    "EvidenceError",
    "Facts",
    "FileStat",
    "Finding",
    "Health",
    "Host",
    "HostKeyError",
    "HttpClient",
    "Incomplete",
    "InventoryError",
    "Kind",
    "LoadedInventory",
    "LoginRefused",
    "NotApplicable",
    "Recording",
    "RefusedByPolicy",
    "ReportError",
    "SecretError",
    "Severity",
    "Sniffer",
    "SysauditError",
    "Target",
    "TimedOut",
    "Transport",
    "Unreachable",
    "Verdict",
    "Writer",
    "WrongIdentity",
    "__version__",
    "load_inventory",
]


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = place.partition(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
