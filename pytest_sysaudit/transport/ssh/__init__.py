"""Hosts reached over ssh, on paramiko; it is imported when the first one is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.target import Target
    from pytest_sysaudit.transport.base import Command
    from pytest_sysaudit.transport.shell.become import SecretStore
    from pytest_sysaudit.transport.ssh.transport import SshTransport


def open_ssh(
    target: Target,
    secrets: SecretStore,
    inventory_targets: Mapping[str, Target],
    ahead: Sequence[Command] = (),
) -> SshTransport:
    """Log in to *target* and prove that commands run there.

    Args:
        target: a host of kind ssh.
        secrets: resolves ``env:``, ``file:`` and ``prompt``.
        inventory_targets: every target by name; jump hosts are looked up among them.
        ahead: commands that are sent together with the first one; `SshTransport.ahead` has what
            came of them.

    Raises:
        Unreachable: it did not let us in, with the reason and the way out.
        SecretError: a secret that the login needs cannot be had.
    """
    from pytest_sysaudit.transport.ssh.transport import SshTransport

    return SshTransport.open(target, secrets, inventory_targets, ahead)


__all__ = ["open_ssh"]
