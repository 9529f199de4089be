"""Fact tables: what one host says about itself, each table read once.

A new table is one module and one line below. The module holds the commands, the parser (a pure
function from text to frozen dataclasses) and ``read(facts)``, which brings the two together::

    def parse(text: str) -> Mapping[str, str]: ...

    def read(facts: Facts) -> Mapping[str, str]:
        return parse(facts.run(["sysctl", "-a"]).expect(0, 1).out)

``facts.run`` and ``facts.frame`` use the right user; ``facts.transport.read`` reads files;
``facts.<other>`` is another table. A parser that meets what it does not know raises ValueError or
LookupError (`base.parse_lines` adds the line number); the check then gets a CannotAssess.

So that several tables travel in one round trip, the module may say what ``read`` runs in any case,
``ASKS = (command, ...)`` or a function that returns them; what it asks of keyed tables,
``ROWS = {"small_files": (path, ...)}``; and which tables it asks in turn, ``USES = ("mounts",)``.
A table whose rows are asked for by key is a `keyed.KeyedTable`.

A table is made of plain values and frozen dataclasses, so that a recording can hold it (`codec`);
what this process itself looks at, it looks at through ``facts.transport.measure``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.base import Facts, Reader, parse_lines, unknown_format
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.transport.base import Transport

if TYPE_CHECKING:
    from pytest_sysaudit.facts.tape import Tape

__all__ = ["TABLES", "Facts", "KeyedTable", "open_facts", "parse_lines", "unknown_format"]

#: Where each table is read: ``"module"`` (its function ``read``) or ``"module:function"``.
TABLES: Mapping[str, str] = {
    "accounts": "pytest_sysaudit.facts.accounts",
    "all_groups": "pytest_sysaudit.facts.name_service:all_groups",
    "all_users": "pytest_sysaudit.facts.name_service:all_users",
    "auditd": "pytest_sysaudit.facts.auditd",
    "authorized_keys": "pytest_sysaudit.facts.authorized_keys",
    "boot": "pytest_sysaudit.facts.boot",
    "capabilities": "pytest_sysaudit.facts.capabilities",
    "certificates": "pytest_sysaudit.facts.certificates:Certificates",
    "cmdline_secrets": "pytest_sysaudit.facts.cmdline_secrets",
    "commands": "pytest_sysaudit.facts.commands:Commands",
    "connections": "pytest_sysaudit.facts.connections",
    "containers": "pytest_sysaudit.facts.containers",
    "contents": "pytest_sysaudit.facts.file_contents:Contents",
    "core_dumps": "pytest_sysaudit.facts.core_dumps",
    "cron": "pytest_sysaudit.facts.cron",
    "disk_space": "pytest_sysaudit.facts.disk_space",
    "dotfiles": "pytest_sysaudit.facts.dotfiles",
    "exports": "pytest_sysaudit.facts.exports",
    "exposure": "pytest_sysaudit.facts.exposure",
    "file_search": "pytest_sysaudit.facts.file_search",
    "file_stats": "pytest_sysaudit.facts.file_stats",
    "firewall": "pytest_sysaudit.facts.firewall",
    "fstab": "pytest_sysaudit.facts.fstab",
    "ftp": "pytest_sysaudit.facts.ftp",
    "group": "pytest_sysaudit.facts.group",
    "group_entries": "pytest_sysaudit.facts.name_service:GroupEntries",
    "health": "pytest_sysaudit.facts.health",
    "history_secrets": "pytest_sysaudit.facts.history_secrets",
    "home_files": "pytest_sysaudit.facts.home_files",
    "integrity": "pytest_sysaudit.facts.integrity",
    "interfaces": "pytest_sysaudit.facts.interfaces",
    "interfaces_flags": "pytest_sysaudit.facts.interfaces_flags",
    "jobs": "pytest_sysaudit.facts.jobs",
    "journald": "pytest_sysaudit.facts.journald",
    "kernel_modules": "pytest_sysaudit.facts.kernel_modules",
    "listeners": "pytest_sysaudit.facts.listeners",
    "listings": "pytest_sysaudit.facts.file_contents:Listings",
    "log_lines": "pytest_sysaudit.facts.log_lines:RecentLines",
    "login_defs": "pytest_sysaudit.facts.login_defs",
    "mac": "pytest_sysaudit.facts.mac",
    "matches": "pytest_sysaudit.facts.file_contents:Matches",
    "md5": "pytest_sysaudit.facts.file_contents:Md5",
    "moduli": "pytest_sysaudit.facts.moduli",
    "mounts": "pytest_sysaudit.facts.mounts",
    "openrc": "pytest_sysaudit.facts.openrc",
    "orphans": "pytest_sysaudit.facts.orphans",
    "os_release": "pytest_sysaudit.facts.os_release",
    "owners": "pytest_sysaudit.facts.owners",
    "package_index": "pytest_sysaudit.facts.package_index",
    "packages": "pytest_sysaudit.facts.packages",
    "pam": "pytest_sysaudit.facts.pam",
    "passwd": "pytest_sysaudit.facts.passwd",
    "paths": "pytest_sysaudit.facts.paths:Paths",
    "pressure": "pytest_sysaudit.facts.pressure",
    "process_files": "pytest_sysaudit.facts.process_files",
    "processes": "pytest_sysaudit.facts.processes",
    "ps": "pytest_sysaudit.facts.ps",
    "raid": "pytest_sysaudit.facts.raid",
    "real_paths": "pytest_sysaudit.facts.file_contents:RealPaths",
    "repositories": "pytest_sysaudit.facts.repositories",
    "root_path": "pytest_sysaudit.facts.root_path",
    "secrets": "pytest_sysaudit.facts.secrets:SecretFiles",
    "sensors": "pytest_sysaudit.facts.sensors",
    "sha256": "pytest_sysaudit.facts.file_contents:Sha256",
    "shadow": "pytest_sysaudit.facts.shadow",
    "shadow_entries": "pytest_sysaudit.facts.name_service:ShadowEntries",
    "small_files": "pytest_sysaudit.facts.small_files:SmallFiles",
    "sockets": "pytest_sysaudit.facts.sockets",
    "ssh_client": "pytest_sysaudit.facts.ssh_client",
    "ssh_keys": "pytest_sysaudit.facts.ssh_keys",
    "ssh_wire": "pytest_sysaudit.facts.ssh_wire",
    "sshd": "pytest_sysaudit.facts.sshd",
    "startup_files": "pytest_sysaudit.facts.startup_files",
    "sudoers": "pytest_sysaudit.facts.sudoers",
    "sysctl": "pytest_sysaudit.facts.sysctl",
    "sysctl_files": "pytest_sysaudit.facts.sysctl_files",
    "sysctl_keys": "pytest_sysaudit.facts.sysctl_keys:SysctlKeys",
    "syslog": "pytest_sysaudit.facts.syslog",
    "texts": "pytest_sysaudit.facts.text_files:TextFiles",
    "time": "pytest_sysaudit.facts.clock",
    "timesync": "pytest_sysaudit.facts.timesync",
    "uid": "pytest_sysaudit.facts.uid",
    "uname": "pytest_sysaudit.facts.uname",
    "unit_programs": "pytest_sysaudit.facts.unit_programs",
    "unit_properties": "pytest_sysaudit.facts.unit_states:UnitProperties",
    "unit_states": "pytest_sysaudit.facts.unit_states:UnitStates",
    "units": "pytest_sysaudit.facts.units",
    "updates": "pytest_sysaudit.facts.updates",
    "user_entries": "pytest_sysaudit.facts.name_service:UserEntries",
    "user_groups": "pytest_sysaudit.facts.name_service:UserGroups",
    "verified_files": "pytest_sysaudit.facts.verified_files",
    "whoami": "pytest_sysaudit.facts.whoami",
}


def open_facts(
    transport: Transport,
    extra: Mapping[str, str | Reader] | None = None,
    *,
    user: str | None = None,
    tape: Tape | None = None,
) -> Facts:
    """Return the fact tables of the host behind *transport*; nothing is read yet.

    Args:
        transport: the way to the host.
        extra: further tables by name, as in `TABLES` or as callables.
        user: whom the commands run as; None: as the inventory says.
        tape: keeps the tables that are read, or has those that were; None: neither.
    """
    return Facts(transport, {**TABLES, **(extra or {})}, user, tape=tape)
