"""testinfra's modules in which a "no" could be wrong, made so that it is right.

=================  ==============================================================================
file               ``exists``, ``is_*``, ``contains``, ``linked_to``: a folder we may not enter is
                   `Denied`; checksums of a missing or unreadable file are no empty text
package            "not installed" only when the package manager said so
user, group        "does not exist" only when the user data base said so; passwords and their ages
                   are `Denied` to those who may not read /etc/shadow
service            ``exists`` means this name, not one that begins with it; "not running", "not
                   enabled" and "not masked" only when the init system said so
socket             a failed ``ss`` is no empty list; 127.0.0.1:P is served by 0.0.0.0:P
process            a process table without process 1 is `Incomplete` (hidepid)
sudo               belongs to one thread; a refusal is `Denied`
=================  ==============================================================================

Other modules, and other systems than Linux, keep testinfra's own over `queries.AskingHost`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from testinfra.backend.base import CommandResult
from testinfra.modules.base import InstanceModule
from testinfra.modules.file import GNUFile
from testinfra.modules.group import Group
from testinfra.modules.package import (
    AlpinePackage,
    ArchPackage,
    DebianPackage,
    Package,
    RpmPackage,
)
from testinfra.modules.process import Process
from testinfra.modules.service import Service, SystemdService, SysvService
from testinfra.modules.socket import LinuxSocketNetstat, LinuxSocketSS, Socket
from testinfra.modules.user import User

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.queries import denied, failed, missing

#: How strerror ends a message about a path that does not exist.
_ABSENT = ("No such file or directory", "Not a directory")
#: What systemctl says of a unit that it does not know.
_NO_UNIT = re.compile(r"No such file or directory\s*$|not found|does not exist")


class SureFile(GNUFile):  # type: ignore[misc]  # testinfra ships no types
    """A path, asked about with GNU or busybox tools."""

    @classmethod
    def get_module_class(cls, host: Any) -> Any:
        """Return this class on Linux."""
        own = super().get_module_class(host)
        return cls if own is GNUFile else own

    exists = property(lambda self: self._holds("-e"))
    is_file = property(lambda self: self._holds("-f"))
    is_directory = property(lambda self: self._holds("-d"))
    is_executable = property(lambda self: self._holds("-x"))
    is_pipe = property(lambda self: self._holds("-p"))
    is_socket = property(lambda self: self._holds("-S"))
    is_symlink = property(lambda self: self._holds("-L"))

    def _holds(self, flag: str) -> bool:
        """Ask test(1); where it says no, ask ls why, for test does not tell."""
        look = "ls -d" if flag == "-L" else "ls -dL"
        path = self.path if self.path.startswith("/") else f"./{self.path}"
        line = f"test {flag} %s && exit 0; {look} -- %s >/dev/null && exit 1; exit 2"
        result = self._host.run(line, path, path)
        if result.rc in (0, 1):
            return bool(result.rc == 0)
        reason = result.stderr.strip().rpartition(": ")[2]
        if reason in _ABSENT:
            return False
        error = Denied if denied(result) else CannotAssess
        raise error(f"{self.path}: {reason or f'exit code {result.rc}'}")

    @property
    def linked_to(self) -> str:
        """The path without any link in it; readlink is silent about folders we may not enter."""
        result = self._host.run("readlink -f %s", self.path)
        if result.rc != 0:
            self._holds("-e")
            raise missing(result)
        return str(result.stdout.rstrip("\n"))

    def contains(self, pattern: str) -> bool:
        """Return whether a line fits the basic regular expression *pattern*."""
        result = self._host.run("grep -q -- %s %s", pattern, self.path)
        if result.rc not in (0, 1):
            raise missing(result)
        return bool(result.rc == 0)

    @property
    def md5sum(self) -> str:
        """The MD5 digest of the content."""
        return str(self.check_output("md5sum < %s", self.path)).split()[0]

    @property
    def sha256sum(self) -> str:
        """The SHA-256 digest of the content."""
        return str(self.check_output("sha256sum < %s", self.path)).split()[0]


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


class SurePackage:
    """Chooses the class of the host's package manager."""

    _ours: Mapping[Any, Any] = {
        DebianPackage: SureDebianPackage,
        RpmPackage: SureRpmPackage,
        ArchPackage: SureArchPackage,
        AlpinePackage: SureAlpinePackage,
    }

    @classmethod
    def get_module(cls, host: Any) -> Any:
        """Return testinfra's choice, or ours in its place."""
        theirs = Package.get_module_class(host)
        ours = cls._ours.get(theirs, theirs)
        return type(ours.__name__, (ours,), {"_host": host})


