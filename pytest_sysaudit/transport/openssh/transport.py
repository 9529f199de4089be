"""A host by the ssh program, as the rest of the package sees it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.base import Command
from pytest_sysaudit.transport.openssh.route import Route, Router
from pytest_sysaudit.transport.openssh.way import OpensshWay, connect
from pytest_sysaudit.transport.shell.become import SecretStore
from pytest_sysaudit.transport.shell.transport import ShellTransport, within_total


class OpensshTransport(ShellTransport[OpensshWay]):
    """A `Transport` over the ssh program; made by `open`."""

    def __init__(
        self,
        target: Target,
        route: Route,
        way: OpensshWay,
        secrets: SecretStore,
        folder: tempfile.TemporaryDirectory[str],
    ) -> None:
        super().__init__(target, way, me=way.user, host_key=way.host_key, secrets=secrets)
        self._route = route
        self._folder = folder

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
        folder = tempfile.TemporaryDirectory(prefix="sysaudit-ssh-", ignore_cleanup_errors=True)
        try:
            route = within_total(Router(targets, Path(folder.name)).route(target), target)
            transport = cls(target, route, connect(route), secrets, folder)
        except BaseException:
            folder.cleanup()
            raise
        transport._begin(ahead, started)
        return transport

    def _log_in_again(self) -> OpensshWay:
        return connect(self._route)

    def _key_text(self, connection: OpensshWay) -> str:
        return connection.host_key

    def close(self) -> None:
        """Close the connection; what is under way on it fails. May be called twice."""
        super().close()
        self._folder.cleanup()
