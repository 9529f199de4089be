"""Files and folders that everybody may write to, on all local file systems."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts.health import NOT_A_DISK
from pytest_sysaudit.transport.base import CommandResult

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.mounts import Mounts

#: File systems that hold nothing of this host, cannot be written, or could hang us when their
#: server is gone. All others are searched, and so is the one at /, whatever it is.
OTHERS = (NOT_A_DISK | {"romfs"}) - {"overlay", "ramfs"}
#: Not this host's own files, or nobody's: container layers and kernel interfaces.
LEFT_OUT = ("/proc", "/sys", "/var/lib/docker", "/var/lib/containers", "/var/lib/containerd")
#: find ends with 1 if it met something that it could not look at.
_WHOLE = re.compile(r"(.*)@end [01]\n", re.DOTALL)
USES = ("mounts",)
#: Seconds for the whole search.
DEADLINE = 300.0


@dataclass(frozen=True, slots=True)
class WorldWritable:
    """What was found.

    Attributes:
        files: regular files that everybody may write.
        folders: folders that everybody may write and that have no sticky bit.
        unseen: why the search is not whole; "" if it is.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
    unseen: str = ""

    def require_all(self) -> None:
        """Say that nothing was overlooked; raises Incomplete otherwise."""
        if self.unseen:
            raise Incomplete(f"the search for world-writable files is not whole: {self.unseen}")


def command(mount_points: Sequence[str]) -> str:
    """Return the one search of all *mount_points*; folders are printed with a slash at the end."""
    starts = " ".join(map(shlex.quote, mount_points))
    left_out = " -o ".join(f"-path {shlex.quote(path)}" for path in LEFT_OUT)
    return f"""id -u
find {starts} -xdev \\( {left_out} \\) -prune \
 -o -type f -perm -0002 -print0 \
 -o -type d -perm -0002 ! -perm -1000 -exec sh -c 'printf "%s/\\0" "$@"' sh {{}} +
echo @end $?"""


def parse(result: CommandResult) -> WorldWritable:
    """Parse the output of `command`.

    A file that vanishes while find looks is nothing to worry about; any other complaint of find,
    or not being root, makes the search incomplete.

    Raises:
        Incomplete: the end mark is missing.
    """
    uid, _, rest = result.expect(0).out.partition("\n")
    whole = _WHOLE.fullmatch(rest)
    if whole is None:
        raise Incomplete("find: the output is not whole (its end mark is missing)")
    found = sorted({path for path in whole[1].split("\0") if path})
    if any(not path.startswith("/") for path in found):
        raise ValueError("find printed what is no path")
    complaints = [
        line for line in result.err.splitlines() if line and "No such file or directory" not in line
    ]
    unseen = complaints[0] if complaints else "" if uid == "0" else "it needs root"
    return WorldWritable(
        tuple(path for path in found if not path.endswith("/")),
        tuple(path.rstrip("/") or "/" for path in found if path.endswith("/")),
        unseen,
    )


def starting_points(mounts: Mounts) -> tuple[str, ...]:
    """Return where to look: the mount points of local file systems that are not left out."""
    return tuple(
        dict.fromkeys(
            mount.path
            for mount in mounts
            if (mount.path == "/" or not (mount.type in OTHERS or mount.type.startswith("fuse.")))
            and not any(f"{mount.path}/".startswith(f"{path}/") for path in LEFT_OUT)
        )
    )


def read(facts: Facts) -> WorldWritable:
    """Search; it takes seconds for every million files."""
    return parse(facts.run(command(starting_points(facts.mounts)), timeout=DEADLINE))
