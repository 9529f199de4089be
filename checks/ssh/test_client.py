"""What the ssh program does by default for everybody on the host."""

from __future__ import annotations

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

CONFIG = "/etc/ssh/ssh_config"


@pytest.mark.control(
    "ssh.client",
    severity="low",
    frameworks={"dev-sec": ["ssh-01", "ssh-07", "ssh-11", "ssh-12", "ssh-22"]},
    inputs={"stricthostkeychecking": ["ask", "yes", "true"]},
)
def test_the_client_trusts_no_stranger(host, audit):
    """By default ssh asks before it trusts a host, and forwards neither agent nor screen to it.

    Why: a host that was never checked may be somebody else's; who is root there can use a
    forwarded agent to log in as the user, and a forwarded screen to read his keyboard.

    Fix: set StrictHostKeyChecking ask, ForwardAgent no and ForwardX11 no in /etc/ssh/ssh_config,
    which only root may change.
    """
    client = host.facts.ssh_client
    wanted = {
        "stricthostkeychecking": audit.inputs.stricthostkeychecking,
        "forwardagent": ["no"],
        "forwardx11": ["no"],
    }
    found = audit.observe("settings", {name: client[name] for name in wanted})
    bad = [f"{name} is {value}" for name, value in found.items() if value not in wanted[name]]
    file = host.facts.paths[CONFIG]
    if file.holds("e"):
        if file.details is None:
            audit.cannot_assess(f"{CONFIG}: stat says nothing about it")
        if file.details.uid != 0 or file.details.permissions & 0o022:
            bad.append(f"{CONFIG} can be changed by others than root")
    assert not bad, listed(bad)
