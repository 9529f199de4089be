"""``host.package(name)``: all packages are listed by one command."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.package_index import PackageIndex
from pytest_sysaudit.facts.packages import Package as PackageFact
from pytest_sysaudit.resources.base import Absent, Module, Named


class Package(Named):
    """One package by name; dpkg's ``name:architecture`` and patterns, and what rpm -q takes, too.

    Where the data base is not one of dpkg, rpm or apk, testinfra's own module asks about it.
    """

    __slots__ = ()

    @property
    def is_installed(self) -> bool:
        """Whether it is installed whole; one that is removed, but configured, is not.

        Raises:
            CannotAssess: the package manager cannot be asked.
        """
        index = self._index()
        if index is None:
            return bool(self._theirs().is_installed)
        return any(package.state == "installed" for package in find(index, self.name))

    @property
    def version(self) -> str:
        """The version as the package manager writes it; of rpm and apk without the release.

        Raises:
            Absent: it is not installed.
        """
        index = self._index()
        if index is None:
            return str(self._theirs().version)
        version = self._installed(index).version
        return version if index.manager == "dpkg" else version.rpartition("-")[0]

    @property
    def release(self) -> str:
        """What rpm and apk write behind the version: ``1.el9``, ``r0``.

        Raises:
            Absent: it is not installed.
            NotImplementedError: versions of dpkg have no such part.
        """
        index = self._index()
        if index is None:
            return str(self._theirs().release)
        if index.manager == "dpkg":
            raise NotImplementedError("packages of dpkg have no release; it is in their version")
        return self._installed(index).version.rpartition("-")[2]

    def _installed(self, index: PackageIndex) -> PackageFact:
        found = [package for package in find(index, self.name) if package.state != "removed"]
        if not found:
            raise Absent(f"the package {self.name} is not installed")
        return next((package for package in found if package.state == "installed"), found[0])

    def _index(self) -> PackageIndex | None:
        """Return all packages; None if this manager's are not listed."""
        try:
            index: PackageIndex = self._source.facts().package_index
        except (NotApplicable, CannotAssess):
            return None
        return index

    def _theirs(self) -> Any:
        return self._source.testinfra()(self.name)


def find(index: PackageIndex, name: str) -> list[PackageFact]:
    """Return the packages, in any state, that the manager takes *name* for."""
    if name in index.by_name:
        return list(index.by_name[name])
    if index.manager == "dpkg":
        wanted, _, architecture = name.partition(":")
        if set(wanted) & set("*?["):
            names = [known for known in index.by_name if fnmatchcase(known, wanted)]
        else:
            names = [wanted] if wanted in index.by_name else []
        every = [package for known in names for package in index.by_name[known]]
        return [p for p in every if architecture in ("", p.architecture)]
    if index.manager == "rpm":
        return [p for every in index.by_name.values() for p in every if name in _rpm_names(p)]
    return []


def _rpm_names(package: PackageFact) -> tuple[str, ...]:
    full = f"{package.name}-{package.version}"
    names = (package.name, f"{package.name}-{package.version.rpartition('-')[0]}", full)
    return (*names, *(f"{name}.{package.architecture}" for name in names))


class Packages(Module):
    """``host.package``."""

    __slots__ = ()

    def __call__(self, name: str) -> Package:
        """Return the package *name*; nothing is asked yet."""
        return Package(self._source, name)
