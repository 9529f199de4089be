"""A host whose shells run its commands, as the rest of the package sees it."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast

from pytest_sysaudit.errors import CannotAssess, Denied, HostKeyError, TimedOut, Unreachable
from pytest_sysaudit.inventory.model import Host
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.base import Command, CommandResult, FileStat
from pytest_sysaudit.transport.command_files import CommandFiles
from pytest_sysaudit.transport.shell.become import Password, SecretStore, sudo_password
from pytest_sysaudit.transport.shell.executor import Executor
from pytest_sysaudit.transport.shell.identity import WHO, told
from pytest_sysaudit.transport.shell.way import Settings, Way

if TYPE_CHECKING:
    from pytest_sysaudit.transport.shell.request import Request

log = logging.getLogger("pytest_sysaudit.ssh")
T = TypeVar("T")


class Connection(Way, Protocol):
    """A `Way` that knows where it leads."""

    @property
    def address(self) -> str:
        """Where its packets go: ``address:port``."""

    @property
    def direct(self) -> bool:
        """Whether it goes through no other host."""


class Files(Protocol):
    """Reads the files of a host; see `Transport`."""

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file."""

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path* itself."""

    def listdir(self, path: str) -> list[str]:
        """Return the sorted names in a folder."""


class Timed(Protocol):
    """How to log in, a dataclass, with seconds for the two parts of it."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def connect_timeout(self) -> float:
        """Until the host key is known."""

    @property
    def auth_timeout(self) -> float:
        """Until we are in."""


C = TypeVar("C", bound=Connection)
L = TypeVar("L", bound=Timed)


def within_total(login: L, target: Target) -> L:
    """Return *login* with no part longer than the ``total_timeout`` of *target*."""
    total: float | None = target.setting("total_timeout")
    if total is None:
        return login
    return replace(
        login,
        connect_timeout=min(total, login.connect_timeout),
        auth_timeout=min(total, login.auth_timeout),
    )


