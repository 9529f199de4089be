"""One Linux host as checks see it: testinfra's API, and facts, health and files."""

from __future__ import annotations

from typing import Any

import testinfra.host

from pytest_sysaudit.backend import Link, SysauditBackend
from pytest_sysaudit.facts import Facts, open_facts
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.base import FileStat, Transport


class Files:
    """The files of a host, read over SFTP or, on this machine, through the operating system."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def read(self, path: str, *, limit: int = 1 << 24) -> bytes:
        """Return the bytes of the file at *path*; errors as `Transport.read`."""
        return self._transport.read(path, limit=limit)

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path* itself, links not followed."""
        return self._transport.stat(path)

    def listdir(self, path: str) -> list[str]:
        """Return the sorted names in the folder *path*."""
        return self._transport.listdir(path)


class Host(testinfra.host.Host):  # type: ignore[misc]  # testinfra ships no types
    """A testinfra host over one of our transports."""

    def __init__(self, target: Target, transport: Transport, facts: Facts | None = None) -> None:
        link = Link(target, transport, facts or open_facts(transport))
        super().__init__(SysauditBackend(target.name, link=link))

    @property
    def target(self) -> Target:
        """The inventory entry."""
        return self._link.target

    @property
    def transport(self) -> Transport:
        """The way to the host."""
        return self._link.transport

    @property
    def facts(self) -> Facts:
        """The fact tables, as the user sees them that ``host.sudo()`` chose."""
        users = self.backend.users
        return self._link.facts.as_user(users[-1] if users else None)

    @property
    def health(self) -> Any:
        """Load, memory, disks, processes, sockets; see `pytest_sysaudit.facts.health.Health`."""
        return self.facts.health

    @property
    def sftp(self) -> Files:
        """Files: ``read``, ``stat`` and ``listdir``."""
        return Files(self.transport)

    @property
    def _link(self) -> Link:
        link: Link = self.backend.link
        return link
