"""Hosts over both ssh transports, which say the same of what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from lab.faults import Address
from lab.sshd import Secrets, ssh_target

from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.openssh import open_openssh
from pytest_sysaudit.transport.ssh import open_ssh

Opener = Callable[..., Any]
EITHER_WAY = pytest.mark.parametrize("opener", [open_ssh, open_openssh])
"""Marks a test that holds for both transports."""


def at(address: Address, tmp_path: Path, **entry: object) -> Target:
    """A target at a faulty address."""
    (tmp_path / "known_hosts").touch()
    ssh = {"known_hosts": str(tmp_path / "known_hosts"), "config_file": "none", "agent": False}
    plain = {"address": address[0], "port": address[1], "ssh": ssh, "connect_timeout": 0.8}
    return ssh_target(**{**plain, **entry})  # type: ignore[arg-type]


def refusal(
    opener: Opener,
    target: Target,
    *others: Target,
    kind: type[Unreachable] = Unreachable,
    secrets: Secrets | None = None,
) -> str:
    """Why *opener* cannot reach *target*, which has *others* on the way: a *kind* of error."""
    targets: Mapping[str, Target] = {other.name: other for other in (target, *others)}
    with pytest.raises(kind) as caught:
        opener(target, secrets or Secrets(), targets)
    text = str(caught.value)
    assert text.startswith("web1: ")
    return text


def same(target: Target, until: str = "", kind: type[Unreachable] = Unreachable) -> str:
    """What the ssh program makes of it; paramiko says the same, up to the words *until*."""
    ours, theirs = (refusal(opener, target, kind=kind) for opener in (open_openssh, open_ssh))
    assert until in ours
    assert _before(until, ours) == _before(until, theirs)
    return ours


def _before(end: str, text: str) -> str:
    return text.partition(end)[0] if end else text
