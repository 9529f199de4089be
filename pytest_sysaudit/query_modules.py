"""testinfra's modules that no fact table answers, in which a "no" could be wrong, made right.

=================  ==============================================================================
addr               names are quoted; "not resolvable" and "not reachable" only when the tool said so
block_device       ``start_sector`` is the start; a device that cannot be asked about is no fault
package            of pacman: "not installed" only when it said so; where there are no fact tables
process            of busybox: a process table without process 1 is `Incomplete` (hidepid)
service            where systemd does not run: "not running", "not enabled" and "not masked" only
                   when the init system said so
sudo               belongs to one thread or lane; a refusal is `Denied`
=================  ==============================================================================

Other modules, and other systems than Linux, keep testinfra's own over `queries.AskingHost`.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from testinfra.modules.addr import Addr
from testinfra.modules.base import InstanceModule
from testinfra.modules.blockdevice import BlockDevice, LinuxBlockDevice
from testinfra.modules.package import (
    AlpinePackage,
    ArchPackage,
    DebianPackage,
    Package,
    RpmPackage,
)
from testinfra.modules.process import Process
from testinfra.modules.service import OpenRCService, Service, SystemdService, SysvService

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.queries import NOT_RUN, denied, failed

#: What ping says of a name that it cannot look up, or that no route leads to.
_UNKNOWN = re.compile(r"(?i)unknown host|not known|no address|unreachable|bad address")
#: What service and rc-service say of a script that is not there.
_NO_SCRIPT = re.compile("unrecognized service|does not exist")
#: What systemctl says of a unit that it does not know.
_NO_UNIT = re.compile(r"No such file or directory\s*$|not found|does not exist")


class _Package:
    """Believes "not installed" only if the package manager said so."""

    #: The command that asks about one package, and what it says of one that it does not have.
    _ask = ""
    _no = ""

    @property
    def is_installed(self: Any) -> bool:
        """Whether the package is installed."""
        result = self._host.run(self._ask, self.name)
        if result.rc == 1 and re.search(self._no, result.stdout + result.stderr):
            return False
        if result.rc != 0:
            raise failed(result)
        return bool(self._installed(result.stdout))

    def _installed(self, text: str) -> bool:
        """Whether what the manager said of a package it knows means that it is installed."""
        del text
        return True


class SureDebianPackage(_Package, DebianPackage):  # type: ignore[misc]  # testinfra ships no types
    """dpkg also knows packages that are removed or half installed."""

    _ask = "dpkg-query -f '${Status}\\n' -W %s"
    _no = "no packages found matching"

    def _installed(self, text: str) -> bool:
        states = [line.split() for line in text.splitlines()]
        return any(s[0] in ("install", "hold") and s[1:3] == ["ok", "installed"] for s in states)


class SureRpmPackage(_Package, RpmPackage):  # type: ignore[misc]  # testinfra ships no types
    """rpm says in words what it does not have."""

    _ask = "rpm -q %s"
    _no = "is not installed"


class SureArchPackage(_Package, ArchPackage):  # type: ignore[misc]  # testinfra ships no types
    """pacman says in words what it does not have."""

    _ask = "pacman -Q %s"
    _no = "was not found"


class SureAlpinePackage(_Package, AlpinePackage):  # type: ignore[misc]  # testinfra ships no types
    """apk says nothing at all of what it does not have."""

    _ask = "apk -e info %s"
    _no = r"\A\s*\Z"


class _Chooser:
    """Chooses the class of what the host has, as testinfra does, and takes ours in its place."""

    _theirs: Any
    _ours: Mapping[Any, Any]

    @classmethod
    def get_module(cls, host: Any) -> Any:
        """Return the class for *host*."""
        theirs = cls._theirs.get_module_class(host)
        ours = cls._ours.get(theirs, theirs)
        return type(ours.__name__, (ours,), {"_host": host})


class SurePackage(_Chooser):
    """Chooses the class of the host's package manager."""

    _theirs = Package
    _ours: Mapping[Any, Any] = {
        DebianPackage: SureDebianPackage,
        RpmPackage: SureRpmPackage,
        ArchPackage: SureArchPackage,
        AlpinePackage: SureAlpinePackage,
    }


