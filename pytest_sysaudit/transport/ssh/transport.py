"""A host over ssh, as the rest of the package sees it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from pytest_sysaudit.errors import CannotAssess, Denied, TimedOut, Unreachable
from pytest_sysaudit.inventory.model import Host
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.base import Command, CommandResult, FileStat, show
from pytest_sysaudit.transport.command_files import CommandFiles
from pytest_sysaudit.transport.ssh.auth import SecretStore
from pytest_sysaudit.transport.ssh.become import Password, SudoRefused, SudoShell, open_sudo_shell
from pytest_sysaudit.transport.ssh.connect import Connection, connect
from pytest_sysaudit.transport.ssh.files import NoSftp, SftpFiles
from pytest_sysaudit.transport.ssh.framing import Reply
from pytest_sysaudit.transport.ssh.login import Login, resolve
from pytest_sysaudit.transport.ssh.session import Session

if TYPE_CHECKING:
    import paramiko

log = logging.getLogger("pytest_sysaudit.ssh")
T = TypeVar("T")

_MOST_SHELLS = 2  # with the command's own channel and SFTP that makes four

_WHO = """
echo "kernel=$(uname -sr)"
for file in /etc/machine-id /var/lib/dbus/machine-id; do
  if [ -r "$file" ]; then read -r id <"$file"; echo "machine_id=$id"; break; fi
done
for file in /etc/os-release /usr/lib/os-release; do
  if [ -r "$file" ]; then sed -n 's/^PRETTY_NAME=/os=/p' "$file"; break; fi
done
"""


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
        self._me = login.user
        self._become = entry.become.user if entry.become else None
        self._password = Password(_password(target, entry, login, secrets))
        self._command_timeout: float = target.setting("command_timeout")
        self._open_timeout: float = target.setting("open_timeout")
        self._limit: int = target.setting("max_output")
        self._shells: dict[str, SudoShell] = {}
        self._refused: dict[str, str] = {}
        self._session = Session(
            target.name,
            connection,
            open_timeout=self._open_timeout,
            limit=self._limit,
            make_room=self._make_room,
        )
        self._sftp = SftpFiles(target.name, self._sftp_channel)
        self._commands = CommandFiles(target.name, self.run)
        self._alarm: threading.Timer | None = None

    @classmethod
    def open(
        cls, target: Target, secrets: SecretStore, targets: Mapping[str, Target]
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
        transport = cls(target, login, connect(login, secrets), secrets)
        try:
            if total is not None:
                transport._set_alarm(total, total - (time.monotonic() - started))
            transport._identify()
        except BaseException:
            transport.close()
            raise
        return transport

    def _set_alarm(self, total: float, left: float) -> None:
        reason = TimedOut(
            f"{self.name}: the target took more than {total:g} s in all (total_timeout)"
        )
        self._alarm = threading.Timer(max(0.0, left), self._session.end, [reason])
        self._alarm.daemon = True
        self._alarm.start()

    def _identify(self) -> None:
        """Run the first command: it shows that commands run at all, and on which machine."""
        try:
            with self._session.busy(self._open_timeout, "looking for a shell"):
                reply = self._session.run(_WHO, b"", self._open_timeout)
        except Unreachable:
            raise
        except CannotAssess as error:
            raise Unreachable(str(error)) from error
        told = dict(
            line.split("=", 1)
            for line in reply.out.decode("utf-8", "backslashreplace").splitlines()
            if "=" in line
        )
        known: dict[str, str] = {
            name: told[name].strip("\"'")
            for name in ("machine_id", "os", "kernel")
            if told.get(name)
        }
        self.identity = {**self.identity, **known}
        log.debug("%s: open: %s", self.name, self.identity)

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        user: str | None = None,
    ) -> CommandResult:
        """Run *command*; see `Transport.run`."""
        seconds = timeout if timeout is not None else self._command_timeout
        wanted = user or self._become
        other = None if wanted == self._me else wanted
        started, clock = time.time(), time.monotonic()
        with self._session.busy(seconds, f"running `{show(command)[:200]}`"):
            reply = self._reply(command, stdin, seconds, other)
        duration = time.monotonic() - clock
        who = f"as {other}: " if other else ""
        log.debug("%s: %s%s: exit code %d", self.name, who, show(command), reply.exit_code)
        return CommandResult(
            command=command,
            exit_code=reply.exit_code,
            stdout=reply.out,
            stderr=reply.err,
            started=started,
            duration=duration,
        )

    def _reply(self, command: Command, stdin: bytes, seconds: float, other: str | None) -> Reply:
        if other is None:
            return self._session.run(command, stdin, seconds)
        return self._shell(other).run(command, stdin, seconds)

    def _shell(self, user: str) -> SudoShell:
        """Return the open shell of *user*, or open it; who was refused is not asked for again."""
        shell = self._shells.get(user)
        if shell is not None and shell.alive:
            return shell
        if user in self._refused:
            raise Denied(self._refused[user])
        self._shells = {name: kept for name, kept in self._shells.items() if kept.alive}
        while len(self._shells) >= _MOST_SHELLS:
            self._shells.pop(next(iter(self._shells))).close()
        try:
            shell = open_sudo_shell(
                self._session.start,
                user,
                self._password,
                name=self.name,
                timeout=self._open_timeout,
                limit=self._limit,
            )
        except SudoRefused as error:
            self._refused[user] = str(error)
            raise
        self._shells[user] = shell
        return shell

    def _make_room(self) -> None:
        """Give up a channel that is not in use: files first, then the oldest shell."""
        if self._sftp.is_open:
            self._sftp.close()
        elif self._shells:
            self._shells.pop(next(iter(self._shells))).close()

    def read(self, path: str, *, limit: int = 1 << 24) -> bytes:
        """Return the content of a regular file; see `Transport.read`."""
        return self._ask(
            f"reading {path}",
            partial(self._sftp.read, path, limit),
            partial(self._commands.read, path, limit),
        )

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path* itself; see `Transport.stat`."""
        return self._ask(
            f"looking at {path}",
            partial(self._sftp.stat, path),
            partial(self._commands.stat, path),
        )

    def listdir(self, path: str) -> list[str]:
        """Return the sorted names in a folder; see `Transport.listdir`."""
        return self._ask(
            f"listing {path}",
            partial(self._sftp.listdir, path),
            partial(self._commands.listdir, path),
        )

    def _ask(self, what: str, by_sftp: Callable[[], T], by_command: Callable[[], T]) -> T:
        """Ask over SFTP as the login user; where that may not or cannot answer, by a command."""
        try:
            with self._session.busy(self._command_timeout, what):
                return by_sftp()
        except NoSftp:
            log.debug("%s: %s without SFTP", self.name, what)
        except Denied:
            if self._become is None or self._become == self._me:
                raise
        return by_command()

    def _sftp_channel(self) -> paramiko.Channel:
        channel = self._session.channel()
        channel.settimeout(self._command_timeout)
        return channel

    def close(self) -> None:
        """Close the connection; what is under way on it fails. May be called twice."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._session.close()


def _password(
    target: Target, entry: Host, login: Login, secrets: SecretStore
) -> Callable[[], str] | None:
    """Return what resolves the sudo password, if the inventory names one."""
    reference = entry.become.password if entry.become else None
    if reference is None:
        return None
    purpose = f"sudo password of {login.user} on {target.name}"
    return lambda: secrets.get(reference, purpose=purpose, base=target.base)
