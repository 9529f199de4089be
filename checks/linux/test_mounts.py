"""What is mounted, and with which options."""
# ruff: noqa: S108 - these folders are what is judged

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: File systems that hold files on disks or in the memory of the host.
LOCAL = (
    *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "bcachefs", "reiserfs"),
    *("vfat", "exfat", "msdos", "ntfs", "ntfs3", "fuseblk", "iso9660", "udf", "hfsplus"),
    *("tmpfs", "ramfs"),
)
#: File systems that nobody writes to.
READ_ONLY = ("iso9660", "udf", "squashfs", "erofs", "cramfs")
#: What keeps a file system from harm; anything else may differ between fstab and the kernel.
GUARDS = ("nodev", "nosuid", "noexec", "ro")


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


@pytest.mark.control(
    "mount.var-tmp",
    severity="medium",
    frameworks={
        "cis-debian12": ["1.1.2.5.1", "1.1.2.5.4"],
        "cis-dil": ["1.1.7", "1.1.8", "1.1.9", "1.1.10"],
        "dev-sec": ["os-14", "os-15", "os-16"],
    },
    inputs={"options": ["nodev", "nosuid", "noexec"]},
)
def test_var_tmp_runs_no_programs(host, audit):
    """/var/tmp runs no programs.

    Why: everybody may write there, and what lies there outlives a reboot.

    Fix: give /var/tmp a file system of its own, or a bind mount, with these options in /etc/fstab.
    """
    folder = host.facts.paths["/var/tmp"]
    if not folder.holds("d"):
        audit.not_applicable("there is no /var/tmp")
    path = host.facts.real_paths[folder.path] if folder.holds("L") else "/var/tmp"
    mount = host.facts.mounts.over(path)
    options = audit.observe(f"options of {mount.path}", sorted(mount.options))
    missing = [name for name in audit.inputs.options if name not in options]
    assert not missing, f"/var/tmp lies on {mount.path}, which lacks {', '.join(missing)}"


def _shared_root(host):
    """Return why this host does not decide what is mounted; "" if it does."""
    mounts = host.facts.mounts
    root = mounts.over("/")
    if root.type == "overlay":
        return "/ is an overlay: a container, or a live system"
    marks = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
    if [path for path in marks if host.facts.paths[path].holds("e")]:
        return "a container has no partitions"
    if host.facts.paths["/run/ostree-booted"].holds("e") or "ro" in root.options:
        return "the system is an image that cannot be changed"
    return ""


@pytest.mark.control(
    "mount.separate",
    severity="low",
    frameworks={
        "cis-debian12": ["1.1.2.3.1", "1.1.2.4.1", "1.1.2.6.1", "1.1.2.7.1"],
        "cis-dil": ["1.1.6", "1.1.11", "1.1.12", "1.1.13", "1.1.14"],
        "nist-800-53": ["AU-4", "CM-6(a)", "SC-5(2)"],
    },
    inputs={"paths": ["/home", "/var", "/var/log", "/var/log/audit"]},
)
def test_data_that_grows_is_on_file_systems_of_its_own(host, audit):
    """Homes, logs and other data that grows cannot fill the root file system.

    Why: a full root file system stops services and logging.

    Fix: move them to partitions or volumes of their own.
    """
    if why := _shared_root(host):
        audit.not_applicable(why)
    audited = host.facts.paths["/var/log/audit"].holds("e")
    paths = [path for path in audit.inputs.paths if audited or path != "/var/log/audit"]
    missing = [path for path in paths if host.facts.mounts.at(path) is None]
    audit.observe("separate", [path for path in paths if path not in missing])
    assert not missing, f"on the file system of another folder: {listed(missing)}"


@pytest.mark.control(
    "mount.data",
    severity="low",
    frameworks={
        "cis-dil": ["1.1.18", "1.1.19", "1.1.20"],
        "nist-800-53": ["AC-6", "AC-6(1)", "CM-6(a)", "CM-7(a)", "CM-7(b)", "MP-7"],
    },
    inputs={
        "options": ["nodev", "nosuid"],
        "ignore": [
            *("/", "/usr", "/usr/*", "/opt", "/nix", "/nix/*", "/gnu/store", "/sysroot"),
            *("/sysroot/*", "/dev", "/dev/*", "/proc/*", "/sys", "/sys/*", "/tmp", "/var/tmp"),
            *("/snap/*", "/var/lib/snapd/*", "/var/lib/docker", "/var/lib/docker/*"),
            *("/var/lib/containers", "/var/lib/containers/*", "/var/lib/containerd/*"),
            *("/var/lib/lxc", "/var/lib/lxc/*", "/var/lib/machines", "/var/lib/machines/*"),
            *("/run/containerd/*", "/run/host/*", "/run/netns", "/var/lib/kubelet/*"),
            *("/etc/hosts", "/etc/hostname", "/etc/resolv.conf"),
        ],
    },
)
def test_data_holds_no_devices_and_no_set_uid_programs(host, audit):
    """File systems with data hold neither devices nor set-uid programs that work.

    Why: a disk that somebody plugs in or restores brings both along.

    Fix: add `nodev,nosuid` to its line in /etc/fstab and remount it. Mount points that need them
    stand in the input `ignore`, where * fits anything.
    """
    mounts, ignored = host.facts.mounts, audit.inputs.ignore
    seen = {mount.path: mount for mount in mounts if mount.type in LOCAL}
    data = [
        mount
        for path, mount in seen.items()
        if mounts.at(path) == mount and not any(fnmatchcase(path, each) for each in ignored)
    ]
    if not data:
        audit.not_applicable("no file system but those of the system is mounted")
    lacks = {m.path: [o for o in audit.inputs.options if o not in m.options] for m in data}
    audit.observe("data", {mount.path: sorted(mount.options) for mount in data})
    bad = [f"{path} ({', '.join(options)})" for path, options in lacks.items() if options]
    assert not bad, f"options are missing: {listed(bad)}"


@pytest.mark.control("mount.fstab-drift", severity="low")
def test_mounts_are_as_fstab_says(host, audit):
    """What /etc/fstab says is mounted, with the options that guard it.

    Why: a mount that somebody changed by hand, or that failed, is not what was decided on; a bind
    mount may quietly ignore its options.

    Fix: `mount -o remount PATH`, or change /etc/fstab. Lines with noauto or nofail may be absent.
    """
    entries, bad = list(host.facts.fstab.latest()), []
    if not entries:
        audit.not_applicable("/etc/fstab mounts nothing")
    for entry in entries:
        mount = host.facts.mounts.at(entry.path)
        if mount is None or (mount.type == "autofs" and entry.type != "autofs"):
            bad += [f"{entry.path} is not mounted"] if entry.at_boot else []
            continue
        wrong = [name for name in GUARDS if name in entry.effective - mount.options]
        fixed = "ro" in entry.effective or mount.type in READ_ONLY
        wrong += ["rw"] if "ro" in mount.options and not fixed else []
        bad += [f"{entry.path} lacks {', '.join(wrong)}"] if wrong else []
    # other options may be passwords
    audit.observe("fstab", {e.path: [o for o in GUARDS if o in e.effective] for e in entries})
    assert not bad, listed(bad)
