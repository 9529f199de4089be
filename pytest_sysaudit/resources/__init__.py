"""testinfra's resources (file, package, service, user, ...), answered from fact tables.

They have testinfra's API, and its answers wherever those are right. A question that the host did
not answer raises `CannotAssess`; what is asked of a thing that is plainly not there raises
`Absent`, an AssertionError. What is not here, and what is no Linux, goes through testinfra's own
modules.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping

from pytest_sysaudit.resources.base import Absent, Module, Source
from pytest_sysaudit.resources.command import Commands, ToolMissing
from pytest_sysaudit.resources.needs import NEEDS, Need

__all__ = [
    "NEEDS",
    "RESOURCES",
    "Absent",
    "Commands",
    "Module",
    "Need",
    "Source",
    "ToolMissing",
    "open_resource",
]

#: What ``host.<name>`` is: ``"module:class"``, made with a `Source`.
RESOURCES: Mapping[str, str] = {
    "file": "pytest_sysaudit.resources.file:Files",
    "group": "pytest_sysaudit.resources.user:Groups",
    "interface": "pytest_sysaudit.resources.interface:Interfaces",
    "mount_point": "pytest_sysaudit.resources.mount_point:MountPoints",
    "package": "pytest_sysaudit.resources.package:Packages",
    "process": "pytest_sysaudit.resources.process:Processes",
    "service": "pytest_sysaudit.resources.service:Services",
    "socket": "pytest_sysaudit.resources.socket:Sockets",
    "sysctl": "pytest_sysaudit.resources.sysctl:Sysctl",
    "system_info": "pytest_sysaudit.resources.system_info:SystemInfo",
    "user": "pytest_sysaudit.resources.user:Users",
}


def open_resource(name: str, source: Source) -> Module:
    """Return what ``host.<name>`` is, for one of `RESOURCES`."""
    made: Module = pkgutil.resolve_name(RESOURCES[name])(source)
    return made
