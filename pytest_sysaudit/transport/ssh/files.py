"""Files of a host over SFTP."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat as modes
from collections.abc import Callable
from typing import TypeVar

import paramiko

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.transport.base import FileStat
from pytest_sysaudit.transport.command_files import bounded, few_names

log = logging.getLogger("pytest_sysaudit.ssh")
T = TypeVar("T")

_PREFETCH_FROM = 1 << 15


class NoSftp(Exception):  # noqa: N818 - it is handled, never shown
    """The server gives no SFTP, or SFTP cannot answer."""


class SftpFiles:
    """Reads files over one SFTP channel, which is opened when it is first needed.

    Args:
        name: how messages call the host.
        open_channel: opens a session channel.
    """

    def __init__(self, name: str, open_channel: Callable[[], paramiko.Channel]) -> None:
        self._name = name
        self._open_channel = open_channel
        self._client: paramiko.SFTPClient | None = None
        self._missing = False

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of a regular file."""

        def work(client: paramiko.SFTPClient) -> bytes:
            facts = client.stat(os.fsencode(path))
            if not modes.S_ISREG(facts.st_mode or 0):  # opening a named pipe would block for ever
                raise CannotAssess(f"{self._name}: {path} is not a regular file")
            with client.open(os.fsencode(path), "rb") as handle:
                size = min(facts.st_size or 0, limit + 1)
                if size > _PREFETCH_FROM:
                    handle.prefetch(size)
                return bounded(self._name, path, handle.read(limit + 1), limit)

        return self._ask(path, work)

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path* itself."""

        def work(client: paramiko.SFTPClient) -> FileStat:
            facts = client.lstat(os.fsencode(path))
            values = (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_size, facts.st_mtime)
            if any(value is None for value in values):
                raise NoSftp
            mode, uid, gid, size, mtime = (int(value or 0) for value in values)
            return FileStat(path=path, mode=mode, uid=uid, gid=gid, size=size, mtime=mtime)

        return self._ask(path, work)

    def listdir(self, path: str) -> list[str]:
        """Return the names in the folder *path*."""

        def work(client: paramiko.SFTPClient) -> list[str]:
            names = client.listdir(os.fsencode(path))  # type: ignore[arg-type] # bytes do as well
            return few_names(self._name, path, names)

        return self._ask(path, work)

    def _ask(self, path: str, work: Callable[[paramiko.SFTPClient], T]) -> T:
        """Do *work*; SFTP's errors become ours.

        Raises:
            NoSftp: SFTP cannot answer; commands may.
        """
        try:
            return work(self._opened())
        except FileNotFoundError as error:
            raise NotApplicable(f"{self._name}: there is no {path}") from error
        except PermissionError as error:
            raise Denied(
                f"{self._name}: {path} may not be read: permission denied; set become in the "
                "inventory, if the audit's user may use sudo"
            ) from error
        except TimeoutError:
            self.close()
            raise
        except UnicodeDecodeError as error:  # a name that is not UTF-8
            raise NoSftp from error
        except OSError as error:
            if isinstance(error, socket.error) and "closed" in str(error):
                raise
            raise NoSftp from error

    def _opened(self) -> paramiko.SFTPClient:
        if self._missing:
            raise NoSftp
        if self._client is None:
            channel = self._open_channel()
            try:
                channel.invoke_subsystem("sftp")
                self._client = paramiko.SFTPClient(channel)
            except (paramiko.SSHException, EOFError) as error:
                channel.close()
                self._missing = True
                log.debug("%s: no SFTP: %s", self._name, error)
                raise NoSftp from error
        return self._client

    @property
    def is_open(self) -> bool:
        """Whether it holds a channel."""
        return self._client is not None

    def close(self) -> None:
        """Close the channel; the next question opens it again."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                client.close()
