"""testinfra's backend ``sysaudit://``: its whole API over our transports.

What is guaranteed here, whatever module of testinfra asks:

- a refused sudo raises `Denied`, it never looks like exit code 1;
- a lost connection, a deadline or a cut-off output raises, it never looks like exit code -1;
- output in any encoding can be read as text; no command is run to find out the encoding;
- ``host.sudo()`` belongs to the thread or lane that entered it and changes nothing that others
  share;
- output is not logged, for it may hold secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import testinfra.backend
import testinfra.host
from testinfra.backend.base import BaseBackend
from testinfra.backend.base import CommandResult as TestinfraResult

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts import Facts
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.text import decode
from pytest_sysaudit.transport.base import Transport
from pytest_sysaudit.transport.sudo import sudo_line, sudo_result

if TYPE_CHECKING:
    from pytest_sysaudit.host import Host

SCHEME = "sysaudit"


@dataclass(frozen=True, slots=True)
class Link:
    """One open host: what it is, the way to it, and what it said about itself."""

    target: Target
    transport: Transport
    facts: Facts


class Resolver(Protocol):
    """What ``sysaudit://EXPRESSION`` means in this run."""

    def names(self, expression: str) -> Sequence[str]:
        """Return the names of the hosts that *expression* selects; raises if it selects none."""

    def host(self, name: str) -> Host:
        """Return the session's host *name*, opened at most once; raises the same error again."""


class SysauditBackend(BaseBackend):  # type: ignore[misc]  # testinfra ships no types
    """Runs testinfra's commands on one host of the inventory.

    testinfra makes backends itself, from a class and a name, and gives them nothing else. So the
    session's resolver has to hang on the class; `bind_resolver` and `reset_backend` are the only
    ones that touch it.
    """

    NAME = SCHEME
    resolver: ClassVar[Resolver | None] = None

    def __init__(
        self,
        hostname: str,
        *_args: Any,
        sudo: bool = False,
        sudo_user: str | None = None,
        link: Link | None = None,
        **_kwargs: Any,
    ) -> None:
        super().__init__(hostname, sudo=sudo, sudo_user=sudo_user)
        self._link = link
        # every thread, and every greenlet, has context variables of its own
        self._users: ContextVar[tuple[str, ...]] = ContextVar("sudo", default=())

    def __repr__(self) -> str:
        # It stands in testinfra's messages, which must not differ from run to run.
        return f"<{self.get_pytest_id()}>"

    @classmethod
    def get_hosts(cls, host: str, **_kwargs: Any) -> list[str]:
        """Return the names that ``sysaudit://host`` stands for."""
        return list(_resolver().names(host))

    @property
    def link(self) -> Link:
        """The open host; opened when a command first needs it."""
        if self._link is None:
            self._link = _resolver().host(self.hostname).backend.link
        return self._link

    def set_host(self, host: Any) -> None:
        """Take *host*, which testinfra made as its own `Host`, and make it one of ours."""
        from pytest_sysaudit.host import Host

        super().set_host(host)
        host.__class__ = Host

    @property
    def users(self) -> tuple[str, ...]:
        """Whom commands run as: each becomes the next through sudo; empty: the login's user."""
        first = (self.sudo_user or "root",) if self.sudo else ()
        return (*first, *self._users.get())

    def facts(self) -> Facts:
        """Return the fact tables, as the user sees them whom commands run as."""
        users = self.users
        return self.link.facts.as_user(users[-1] if users else None)

    @contextmanager
    def as_user(self, user: str | None) -> Iterator[None]:
        """Run what this thread or lane runs inside the block as *user* (None: root)."""
        before = self._users.get()
        self._users.set((*before, user or "root"))
        try:
            yield
        finally:
            self._users.set(before)  # a fixture may end in another context than it began in

    def run(
        self, command: str, *args: str, timeout: float | None = None, **_kwargs: Any
    ) -> TestinfraResult:
        """Run a shell line, *args* quoted into its ``%s``; *timeout* is in seconds.

        Raises:
            CannotAssess: as `Transport.run`.
        """
        line = asked = self.quote(command, *args)
        users = self.users
        for user in reversed(users[1:]):
            line = sudo_line(user, line)
        result = self.link.transport.run(line, timeout=timeout, user=users[0] if users else None)
        for user in users[1:]:
            result = sudo_result(user, replace(result, command=asked))
        return TestinfraResult(
            backend=self,
            exit_status=result.exit_code,
            command=self.encode(asked),
            _stdout=result.stdout,
            _stderr=result.stderr,
        )

    def get_encoding(self) -> str:
        """Return UTF-8; `decode` escapes what is not."""
        return "utf-8"

    def decode(self, data: bytes) -> str:
        """Return *data* as text; bytes that are not UTF-8 are escaped."""
        return decode(data)

    def encode(self, data: str) -> bytes:
        """Return *data* as UTF-8."""
        return data.encode("utf-8", "surrogateescape")


def _resolver() -> Resolver:
    resolver = SysauditBackend.resolver
    if resolver is None:
        raise CannotAssess(
            f"{SCHEME}:// names hosts of the inventory, and no inventory is loaded; "
            "use it in a pytest run with an inventory.yaml or --audit-inventory"
        )
    return resolver


def register_backend(resolver: Resolver | None = None) -> None:
    """Make ``sysaudit://`` known to testinfra, with *resolver* for its names."""
    testinfra.backend.BACKENDS[SCHEME] = f"{__name__}.{SysauditBackend.__name__}"
    SysauditBackend.resolver = resolver


def reset_backend() -> None:
    """Undo `register_backend`; testinfra forgets the hosts that it made for ``sysaudit://``."""
    SysauditBackend.resolver = None
    testinfra.backend.BACKENDS.pop(SCHEME, None)
    single, several = testinfra.host.Host._host_cache, testinfra.host.Host._hosts_cache  # noqa: SLF001 - no other door
    for key in [k for k, host in single.items() if _is_ours(host)]:
        del single[key]
    for hosts_key in [k for k, hosts in several.items() if any(map(_is_ours, hosts))]:
        del several[hosts_key]


def _is_ours(host: Any) -> bool:
    return isinstance(host.backend, SysauditBackend)
