"""A host over ssh, as the rest of the package sees it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from pytest_sysaudit.errors import (
    CannotAssess,
    ConnectionLost,
    Denied,
    HostKeyError,
    TimedOut,
    Unreachable,
)
from pytest_sysaudit.inventory.model import Host
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.lanes import wait
from pytest_sysaudit.transport.base import Command, CommandResult, FileStat
from pytest_sysaudit.transport.command_files import CommandFiles
from pytest_sysaudit.transport.shell.become import Password, SecretStore, sudo_password
from pytest_sysaudit.transport.shell.executor import Executor, Settings
from pytest_sysaudit.transport.shell.identity import WHO, told
from pytest_sysaudit.transport.ssh.connect import Connection, connect
from pytest_sysaudit.transport.ssh.files import NoSftp, SftpFiles
from pytest_sysaudit.transport.ssh.login import Login, resolve

if TYPE_CHECKING:
    import paramiko

    from pytest_sysaudit.transport.shell.request import Request

log = logging.getLogger("pytest_sysaudit.ssh")
T = TypeVar("T")

_NO_PROGRAM = (126, 127)
_SFTP_TRIES = 20
_PAUSE = 0.05


class _NoProgram(Exception):  # noqa: N818 - it is handled, never shown
    """The host lacks the program that reads files."""


class SshTransport:
    """A `Transport` over one ssh connection; made by `open`.

    Attributes:
        name: the target's name.
        identity: ``address``, ``host_key`` (SHA256:...), and of ``machine_id``, ``os`` and
            ``kernel`` those that the host tells.
    """

    def __init__(
        self, target: Target, login: Login, connection: Connection, secrets: SecretStore
    ) -> None:
        entry = cast("Host", target.entry)
        self.name = target.name
        self.identity: Mapping[str, str] = {
            "address": connection.address,
            "host_key": connection.host_key.fingerprint,
        }
        self._login = login
        self._secrets = secrets
        self._connection = connection
        self._settings = Settings(
            name=target.name,
            me=login.user,
            become=entry.become.user if entry.become else None,
            password=Password(sudo_password(target, login.user, secrets)),
            open_timeout=target.setting("open_timeout"),
            command_timeout=target.setting("command_timeout"),
            limit=target.setting("max_output"),
        )
        self._executor = Executor(connection, self._settings, self._connect_again)
        self._sftp = SftpFiles(target.name, self._sftp_channel)
        self._executor.shells.give_up = self._give_up_sftp
        self._files = {
            user: CommandFiles(target.name, partial(self._file_command, user))
            for user in dict.fromkeys((login.user, self._settings.become or login.user))
        }
        self._alarm: threading.Timer | None = None
        self._ahead: dict[str | tuple[str, ...], CommandResult | CannotAssess] = {}
        self._sent_ahead: list[Request | CannotAssess] = []
        self._asked_ahead: list[Command] = []

    @classmethod
    def open(
        cls,
        target: Target,
        secrets: SecretStore,
        targets: Mapping[str, Target],
        ahead: Sequence[Command] = (),
    ) -> SshTransport:
        """Log in and prove that commands run; see `pytest_sysaudit.transport.ssh.open_ssh`."""
        started = time.monotonic()
        total: float | None = target.setting("total_timeout")
        login = resolve(target, targets)
        if total is not None:
            login = replace(
                login,
                connect_timeout=min(total, login.connect_timeout),
                auth_timeout=min(total, login.auth_timeout),
            )
        transport = cls._opened(target, login, secrets, ahead, guess=True)
        transport.set_alarm(total, started)
        return transport

    @classmethod
    def _opened(
        cls,
        target: Target,
        login: Login,
        secrets: SecretStore,
        ahead: Sequence[Command],
        *,
        guess: bool,
    ) -> SshTransport:
        connection = connect(login, secrets, guess=guess)
        transport = cls(target, login, connection, secrets)
        transport._executor.may_renew = False
        try:
            transport._identify(ahead)
        except BaseException as error:
            transport.close()
            if isinstance(error, CannotAssess) and guess and connection.wire.guessed_wrong:
                log.debug("%s: its first channel is not 0; once more, step by step", target.name)
                return cls._opened(target, login, secrets, ahead, guess=False)
            raise
        transport._executor.may_renew = True
        return transport

    def set_alarm(self, total: float | None, started: float) -> None:
        """Give the target up when *total* seconds have passed since *started* (monotonic)."""
        if total is None:
            return
        left = total - (time.monotonic() - started)
        reason = TimedOut(
            f"{self.name}: the target took more than {total:g} s in all (total_timeout)"
        )
        self._alarm = threading.Timer(max(0.0, left), self._executor.die, [reason])
        self._alarm.daemon = True
        self._alarm.start()

    def _identify(self, ahead: Sequence[Command]) -> None:
        """Run the first command: it shows that commands run at all, and on which machine.

        What is to be asked first of all is written behind it.
        """
        executor, me = self._executor, self._settings.me
        seconds = self._settings.command_timeout
        try:
            who = executor.send([WHO], self._settings.open_timeout, me)
            if ahead:
                self._asked_ahead = list(ahead)
                self._sent_ahead = executor.send(ahead, seconds, None)
            answer = executor.finish(who, me)[0]
            if isinstance(answer, CannotAssess):
                raise answer
        except Unreachable:
            raise
        except CannotAssess as error:
            raise Unreachable(str(error)) from error
        self.identity = {**self.identity, **told(answer.stdout)}
        log.debug("%s: open: %s", self.name, self.identity)

    @property
    def connected(self) -> bool:
        """Whether the connection stands at this moment."""
        return self._connection.alive

    def ahead(self) -> Mapping[str | tuple[str, ...], CommandResult | CannotAssess]:
        """Return what came of the commands that were sent with the login, by command.

        An argv list stands there as a tuple.
        """
        sent, self._sent_ahead = self._sent_ahead, []
        if sent:
            answers = self._executor.finish(sent, None)
            for command, answer in zip(self._asked_ahead, answers, strict=True):
                self._ahead[command if isinstance(command, str) else tuple(command)] = answer
        return self._ahead

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
        return self._ask(
            lambda files: files.read(path, limit), lambda: self._sftp.read(path, limit)
        )

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path* itself; see `Transport.stat`."""
        return self._ask(lambda files: files.stat(path), lambda: self._sftp.stat(path))

    def listdir(self, path: str) -> list[str]:
        """Return the sorted names in a folder; see `Transport.listdir`."""
        return self._ask(lambda files: files.listdir(path), lambda: self._sftp.listdir(path))

    def _ask(self, by_command: Callable[[CommandFiles], T], by_sftp: Callable[[], T]) -> T:
        """Ask as the login user; where that one may not know, as who it can become.

        A command takes one round trip and SFTP two to four, so SFTP is for hosts without the
        programs.
        """
        me, become = self._settings.me, self._settings.become or self._settings.me
        try:
            return by_command(self._files[me])
        except _NoProgram as error:
            try:
                return self._by_sftp(by_sftp)
            except NoSftp:
                raise CannotAssess(f"{self.name}: {error}, and there is no SFTP") from error
        except Denied as error:
            if become == me:
                raise Denied(
                    f"{error}; set become in the inventory, if the audit's user may use sudo"
                ) from error
        return by_command(self._files[become])

    def _file_command(self, user: str, command: Command) -> CommandResult:
        result = self._executor.run(command, user=user)
        if result.exit_code in _NO_PROGRAM:
            raise _NoProgram(result.err.strip() or "a program is missing")
        return result

    def _by_sftp(self, ask: Callable[[], T]) -> T:
        import paramiko

        try:
            return wait(ask)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise ConnectionLost(
                f"{self.name}: the connection broke while a file was read over SFTP: {error}",
                final=False,
            ) from error

    def _sftp_channel(self) -> paramiko.Channel:
        import paramiko

        wire = self._connection.wire
        for _ in range(_SFTP_TRIES):
            try:
                channel = wire.open_session(timeout=self._settings.open_timeout)
            except paramiko.ChannelException:  # MaxSessions
                self._executor.shells.make_room()
                time.sleep(_PAUSE)
            else:
                channel.settimeout(self._settings.command_timeout)
                return channel
        raise NoSftp

    def _give_up_sftp(self) -> bool:
        was_open = self._sftp.is_open
        self._sftp.close()
        return was_open

    def _connect_again(self) -> Connection:
        """Return a second connection, to the same host and nobody else."""
        self._sftp.close()
        before = self._connection
        before.close()
        connection = connect(self._login, self._secrets)
        if connection.host_key != before.host_key:
            connection.close()
            raise HostKeyError(
                f"{self.name}: after the connection broke, {connection.address} shows another "
                f"host key: {connection.host_key.text}, not {before.host_key.text}"
            )
        self._connection = connection
        return connection

    def close(self) -> None:
        """Close the connection; what is under way on it fails. May be called twice."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._executor.close()