class SureUser(User):  # type: ignore[misc]  # testinfra ships no types
    """A user account."""

    @property
    def exists(self) -> bool:
        """Whether id knows the name."""
        result = self._host.run("id %s", self.name)
        if result.rc == 0:
            return True
        if result.rc == 1 and re.search("no such user|unknown user", result.stderr):
            return False
        raise failed(result)

    @classmethod
    def check_output(cls, command: str, *args: str, **kwargs: Any) -> str:
        """Return what *command* printed; of shadow, only if we may read it.

        Others are told nothing, in silence, or what libnss-systemd makes up for root.
        """
        if command.startswith("getent shadow"):
            may = cls._host.run('test -r /etc/shadow || test "$(id -u)" = 0')
            if may.rc != 0:
                raise Denied("/etc/shadow: permission denied; reading it needs root")
        return str(super().check_output(command, *args, **kwargs))


class SureGroup(Group):  # type: ignore[misc]  # testinfra ships no types
    """A group; testinfra asks through a pipe, where a failed getent looks like an empty group."""

    @property
    def gid(self) -> int:
        """The group's number."""
        return int(self._fields()[2])

    @property
    def members(self) -> list[str]:
        """The names in the group's own line."""
        return [name for name in self._fields()[3].split(",") if name] if self.exists else []

    def _fields(self) -> list[str]:
        return str(self.check_output("getent group %s", self.name)).split(":")


def _runs(service: Any) -> bool:
    """Whether the init script of *service* says that it runs."""
    expected, line = [0, 1, 3, 8], "%s %s status"
    result = service.run_expect(expected, line, service._service_command, service.name)  # noqa: SLF001 - its only door
    known = not result.stderr.strip() or "unrecognized service" in result.stderr
    if result.rc == 1 and not known:
        raise failed(result)
    return bool(result.rc == 0)


class SureSysvService(SysvService):  # type: ignore[misc]  # testinfra ships no types
    """A service with an init script."""

    @property
    def is_running(self) -> bool:
        """Whether its init script says so."""
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
        return bool(state == "masked")

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


class SureService:
    """Chooses the class of the host's init system."""

    _ours: Mapping[Any, Any] = {SystemdService: SureSystemdService, SysvService: SureSysvService}

    @classmethod
    def get_module(cls, host: Any) -> Any:
        """Return testinfra's choice, or ours in its place."""
        theirs = Service.get_module_class(host)
        ours = cls._ours.get(theirs, theirs)
        return type(ours.__name__, (ours,), {"_host": host})


class _Listening:
    """Knows that a socket on every address also serves each of them."""

    @property
    def is_listening(self: Any) -> bool:
        """Whether something listens there; without an address: on all of IPv4 and IPv6."""
        found = set(self._iter_sockets(listening=True))
        if self.protocol == "unix":
            return ("unix", self.host) in found
        if self.host is None:
            return (self.protocol, "::", self.port) in found
        anywhere = "::" if ":" in self.host else "0.0.0.0"  # noqa: S104 - asks, does not bind
        return any((self.protocol, host, self.port) in found for host in (self.host, anywhere))


class SureSocketSS(_Listening, LinuxSocketSS):  # type: ignore[misc]  # testinfra ships no types
    """Sockets as ss lists them."""

    @classmethod
    def run(cls, *args: Any, **kwargs: Any) -> CommandResult:
        """Run ss, which must succeed."""
        return cls._host.run_expect([0], *args, **kwargs)


class SureSocketNetstat(_Listening, LinuxSocketNetstat):  # type: ignore[misc]  # testinfra ships no types
    """Sockets as netstat lists them."""


class SureSocket:
    """Chooses the class of the tool that the host has."""

    @classmethod
    def get_module(cls, host: Any) -> Any:
        """Return testinfra's choice, or ours in its place."""
        theirs = Socket.get_module_class(host)
        ours = {"LinuxSocketSS": SureSocketSS, "LinuxSocketNetstat": SureSocketNetstat}.get(
            theirs.__name__, theirs
        )
        members = {"_host": host, "_command": getattr(theirs, "_command", None)}
        return type(ours.__name__, (ours,), members)


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


class SureSudo(InstanceModule):  # type: ignore[misc]  # testinfra ships no types
    """``with host.sudo(user):``, which may be nested."""

    @contextlib.contextmanager
    def __call__(self, user: str | None = None) -> Iterator[None]:
        """Run what this thread runs inside the block as *user* (None: root)."""
        with self._host.backend.as_user(user):
            yield

    def __repr__(self) -> str:
        return "<sudo>"


MODULES: Mapping[str, Any] = {
    "file": SureFile,
    "package": SurePackage,
    "user": SureUser,
    "group": SureGroup,
    "service": SureService,
    "socket": SureSocket,
    "process": SureProcess,
    "sudo": SureSudo,
}
