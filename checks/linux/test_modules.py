"""Kernel modules that a server does not need."""

from __future__ import annotations

import pytest

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Rare file systems and protocols, and what makes a stranger's plug a disk or a memory probe.
UNUSED = [
    "cramfs",
    "freevxfs",
    "hfs",
    "hfsplus",
    "jffs2",
    "udf",
    "dccp",
    "sctp",
    "rds",
    "tipc",
    "usb-storage",
    "firewire-core",
]


@pytest.mark.control(
    "kernel.modules",
    severity="low",
    frameworks={
        "cis-debian12": ["1.1.1.1", "1.1.1.9", "3.2.1"],
        "cis-dil": [
            "1.1.1.1",
            "1.1.1.2",
            "1.1.1.3",
            "1.1.1.4",
            "1.1.1.5",
            "1.1.1.6",
            "1.1.1.7",
            "1.1.1.8",
            "1.1.23",
            "3.4.1",
            "3.4.2",
            "3.4.3",
            "3.4.4",
        ],
        "nist-800-53": ["CM-6(a)", "CM-7(a)", "CM-7(b)", "MP-7"],
        "pci-dss-4": ["1.4", "1.4.2", "3.4", "3.4.2"],
        "dev-sec": ["os-10"],
    },
    inputs={"unused": UNUSED},
)
def test_unused_modules_are_blocked(host, audit):
    """File systems and protocols that nobody here uses cannot be loaded.

    Why: the kernel loads them for a mount, a plug or a packet, and their code is rarely looked at.

    Fix: write `install NAME /bin/false` and `blacklist NAME` into a file of /etc/modprobe.d, and
    `modprobe -r NAME`. Take those that are needed out of the input `unused`.
    """
    host.facts.boot.own_kernel()
    modules = host.facts.kernel_modules
    bad, unknown = [], []
    for name in audit.inputs.unused:
        try:
            if not modules.is_blacklisted(name) and modules.is_loadable(name):
                bad.append(f"{name} can be loaded")
            elif modules.has_modules and modules.is_loaded(name):
                bad.append(f"{name} is loaded, or a part of the kernel")
        except CannotAssess as error:
            unknown.append(error)
    audit.observe("found", bad)
    assert not bad, listed(bad)
    for error in unknown:
        raise error
