"""Ways to a host: which one a target needs, opened on demand."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport.base import Command, Transport

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.secrets import Secrets

Opener = Callable[[Target, "Secrets", Mapping[str, Target]], Transport]
"""Opens the way to a target, given the secrets and all targets (jump hosts are among them)."""

#: Where the opener of each connection is (a host's ``connection:``, which is its kind but for
#: ``openssh``); imported when the first such target is opened.
OPENERS: Mapping[str, str] = {
    Kind.LOCAL: "pytest_sysaudit.transport.local:open_local",
    Kind.SSH: "pytest_sysaudit.transport.ssh:open_ssh",
    "openssh": "pytest_sysaudit.transport.openssh:open_openssh",
}


def open_transport(
    target: Target,
    secrets: Secrets,
    inventory_targets: Mapping[str, Target],
    extra: Mapping[str, str | Opener] | None = None,
    ahead: Sequence[Command] = (),
) -> Transport:
    """Open the way to *target*; the caller keeps it, and the error too.

    Args:
        target: a host.
        secrets: resolves what the inventory names as ``env:``, ``file:`` or ``prompt``.
        inventory_targets: every target by name.
        extra: openers by connection that come before our own, as ``"module:function"`` or a
            callable.
        ahead: commands that may be sent together with the login, by openers that take them.

    Raises:
        Unreachable: the target did not let us in.
        CannotAssess: no transport reaches this kind of target.
        SecretError: a secret cannot be had.
    """
    connection = getattr(target.entry, "connection", None)
    way = connection if connection == "openssh" else target.kind
    opener = {**OPENERS, **(extra or {})}.get(way)
    if opener is None:
        raise CannotAssess(
            f"{target.name}: no transport for targets of kind {target.kind.value!r}; "
            "only hosts (local, ssh) run commands"
        )
    if isinstance(opener, str):
        opener = cast("Opener", pkgutil.resolve_name(opener))
    if ahead and "ahead" in inspect.signature(opener).parameters:
        return opener(target, secrets, inventory_targets, ahead=ahead)  # type: ignore[call-arg]
    return opener(target, secrets, inventory_targets)
