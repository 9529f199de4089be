"""A recorded run whose targets can be asked again, with nothing behind them."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pytest_sysaudit.connections import Connections
from pytest_sysaudit.errors import SecretError, SysauditError
from pytest_sysaudit.evidence.bundle import open_bundle
from pytest_sysaudit.evidence.player import BundlePlayer
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.inventory.load import LoadedInventory, load
from pytest_sysaudit.inventory.secrets import Secrets
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.aws.session import AwsSession
    from pytest_sysaudit.host import Host
    from pytest_sysaudit.http.client import HttpClient
    from pytest_sysaudit.inventory.target import Target
    from pytest_sysaudit.network.sniffer import Sniffer


class Recording:
    """What ``--audit-evidence`` recorded in the folder *path*.

    `host`, `aws`, `http` and `network` hand out what the fixtures of a check do; they answer as the
    targets did, and raise `CannotAssess` for what nobody asked when it was recorded.

    Attributes:
        bundle: the recording itself.
        player: what answers.
        path: where it lies.

    Raises:
        EvidenceError: there is no recording, or it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.bundle = open_bundle(self.path)
        self.player = BundlePlayer(self.bundle)

    @property
    def now(self) -> datetime:
        """When the recorded run began, in UTC."""
        return datetime.fromisoformat(str(self.bundle.begin["started"]))

    @cached_property
    def inventory(self) -> LoadedInventory:
        """The inventory of the recorded run; files that it names need not be here."""
        told: Mapping[str, Plain] = self.bundle.begin["inventory"]
        if not told["text"]:
            return LoadedInventory.implicit()
        place = Path(str(told["path"]))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / (place.name or "inventory.yaml")
            file.write_text(str(told["text"]), "utf-8")
            found = load(file, check_files=False)
        path = place if told["path"] else None
        return dataclasses.replace(found, path=path, sha256=str(told["sha256"]))

    def change(self, name: str) -> dict[str, Plain]:
        """Return how the entry of the target *name* was changed for its stand-in; {}: not."""
        known = self.player.find("target", name, {"standin": True})
        return dict(known.answer or {}) if known else {}

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        """Every target of the recorded inventory by its name."""
        found = self.inventory.targets.items()
        return {name: target.changed(self.change(name)) for name, target in found}

    def host(self, name: str) -> Host:
        """Return the host *name*; raises as opening it did."""
        return self._connections.host(self._target(name))

    def aws(self, name: str) -> AwsSession:
        """Return the session of the AWS account *name*."""
        return self._connections.aws(self._target(name))

    def http(self, name: str) -> HttpClient:
        """Return the client of the HTTP endpoint *name*."""
        return self._connections.http(self._target(name))

    def network(self, name: str) -> Sniffer:
        """Return the sniffer of the network *name*."""
        return self._connections.network(self._target(name))

    def _target(self, name: str) -> Target:
        if name not in self.targets:
            known = ", ".join(sorted(self.targets)) or "none"
            raise SysauditError(
                f"{self.path}: no target {name!r} was recorded (there are: {known})"
            )
        return self.targets[name]

    @cached_property
    def _connections(self) -> Connections:
        nobody = Secrets(Redactor(), _nobody, lambda: False)
        return Connections(self.targets, nobody, player=self.player)


def _nobody(question: str) -> NoReturn:
    raise SecretError(f"a recording asks for no secrets ({question})")
