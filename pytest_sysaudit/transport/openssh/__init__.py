"""Hosts reached by the ssh program of this machine, for what paramiko cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.target import Target
    from pytest_sysaudit.transport.base import Command
    from pytest_sysaudit.transport.openssh.transport import OpensshTransport
    from pytest_sysaudit.transport.shell.become import SecretStore


def open_openssh(
    target: Target,
    secrets: SecretStore,
    inventory_targets: Mapping[str, Target],
    ahead: Sequence[Command] = (),
) -> OpensshTransport:
    """Log in to *target* and prove that commands run there.

    Args:
        target: a host with ``connection: openssh``.
        secrets: resolves the sudo password.
        inventory_targets: every target by name; jump hosts are looked up among them.
        ahead: commands that are sent together with the first one; `OpensshTransport.ahead` has
            what came of them.

    Raises:
        Unreachable: it did not let us in, with the reason and the way out.
    """
    from pytest_sysaudit.transport.openssh.transport import OpensshTransport

    return OpensshTransport.open(target, secrets, inventory_targets, ahead)


__all__ = ["open_openssh"]
