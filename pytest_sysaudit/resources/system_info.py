"""``host.system_info``: from uname and os-release."""

from __future__ import annotations

from typing import cast

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.os_release import OsRelease
from pytest_sysaudit.resources.base import Module


class SystemInfo(Module):
    """``host.system_info``."""

    __slots__ = ()

    @property
    def type(self) -> str:
        """The kernel: ``linux``."""
        return str(self._source.facts().uname.system).lower()

    @property
    def distribution(self) -> str | None:
        """The distribution as os-release names it: ``debian``, ``rhel``."""
        release = self._release()
        if release is None:
            return self._theirs("distribution")
        return release.id if "ID" in release.fields else None

    @property
    def release(self) -> str | None:
        """Its version: ``12``; None if it has none; ``rolling`` of Arch."""
        release = self._release()
        if release is None:
            return self._theirs("release")
        return "rolling" if release.id == "arch" else release.fields.get("VERSION_ID")

    @property
    def codename(self) -> str | None:
        """The version's name: ``bookworm``; None if it has none."""
        release = self._release()
        return self._theirs("codename") if release is None else release.fields.get(_CODENAME)

    @property
    def arch(self) -> str:
        """The kind of machine: ``x86_64``."""
        return str(self._source.facts().uname.machine)

    @property
    def sysinfo(self) -> dict[str, str | None]:
        """All of these by name."""
        names = ("type", "distribution", "codename", "release", "arch")
        return {name: getattr(self, name) for name in names}

    def _release(self) -> OsRelease | None:
        """Return os-release; None on old systems without it."""
        try:
            release: OsRelease = self._source.facts().os_release
        except NotApplicable:
            return None
        return release

    def _theirs(self, name: str) -> str | None:
        return cast("str | None", getattr(self._source.testinfra(), name))


_CODENAME = "VERSION_CODENAME"
