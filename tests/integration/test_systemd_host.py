"""The lab host itself: it boots, answers, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from lab import nspawn

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(nspawn.why_not()), reason=nspawn.why_not() or "never"),
]


def traces() -> set[str]:
    """What a host could leave behind, of this process."""
    mine = f"lab{os.getpid():x}"
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    spaces = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    mounts = Path("/proc/self/mounts").read_text()
    processes = [path.read_bytes().decode() for path in Path("/proc").glob("[0-9]*/cmdline")]
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{mine}*")]
    lines = [*links.splitlines(), *spaces.splitlines(), *mounts.splitlines(), *processes, *groups]
    return {line for line in lines if mine in line}


def test_two_hosts_live_side_by_side_and_leave_nothing():
    with (
        nspawn.booted_host("one", ["echo here >/etc/motd"]) as one,
        nspawn.booted_host("two", sysctls={"net.ipv4.ip_forward": "1"}) as two,
    ):
        assert traces()
        for machine in (one, two):
            assert machine.run("hostname").stdout.strip() == machine.name
            assert machine.run("cat /proc/1/comm").stdout.strip() == "systemd"
            assert machine.run("id -un", user="auditor").stdout.strip() == "auditor"
        assert one.run("cat /etc/motd").stdout.strip() == "here"
        assert two.run("cat /proc/sys/net/ipv4/ip_forward").stdout.strip() == "1"
        assert one.run("cat /proc/sys/net/ipv4/ip_forward").stdout.strip() == "0"
        keys = [machine.known_hosts.read_text().split()[2] for machine in (one, two)]
        assert keys[0] != keys[1]
        trees = [machine.tree for machine in (one, two)]
    assert traces() == set()
    assert not any(tree.parent.exists() for tree in trees)


def test_kernel_settings_are_seen_by_that_host_only():
    here = Path("/proc/sys/kernel/kptr_restrict")
    before = here.read_text()
    other = "1" if before.strip() == "2" else "2"
    setup = nspawn.kernel_settings({"kernel.kptr_restrict": other, "kernel.no_such_key": "1"})
    with nspawn.booted_host("kernel", setup) as machine:
        assert machine.run(f"cat {here}").stdout.strip() == other
        assert here.read_text() == before


def test_a_setup_line_that_fails_is_told():
    with (
        pytest.raises(nspawn.LabError, match="no-such-file"),
        nspawn.booted_host("broken", ["cat /no-such-file"]),
    ):
        pytest.fail("it must not start")
    assert traces() == set()
