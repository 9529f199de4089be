"""Where a search of all local files begins, so that it meets each once and hangs nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_sysaudit.facts.health import NOT_A_DISK
from pytest_sysaudit.facts.safe_paths import with_parents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_sysaudit.facts.mounts import Mounts

#: File systems that hold nothing of this host, cannot be written, or could hang us when their
#: server is gone. All others are searched, and so is the one at /, whatever it is.
OTHERS = (NOT_A_DISK | {"romfs"}) - {"overlay", "ramfs"}
#: Not this host's own files, or nobody's: containers, their layers, and kernel interfaces.
LEFT_OUT = (
    "/proc",
    "/sys",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/containerd",
    "/var/lib/lxc",
    "/var/lib/lxd",
    "/var/lib/incus",
    "/var/lib/machines",
    "/var/lib/kubelet/pods",
    "/var/lib/rancher/k3s/agent/containerd",
    "/run/containerd",
    "/run/k3s",
)
#: Of such, a path that is mounted twice is one tree: the same device is the same files. Others,
#: as btrfs, have several trees on one device.
_ONE_TREE = frozenset({"ext2", "ext3", "ext4", "xfs", "f2fs", "vfat", "exfat"})


def below(path: str, folders: Iterable[str]) -> bool:
    """Whether *path* lies in one of *folders*, or deeper."""
    return any(path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def starting_points(mounts: Mounts) -> tuple[str, ...]:
    """Return where to look: the mount points of local file systems that are not left out."""
    seen = {mount.path: mount for mount in mounts}  # the last one on a path hides the others
    reached: dict[str, str] = {}
    found = []
    for path in sorted(seen, key=lambda path: path.rstrip("/").count("/")):
        mount = seen[path]
        local = path == "/" or not (mount.type in OTHERS or mount.type.startswith("fuse."))
        if not local or _is_left_out(path):
            continue
        above = next((p for p in with_parents(path)[1:] if p in seen), "")
        one_tree = mount.type in _ONE_TREE and mount.device.startswith("/")
        if not (one_tree and reached.get(above) == mount.device):  # else find comes along there
            found.append(path)
        reached[path] = mount.device
    return tuple(found)


def _is_left_out(path: str) -> bool:
    return any(f"{path}/".startswith(f"{folder}/") for folder in LEFT_OUT)