def _runs(service: Any) -> bool:
    """Whether the init script of *service* says that it runs."""
    expected, line = [0, 1, 3, 8], "%s %s status"
    result = service.run_expect(expected, line, service._service_command, service.name)  # noqa: SLF001 - its only door
    known = not result.stderr.strip() or _NO_SCRIPT.search(result.stderr)
    if result.rc == 1 and not known:
        raise failed(result)
    return bool(result.rc == 0)


class SureSysvService(SysvService):  # type: ignore[misc]  # testinfra ships no types
    """A service with an init script."""

    @property
    def is_running(self) -> bool:
        """Whether its init script says so."""
        return _runs(self)


class SureOpenRCService(OpenRCService):  # type: ignore[misc]  # testinfra ships no types
    """A service of OpenRC."""

    @property
    def is_running(self) -> bool:
        """Whether rc-service says so."""
        return _runs(self)


class SureSystemdService(SystemdService):  # type: ignore[misc]  # testinfra ships no types
    """A systemd unit; a name without suffix is a .service."""

    _STATES = ("active", "reloading", "inactive", "failed", "activating", "deactivating", "unknown")
    _OFF = ("disabled", "masked", "masked-runtime", "linked", "linked-runtime", "transient")

    @property
    def _unit(self) -> str:
        return self.name if self._has_systemd_suffix() else f"{self.name}.service"

    @property
    def exists(self) -> bool:
        """Whether there is a unit file of this name."""
        line = "systemctl list-unit-files --no-legend --no-pager --full -- %s %s"
        name, _, suffix = self._unit.rpartition(".")
        template = f"{name.partition('@')[0]}@.{suffix}"
        result = self._host.run(line, self._unit, template)
        if result.rc not in (0, 1) or (result.rc == 1 and result.stderr.strip()):
            raise failed(result)
        return bool(result.stdout.strip())

    @property
    def is_running(self) -> bool:
        """Whether the unit is active."""
        result = self._host.run("systemctl is-active -- %s", self.name)
        state = result.stdout.strip()
        if state in self._STATES:
            return bool(result.rc == 0)
        if result.rc != 1 or denied(result):
            raise failed(result)
        return _runs(self)

    @property
    def is_masked(self) -> bool:
        """Whether the unit cannot be started at all."""
        result = self._host.run("systemctl is-enabled -- %s", self.name)
        state = result.stdout.strip()
        if not state and (denied(result) or not _NO_UNIT.search(result.stderr)):
            raise failed(result)
        return state in ("masked", "masked-runtime")

    @property
    def is_enabled(self) -> bool:
        """Whether something starts the unit at boot."""
        result = self._host.run("systemctl is-enabled -- %s", self.name)
        if result.rc == 0:
            return True
        if result.stdout.strip() in self._OFF:
            return False
        if result.rc != 1 or denied(result):
            raise failed(result)
        if self._has_systemd_suffix():
            raise CannotAssess(f"{self.name}: systemd knows no such unit")
        return bool(SysvService.is_enabled.fget(self))


class SureService(_Chooser):
    """Chooses the class of the host's init system."""

    _theirs = Service
    _ours: Mapping[Any, Any] = {
        OpenRCService: SureOpenRCService,
        SystemdService: SureSystemdService,
        SysvService: SureSysvService,
    }


class SureProcess:
    """Refuses a process table that shows our own processes only."""

    @classmethod
    def get_module(cls, host: Any) -> Any:
        """Return testinfra's choice with that one question more."""
        theirs = Process.get_module_class(host)

        def processes(self: Any, **filters: Any) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = theirs._get_processes(self, **filters)  # noqa: SLF001 - its only door
            if not any(item["pid"] == 1 for item in found):
                raise Incomplete("ps shows our own processes only (/proc is mounted with hidepid)")
            return found

        return type(theirs.__name__, (theirs,), {"_host": host, "_get_processes": processes})()


