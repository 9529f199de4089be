"""A host over ssh, as the rest of the package sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pytest_sysaudit.errors import CannotAssess, ConnectionLost
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.lanes import wait
from pytest_sysaudit.transport.base import Command, CommandResult
from pytest_sysaudit.transport.shell.become import SecretStore
from pytest_sysaudit.transport.shell.transport import Files, ShellTransport, log, within_total
from pytest_sysaudit.transport.ssh.connect import Connection, connect
from pytest_sysaudit.transport.ssh.files import NoSftp, SftpFiles
from pytest_sysaudit.transport.ssh.login import Login, resolve

if TYPE_CHECKING:
    import paramiko

T = TypeVar("T")

_NO_PROGRAM = (126, 127)
_SFTP_TRIES = 20
_PAUSE = 0.05


class _NoProgram(Exception):  # noqa: N818 - it is handled, never shown
    """The host lacks the program that reads files."""


class SshTransport(ShellTransport[Connection]):
    """A `Transport` over one ssh connection; made by `open`."""

    def __init__(
        self, target: Target, login: Login, connection: Connection, secrets: SecretStore
    ) -> None:
        fingerprint = connection.host_key.fingerprint
        super().__init__(target, connection, me=login.user, host_key=fingerprint, secrets=secrets)
        self._login = login
        self._secrets = secrets
        self._sftp = SftpFiles(target.name, self._sftp_channel)
        self._executor.shells.give_up = self._give_up_sftp

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
        login = within_total(resolve(target, targets), target)
        connection = connect(login, secrets)
        transport = cls(target, login, connection, secrets)
        try:
            transport._begin(ahead, started)
        except CannotAssess:
            if not connection.wire.guessed_wrong:
                raise
            log.debug("%s: its first channel is not 0; once more, step by step", target.name)
            transport = cls(target, login, connect(login, secrets, guess=False), secrets)
            transport._begin(ahead, started)
        return transport

    def _ask(self, ask: Callable[[Files], T]) -> T:
        """Ask by commands; of a host without the programs, over SFTP.

        A command takes one round trip and SFTP two to four.
        """
        try:
            return super()._ask(ask)
        except _NoProgram as error:
            try:
                return self._by_sftp(partial(ask, self._sftp))
            except NoSftp:
                raise CannotAssess(f"{self.name}: {error}, and there is no SFTP") from error

    def _file_command(self, user: str, command: Command) -> CommandResult:
        result = super()._file_command(user, command)
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
        self._sftp.close()
        return super()._connect_again()

    def _log_in_again(self) -> Connection:
        return connect(self._login, self._secrets)

    def _key_text(self, connection: Connection) -> str:
        return connection.host_key.text
