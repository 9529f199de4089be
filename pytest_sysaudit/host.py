"""One Linux host as checks see it: testinfra's API, and facts, health and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import testinfra.host
import testinfra.modules

from pytest_sysaudit.backend import Link, SysauditBackend
from pytest_sysaudit.evidence.trail import collected
from pytest_sysaudit.facts import Facts, open_facts
from pytest_sysaudit.facts.base import Reader
from pytest_sysaudit.facts.plan import Plan
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.queries import AskingHost
from pytest_sysaudit.transport.asked import FACTS
from pytest_sysaudit.transport.base import FileStat, Transport

if TYPE_CHECKING:
    from pytest_sysaudit.facts.health import Health
    from pytest_sysaudit.facts.tape import Tape


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


def _for_facts(transport: Transport) -> Transport:
    """Return *transport* for fact tables; one that records or replays tells who asks."""
    asking_for = getattr(transport, "asking_for", None)
    return transport if asking_for is None else cast("Transport", asking_for(FACTS))


class Host(testinfra.host.Host):  # type: ignore[misc]  # testinfra ships no types
    """A testinfra host over one of our transports.

    Its modules (``host.file``, ``host.package``, ...) ask through `AskingHost`, so what could not
    be found out raises `CannotAssess` and is never a "no".

    Args:
        target: the inventory entry.
        transport: the open way to it.
        extra_facts: further fact tables by name, as in `pytest_sysaudit.facts.TABLES`.
        plan: what the checks of the run will ask, for `read_ahead`.
        tape: keeps the fact tables that are read, or has those that were; None: neither.
    """

    def __init__(
        self,
        target: Target,
        transport: Transport,
        *,
        extra_facts: Mapping[str, str | Reader] | None = None,
        plan: Plan | None = None,
        tape: Tape | None = None,
    ) -> None:
        facts = open_facts(_for_facts(transport), extra_facts, tape=tape)
        link = Link(target, transport, facts)
        super().__init__(SysauditBackend(target.name, link=link))
        self._plan = plan

    def read_ahead(self) -> None:
        """Read in one round trip what the plan says; what fails is raised by who asks for it.

        What the transport sent with the login, and has in its ``ahead()``, is not asked again.
        Does nothing without a plan, or where the transport cannot run several commands at once.
        """
        if self._plan is not None:
            facts = self._link.facts
            ahead = getattr(facts.transport, "ahead", None)
            with collected():  # nobody used it yet
                told = ahead() if ahead is not None else None
            facts.read_ahead(self._plan.tables, self._plan.keys, told)

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
        facts: Facts = self.backend.facts()
        return facts

    @property
    def health(self) -> Health:
        """Load, memory, disks, processes, sockets, users."""
        health: Health = self.facts.health
        return health

    @property
    def identity(self) -> Mapping[str, str]:
        """What identifies the host; see `Transport.identity`."""
        return self.transport.identity

    @property
    def sftp(self) -> Files:
        """Files: ``read``, ``stat`` and ``listdir``."""
        return Files(self.transport)

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self.transport.close()

    @classmethod
    def get_host(cls, hostspec: str, **kwargs: Any) -> testinfra.host.Host:
        """Return testinfra's host for *hostspec*; for ``sysaudit://NAME`` it is one of ours."""
        return testinfra.host.Host.get_host(hostspec, **kwargs)

    @classmethod
    def get_hosts(cls, hosts: Any, **kwargs: Any) -> list[testinfra.host.Host]:
        """Return testinfra's hosts for *hosts*; see `get_host`."""
        return list(testinfra.host.Host.get_hosts(hosts, **kwargs))

    def exists(self, command: str) -> bool:
        """Return whether *command* is in the path; asked once for each name."""
        return self._asking.exists(command)

    def find_command(self, command: str, extrapaths: Iterable[str] = ("/sbin", "/usr/sbin")) -> str:
        """Return the path of *command*; raises a ValueError if there is none."""
        return self._asking.find_command(command, extrapaths)

    def __getattr__(self, name: str) -> Any:
        if name not in testinfra.modules.modules:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        module = getattr(self._asking, name)
        setattr(self, name, module)
        return module

    @cached_property
    def _asking(self) -> AskingHost:
        return AskingHost(self.backend)

    @property
    def _link(self) -> Link:
        link: Link = self.backend.link
        return link
