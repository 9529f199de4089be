"""Options of the folders that everybody may write to."""
# ruff: noqa: S108 - these folders are what is judged

from __future__ import annotations

import pytest

pytestmark = pytest.mark.platform("linux")


@pytest.mark.control(
    "mount.tmp",
    severity="medium",
    frameworks={
        "cis-debian12": ["1.1.2.1.1", "1.1.2.1.2", "1.1.2.1.3", "1.1.2.1.4"],
        "cis-dil": ["1.1.2", "1.1.3", "1.1.4", "1.1.5"],
        "nist-800-53": ["AC-6", "AC-6(1)", "CM-6(a)", "CM-7(a)", "CM-7(b)", "MP-7", "SC-5(2)"],
        "dev-sec": ["os-14", "os-15", "os-16"],
    },
    inputs={"options": ["nodev", "nosuid", "noexec"]},
)
def test_tmp_is_a_mount_of_its_own(host, audit):
    """/tmp is a file system of its own that runs no programs.

    Why: everybody may write there. Without these options it holds programs, set-uid programs and
    device files of strangers; on the root file system it can also fill that up.

    Fix: enable tmp.mount, or give /tmp a line with these options in /etc/fstab.
    """
    mount = host.facts.mounts.at("/tmp")
    options = audit.observe("/tmp", sorted(mount.options) if mount else None)
    assert mount, "/tmp is not a mount of its own"
    missing = [name for name in audit.inputs.options if name not in options]
    assert not missing, f"/tmp lacks {', '.join(missing)}; it has {','.join(options)}"


@pytest.mark.control(
    "mount.shm",
    severity="medium",
    frameworks={
        "cis-debian12": ["1.1.2.2.2", "1.1.2.2.3", "1.1.2.2.4"],
        "cis-dil": ["1.1.15", "1.1.16", "1.1.17"],
        "nist-800-53": ["AC-6", "AC-6(1)", "CM-6(a)", "CM-7(a)", "CM-7(b)", "MP-7"],
        "dev-sec": ["os-14", "os-15", "os-16"],
    },
    inputs={"options": ["nodev", "nosuid", "noexec"]},
)
def test_shared_memory_runs_no_programs(host, audit):
    """/dev/shm runs no programs.

    Why: everybody may write there, and what lies there leaves no trace on a disk.

    Fix: give /dev/shm a line with these options in /etc/fstab.
    """
    mount = host.facts.mounts.at("/dev/shm")
    if mount is None:
        audit.not_applicable("nothing is mounted at /dev/shm")
    options = audit.observe("/dev/shm", sorted(mount.options))
    missing = [name for name in audit.inputs.options if name not in options]
    assert not missing, f"/dev/shm lacks {', '.join(missing)}; it has {','.join(options)}"
