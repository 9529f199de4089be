"""A host by the ssh program, as the rest of the package sees it."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from pytest_sysaudit.errors import CannotAssess, Denied, HostKeyError, TimedOut, Unreachable
from pytest_sysaudit.inventory.model import Host
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.base import Command, CommandResult, FileStat
from pytest_sysaudit.transport.command_files import CommandFiles
from pytest_sysaudit.transport.openssh.route import Route, Router
from pytest_sysaudit.transport.openssh.way import OpensshWay, connect
from pytest_sysaudit.transport.shell.become import Password, SecretStore, sudo_password
from pytest_sysaudit.transport.shell.executor import Executor, Settings
from pytest_sysaudit.transport.shell.identity import WHO, told

if TYPE_CHECKING:
    from pytest_sysaudit.transport.shell.request import Request

log = logging.getLogger("pytest_sysaudit.ssh")
T = TypeVar("T")


class OpensshTransport:
    """A `Transport` over the ssh program; made by `open`.

    Attributes:
        name: the target's name.
        identity: ``address``, ``host_key`` (SHA256:...), and of ``machine_id``, ``os`` and
            ``kernel`` those that the host tells.
    """

    def __init__(
        self,
        target: Target,
        route: Route,
        way: OpensshWay,
        secrets: SecretStore,
        folder: tempfile.TemporaryDirectory[str],
    ) -> None:
        entry = cast("Host", target.entry)
        self.name = target.name
        self.identity: Mapping[str, str] = {"address": way.address, "host_key": way.host_key}
        self._route = route
        self._way = way
        self._folder = folder
        self._settings = Settings(
            name=target.name,
            me=way.user,
            become=entry.become.user if entry.become else None,
            password=Password(sudo_password(target, way.user, secrets)),
            open_timeout=target.setting("open_timeout"),
            command_timeout=target.setting("command_timeout"),
            limit=target.setting("max_output"),
        )
        self._executor = Executor(way, self._settings, self._connect_again)
        self._files = {
            user: CommandFiles(target.name, partial(self._executor.run, user=user))
            for user in dict.fromkeys((way.user, self._settings.become or way.user))
        }
        self._alarm: threading.Timer | None = None
        self._ahead: list[tuple[Command, Request | CannotAssess]] = []
        self._told: dict[str | tuple[str, ...], CommandResult | CannotAssess] = {}

    @classmethod
    def open(
        cls,
        target: Target,
        secrets: SecretStore,
        targets: Mapping[str, Target],
        ahead: Sequence[Command] = (),
    ) -> OpensshTransport:
        """Log in and prove that commands run; see `pytest_sysaudit.transport.openssh`."""
        started = time.monotonic()
        total: float | None = target.setting("total_timeout")
        folder = tempfile.TemporaryDirectory(prefix="sysaudit-ssh-", ignore_cleanup_errors=True)
        try:
            route = Router(targets, Path(folder.name)).route(target)
            if total is not None:
                route = replace(
                    route,
                    connect_timeout=min(total, route.connect_timeout),
                    auth_timeout=min(total, route.auth_timeout),
                )
            transport = cls(target, route, connect(route), secrets, folder)
        except BaseException:
            folder.cleanup()
            raise
        try:
            transport._identify(ahead)
        except BaseException:
            transport.close()
            raise
        transport._set_alarm(total, started)
        return transport

    def _set_alarm(self, total: float | None, started: float) -> None:
        if total is None:
            return
        reason = TimedOut(
            f"{self.name}: the target took more than {total:g} s in all (total_timeout)"
        )
        left = max(0.0, total - (time.monotonic() - started))
        self._alarm = threading.Timer(left, self._executor.die, [reason])
        self._alarm.daemon = True
        self._alarm.start()

    def _identify(self, ahead: Sequence[Command]) -> None:
        """Ask which machine it is; what is to be asked first of all is written behind it."""
        executor, me = self._executor, self._settings.me
        executor.may_renew = False
        try:
            who = executor.send([WHO], self._settings.open_timeout, me)
            if ahead:
                sent = executor.send(ahead, self._settings.command_timeout, None)
                self._ahead = list(zip(ahead, sent, strict=True))
            answer = executor.finish(who, me)[0]
        except CannotAssess as error:
            answer = error
        if isinstance(answer, CannotAssess):
            raise answer if isinstance(answer, Unreachable) else Unreachable(str(answer))
        executor.may_renew = True
        self.identity = {**self.identity, **told(answer.stdout)}
        log.debug("%s: open: %s", self.name, self.identity)

    @property
    def connected(self) -> bool:
        """Whether the connection stands at this moment."""
        return self._way.alive

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

    def _ask(self, ask: Callable[[CommandFiles], T]) -> T:
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

    def _connect_again(self) -> OpensshWay:
        """Return a second connection, to the same host and nobody else."""
        before = self._way
        before.close()
        way = connect(self._route)
        if way.host_key != before.host_key:
            way.close()
            raise HostKeyError(
                f"{self.name}: after the connection broke, {way.address} shows another host key: "
                f"{way.host_key}, not {before.host_key}"
            )
        self._way = way
        return way

    def close(self) -> None:
        """Close the connection; what is under way on it fails. May be called twice."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._executor.close()
        self._folder.cleanup()