class ShellTransport(ABC, Generic[C]):
    """A `Transport` over shells; a subclass says how to log in, and how to do so once more.

    Args:
        target: a host.
        connection: the open one.
        me: who is logged in.
        host_key: the fingerprint of the host's key, SHA256:...
        secrets: resolves the sudo password.

    Attributes:
        name: the target's name.
        identity: ``address``, ``host_key`` (SHA256:...), and of ``machine_id``, ``os`` and
            ``kernel`` those that the host tells.
    """

    def __init__(
        self, target: Target, connection: C, *, me: str, host_key: str, secrets: SecretStore
    ) -> None:
        entry = cast("Host", target.entry)
        self.name = target.name
        self.identity: Mapping[str, str] = {"address": connection.address, "host_key": host_key}
        self._connection = connection
        self._settings = Settings(
            name=target.name,
            me=me,
            become=entry.become.user if entry.become else None,
            password=Password(sudo_password(target, me, secrets)),
            open_timeout=target.setting("open_timeout"),
            command_timeout=target.setting("command_timeout"),
            limit=target.setting("max_output"),
        )
        self._executor = Executor(connection, self._settings, self._connect_again)
        self._files = {
            user: CommandFiles(target.name, partial(self._file_command, user))
            for user in dict.fromkeys((me, self._settings.become or me))
        }
        self._total: float | None = target.setting("total_timeout")
        self._alarm: threading.Timer | None = None
        self._ahead: list[tuple[Command, Request | CannotAssess]] = []
        self._told: dict[str | tuple[str, ...], CommandResult | CannotAssess] = {}

    @abstractmethod
    def _log_in_again(self) -> C:
        """Return a new connection to where the first one led."""

    @abstractmethod
    def _key_text(self, connection: C) -> str:
        """Return the host key that *connection* was shown, for messages."""

    def _begin(self, ahead: Sequence[Command], started: float) -> None:
        """See a first command run, with *ahead* behind it, and set the alarm; else close.

        Raises:
            Unreachable: no command runs, and why.
        """
        self._executor.may_renew = False
        try:
            self._identify(ahead)
        except BaseException:
            self.close()
            raise
        self._executor.may_renew = True
        if self._total is not None:
            self._set_alarm(self._total, started)

    def _identify(self, ahead: Sequence[Command]) -> None:
        """Ask which machine it is; what is to be asked first of all is written behind it."""
        executor, me = self._executor, self._settings.me
        try:
            who = executor.send([WHO], self._settings.open_timeout, me)
            if ahead:
                sent = executor.send(ahead, self._settings.command_timeout, None)
                self._ahead = list(zip(ahead, sent, strict=True))
            answer = executor.finish(who, me)[0]
            if isinstance(answer, CannotAssess):
                raise answer
        except Unreachable:
            raise
        except CannotAssess as error:
            raise Unreachable(str(error)) from error
        self.identity = {**self.identity, **told(answer.stdout)}
        log.debug("%s: open: %s", self.name, self.identity)

    def _set_alarm(self, total: float, started: float) -> None:
        """Give the target up when *total* seconds have passed since *started* (monotonic)."""
        left = max(0.0, total - (time.monotonic() - started))
        reason = TimedOut(
            f"{self.name}: the target took more than {total:g} s in all (total_timeout)"
        )
        self._alarm = threading.Timer(left, self._executor.die, [reason])
        self._alarm.daemon = True
        self._alarm.start()

    @property
    def connected(self) -> bool:
        """Whether the connection stands at this moment."""
        return self._connection.alive

    @property
    def straight(self) -> str:
        """``address:port`` where another connection from here meets the same server; "" if none."""
        return self._connection.address if self._connection.direct else ""

    def ahead(self) -> Mapping[str | tuple[str, ...], CommandResult | CannotAssess]:
        """Return what came of the commands that were sent with the login, by command.

        An argv list stands there as a tuple.
        """
        sent, self._ahead = self._ahead, []
        answers = self._executor.finish([request for _, request in sent], None)
        for (command, _), answer in zip(sent, answers, strict=True):
            self._told[command if isinstance(command, str) else tuple(command)] = answer
        return self._told

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        user: str | None = None,
    ) -> CommandResult:
        """Run *command*; see `Transport.run`."""
        return self._executor.run(command, stdin=stdin, timeout=timeout, user=user)

    def run_many(
        self,
        commands: Sequence[Command],
        *,
        timeout: float | None = None,
        user: str | None = None,
    ) -> list[CommandResult | CannotAssess]:
        """Run *commands* in one round trip; see `Executor.run_many`."""
        return self._executor.run_many(commands, timeout=timeout, user=user)

    def read(self, path: str, *, limit: int = 1 << 24) -> bytes:
        """Return the content of a regular file; see `Transport.read`."""
        return self._ask(lambda files: files.read(path, limit))

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path* itself; see `Transport.stat`."""
        return self._ask(lambda files: files.stat(path))

    def listdir(self, path: str) -> list[str]:
        """Return the sorted names in a folder; see `Transport.listdir`."""
        return self._ask(lambda files: files.listdir(path))

    def _ask(self, ask: Callable[[Files], T]) -> T:
        """Ask as the login user; where that one may not know, as who it can become."""
        me, become = self._settings.me, self._settings.become or self._settings.me
        try:
            return ask(self._files[me])
        except Denied as error:
            if become == me:
                raise Denied(
                    f"{error}; set become in the inventory, if the audit's user may use sudo"
                ) from error
        return ask(self._files[become])

    def _file_command(self, user: str, command: Command) -> CommandResult:
        return self._executor.run(command, user=user)

    def _connect_again(self) -> C:
        """Return a second connection, to the same host and nobody else."""
        before = self._connection
        before.close()
        connection = self._log_in_again()
        old, new = self._key_text(before), self._key_text(connection)
        if new != old:
            connection.close()
            raise HostKeyError(
                f"{self.name}: after the connection broke, {connection.address} shows another "
                f"host key: {new}, not {old}"
            )
        self._connection = connection
        return connection

    def close(self) -> None:
        """Close the connection; what is under way on it fails. May be called twice."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._executor.close()
