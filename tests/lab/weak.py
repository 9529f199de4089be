"""The weak host: one fault for each control that can be made to fail on such a host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab import (
    disguise,
    nspawn,
    weak_accounts,
    weak_files,
    weak_kernel,
    weak_services,
    weak_ssh,
)
from lab.nspawn import LabError, Machine
from lab.plant import FRESH_LISTS, PACKAGES, Plant

#: Control -> its fault. The order counts: a file must be there before its mode is spoilt.
PLANTS: dict[str, Plant] = {
    **weak_accounts.PLANTS,
    **weak_files.PLANTS,
    **weak_ssh.PLANTS,
    **weak_services.PLANTS,
    **weak_kernel.PLANTS,
}
#: Controls that no fault is planted for, and why.
NOT_PLANTED = {"kernel.modules": "this kernel loads no modules"}
#: Texts that no report may hold.
SECRETS = (*weak_accounts.HASHES, *weak_files.SECRETS)

#: What is not there comes first: a package that goes may take a user along, and write files anew.
_GONE = ("libpam-pwquality", "logrotate")
_FIRST = [
    f"dpkg --purge {' '.join(_GONE)} >/dev/null 2>&1",
    "systemctl --quiet disable chrony auditd nftables",
    FRESH_LISTS,
    "useradd -m -s /bin/bash wide",
    "mkdir -p /etc/lab",
    # without PAM, sshd lets nobody in whose password begins with an exclamation mark
    "usermod -p '*' auditor",
]


def setup() -> list[str]:
    """Return the shell lines that make a tree weak."""
    kernel = {key: value for plant in PLANTS.values() for key, value in plant.kernel.items()}
    planted = [plant.setup for plant in PLANTS.values() if plant.setup and not plant.later]
    seen = disguise.machine(
        cmdline=weak_kernel.CMDLINE,
        kernel=kernel,
        mitigation="Vulnerable",
        apparmor=False,
        audit=(0, "No rules"),
        healthy=False,
    )
    return [*_FIRST, *planted, *seen]


def settings() -> dict[str, object]:
    """Return what the inventory says of this host, with bounds that no host keeps."""
    inputs = {control: dict(plant.inputs) for control, plant in PLANTS.items() if plant.inputs}
    return {"vars": {"allowed_ports": [22, 443]}, "inputs": inputs}


@contextmanager
def weak_host() -> Iterator[Machine]:
    """Boot it, and plant what can only be planted on a running host."""
    net = {key: value for plant in PLANTS.values() for key, value in plant.net.items()}
    with nspawn.booted_host(
        "weak", setup(), sysctls=net, packages=PACKAGES, lists=True, overlay=False
    ) as machine:
        plant_running(machine, later=False)
        yield machine


def plant_running(machine: Machine, *, later: bool) -> None:
    """Run the lines of all faults that come at this time on the host."""
    for control, plant in PLANTS.items():
        if plant.running and plant.later is later:
            done = machine.run(f"set -e\n{plant.running}")
            if done.returncode:
                raise LabError(f"{control}: {done.stderr}")