class SureAddr(Addr):  # type: ignore[misc]  # testinfra ships no types
    """A name or address, looked up and reached from the host."""

    @property
    def _prefix(self) -> str:
        return f"ip netns exec {shlex.quote(self.namespace)} " if self.namespace else ""

    @property
    def namespace_exists(self) -> bool:
        """Whether the host has the network namespace."""
        return bool(self.namespace and self._host.file(f"/run/netns/{self.namespace}").exists)

    @property
    def is_reachable(self) -> bool:
        """Whether it answers a ping within a second."""
        result = self._host.run(f"{self._prefix}ping -W 1 -c 1 -- {shlex.quote(self.name)}")
        if result.rc == 0:
            return True
        if result.rc in (1, 2) and (not result.stderr.strip() or _UNKNOWN.search(result.stderr)):
            return False
        raise failed(result)

    def _resolve(self, method: str) -> list[str]:
        line = f"{self._prefix}getent {method} {shlex.quote(self.name)}"
        result = self.run_expect([0, 2], line)
        return sorted({line.split()[0] for line in result.stdout.splitlines()})

    def port(self, port: int | str) -> SureAddrPort:
        """Return a port of it."""
        return SureAddrPort(self, port)


class SureAddrPort:
    """One port of an address, over TCP."""

    def __init__(self, addr: SureAddr, port: int | str) -> None:
        self._addr = addr
        self._port = str(port)

    @property
    def is_reachable(self) -> bool:
        """Whether it takes a connection within a second."""
        host, prefix = self._addr._host, self._addr._prefix  # noqa: SLF001 - its other half
        words = [self._addr.name, self._port]
        if host.exists("nc"):
            result = host.run(f"{prefix}nc -w 1 -z {shlex.join(words)}")
        else:  # in a shell that a namespace's prefix can start
            script = 'exec 3<>"/dev/tcp/$0/$1"'
            result = host.run(f"{prefix}timeout 1 bash -c {shlex.join([script, *words])}")
        if result.rc in NOT_RUN or (result.rc != 0 and denied(result)):
            raise failed(result)
        return bool(result.rc == 0)


class SureBlockDevice(LinuxBlockDevice):  # type: ignore[misc]  # testinfra ships no types
    """A block device as blockdev reports it."""

    @classmethod
    def get_module_class(cls, host: Any) -> Any:
        """Return this class on Linux."""
        own = BlockDevice.get_module_class(host)
        return cls if own is LinuxBlockDevice else own

    @property
    def start_sector(self) -> int:
        """Where it begins on the device that it is a part of, in sectors; mostly 0 of a whole."""
        return int(self._data["start_sector"])

    @property
    def _data(self) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = LinuxBlockDevice._data.__get__(self)  # noqa: SLF001 - its only door
        except (RuntimeError, ValueError) as error:
            kind = Denied if "ermission denied" in str(error) else CannotAssess
            raise kind(f"{self.device}: {error}") from error
        return found


class SureSudo(InstanceModule):  # type: ignore[misc]  # testinfra ships no types
    """``with host.sudo(user):``, which may be nested."""

    @contextlib.contextmanager
    def __call__(self, user: str | None = None) -> Iterator[None]:
        """Run what this thread or lane runs inside the block as *user* (None: root)."""
        with self._host.backend.as_user(user):
            yield

    def __repr__(self) -> str:
        return "<sudo>"


MODULES: Mapping[str, Any] = {
    "addr": SureAddr,
    "block_device": SureBlockDevice,
    "package": SurePackage,
    "process": SureProcess,
    "service": SureService,
    "sudo": SureSudo,
}
