"""``host.mount_point(path)``: from one reading of the mounts."""

from __future__ import annotations

from pytest_sysaudit.facts.mounts import Mount
from pytest_sysaudit.resources.base import Absent, Module, Source


class MountPoint:
    """What is mounted at a path: of several mounts there, the one that is seen.

    Attributes:
        path: as it was asked for.
    """

    __slots__ = ("_mount", "_source", "path")

    def __init__(self, source: Source, path: str, mount: Mount | None = None) -> None:
        self._source = source
        self.path = path
        self._mount = mount

    @property
    def exists(self) -> bool:
        """Whether something is mounted there."""
        return self._find() is not None

    @property
    def filesystem(self) -> str:
        """The type of the file system: ``ext4``; this and the others raise `Absent`."""
        return self._here().type

    @property
    def device(self) -> str:
        """What is mounted: ``/dev/sda1``, ``tmpfs``."""
        return self._here().device

    @property
    def options(self) -> list[str]:
        """The options in the kernel's order: ``rw``, ``relatime`` ..."""
        return list(self._here().option_list)

    def _find(self) -> Mount | None:
        if self._mount is not None:
            return self._mount
        path = self.path.rstrip("/") or self.path[:1]
        found: Mount | None = self._source.facts().mounts.at(path)
        return found

    def _here(self) -> Mount:
        mount = self._find()
        if mount is None:
            raise Absent(f"nothing is mounted at {self.path}")
        return mount

    def __repr__(self) -> str:
        mount = self._find()
        device, kind = (mount.device, mount.type) if mount else ("", "")
        options = ",".join(mount.option_list) if mount else ""
        return (
            f'<MountPoint(path="{self.path}", exists={mount is not None}, device="{device}", '
            f'filesystem="{kind}", options="{options}") at 0x{id(self):08x}>'
        )


class MountPoints(Module):
    """``host.mount_point``."""

    __slots__ = ()

    def __call__(self, path: str) -> MountPoint:
        """Return what is mounted at *path*; nothing is asked yet."""
        return MountPoint(self._source, path)

    def get_mountpoints(self) -> list[MountPoint]:
        """Return every mount in the kernel's order, hidden ones too."""
        mounts = self._source.facts().mounts
        return [MountPoint(self._source, m.path, m) for m in mounts if m.device != "rootfs"]
