"""How a host is doing: load, memory, disks, processes, sockets, users.

On this machine psutil says it (`health_psutil`), elsewhere one round trip of shell and /proc
(`health_shell`); both give the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_sysaudit.evidence.trail import Trail, collected, passed_on
from pytest_sysaudit.facts.outcome import Outcome, attempt
from pytest_sysaudit.lanes import Once

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.transport.base import Command

NAME = "health"
#: Seconds over which `Health.cpu_percent` is measured.
CPU_INTERVAL = 1

#: File systems that hold nothing, are full by nature, or could hang us when their server is gone.
NOT_A_DISK = frozenset(
    """
    9p afs autofs bdev beegfs binfmt_misc bpf ceph cgroup cgroup2 cifs configfs cpuset cramfs
    debugfs devfs devpts devtmpfs efivarfs erofs fusectl gfs2 gpfs hugetlbfs iso9660 lustre mqueue
    ncpfs nfs nfs4 nfsd nsfs ocfs2 overlay pipefs proc pstore ramfs resctrl rootfs rpc_pipefs
    securityfs selinuxfs smb3 smbfs sockfs squashfs sysfs tracefs udf virtiofs
    """.split()  # noqa: SIM905 - a table of words
)


class Load(NamedTuple):
    """Processes that run or wait, on average over the last 1, 5 and 15 minutes."""

    one: float
    five: float
    fifteen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Main memory in bytes; ``available`` can be had without swapping."""

    total: int
    available: int

    @property
    def available_percent(self) -> float:
        """0 to 100."""
        return percent(self.available, self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Swap space in bytes; total 0: there is none."""

    total: int
    used: int

    @property
    def percent(self) -> float:
        """How much of it is used, 0 to 100; 0 if there is none."""
        return percent(self.used, self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One mounted file system that can fill up; sizes in bytes.

    ``free`` is what users but root may still take. Inodes are None where the file system has no
    fixed number of them (btrfs, vfat).
    """

    mount: str
    device: str
    fstype: str
    total: int
    used: int
    free: int
    inodes_total: int | None = None
    inodes_used: int | None = None

    @property
    def used_percent(self) -> float:
        """How full it is for users but root, 0 to 100."""
        return percent(self.used, self.used + self.free)

    @property
    def inodes_percent(self) -> float | None:
        """How many of its inodes are used, 0 to 100."""
        if self.inodes_total is None or self.inodes_used is None:
            return None
        return percent(self.inodes_used, self.inodes_total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """How many processes there are; our own reading ones are left out."""

    count: int
    zombies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningSocket:
    """A socket that waits for strangers.

    ``protocol`` is tcp or udp; ``address`` is ``::`` also where it serves IPv4 too. The process
    is None where only root is told, or where there is no ss on a remote host.
    """

    protocol: str
    address: str
    port: int
    pid: int | None = None
    process: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LoggedIn:
    """A login session; ``host`` is where it comes from, "" for a local one."""

    name: str
    terminal: str
    host: str = ""


class Health:
    """How a host is doing.

    Each part stands for itself: one that could not be read raises its CannotAssess when it is
    asked for, and the others still answer.
    """

    def __init__(
        self,
        parts: Mapping[str, Callable[[], Any]],
        read: Callable[[str, Callable[[], Any]], Outcome] = attempt,
    ) -> None:
        self._parts = parts
        self._read = read
        self._known: Once[str] = Once()

    @property
    def cpu_percent(self) -> float:
        """How busy all CPUs together were while we watched for `CPU_INTERVAL` seconds, 0 to 100."""
        return float(self._get("cpu_percent"))

    @property
    def cpu_count(self) -> int:
        """How many CPUs are online."""
        return int(self._get("cpu_count"))

    @property
    def load(self) -> Load:
        """The load averages."""
        return Load(*self._get("load"))

    @property
    def load_per_core(self) -> float:
        """The 15-minute load average divided by the number of CPUs."""
        return self.load.fifteen / self.cpu_count

    @property
    def memory(self) -> Memory:
        """Main memory."""
        return Memory(**self._get("memory"))

    @property
    def swap(self) -> Swap:
        """Swap space."""
        return Swap(**self._get("swap"))

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The local file systems that can fill up, each once, sorted by mount point."""
        return tuple(Disk(**disk) for disk in self._get("disks"))

    @property
    def processes(self) -> Processes:
        """All processes."""
        return Processes(**self._get("processes"))

    @property
    def listening(self) -> tuple[ListeningSocket, ...]:
        """The listening sockets, each address and port once, sorted."""
        return unique_sockets(ListeningSocket(**item) for item in self._get("listening"))

    @property
    def boot_time(self) -> datetime:
        """When the machine was started, UTC."""
        return datetime.fromtimestamp(self._get("boot_time"), UTC)

    @property
    def uptime(self) -> float:
        """Seconds since the machine was started, when it was read."""
        return float(self._get("uptime"))

    @property
    def users(self) -> tuple[LoggedIn, ...]:
        """Who is logged in, sorted."""
        return tuple(sorted(LoggedIn(**user) for user in self._get("users")))

    def _get(self, name: str) -> Any:
        outcome, trail = self._known.get(name, lambda: self._part(name))
        passed_on(trail)
        return outcome.get()

    def _part(self, name: str) -> tuple[Outcome, Trail]:
        """Read a part; who asks later is told what it was seen by too."""
        with collected() as trail:
            outcome = self._read(f"health.{name}", self._parts[name])
        return outcome, trail


def percent(part: int, whole: int) -> float:
    """Return *part* of *whole* as 0 to 100; 0 of nothing is 0."""
    return 100 * part / whole if whole else 0.0


def is_disk(fstype: str, mount: str) -> bool:
    """Whether a mount can fill up and is safe to ask; without the one at / no host runs."""
    return mount == "/" or not (fstype in NOT_A_DISK or fstype.startswith("fuse."))


def unique_disks(found: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
    """Return each file system once, under its shortest path.

    Args:
        found: a key that is equal for mounts of the same file system, and the fields of `Disk`.
    """
    chosen: dict[str, Mapping[str, Any]] = {}
    for key, disk in sorted(found, key=lambda pair: (len(pair[1]["mount"]), pair[1]["mount"])):
        if disk["total"]:
            chosen.setdefault(key, disk)
    return sorted(chosen.values(), key=lambda disk: str(disk["mount"]))


def disk_key(device: str, number: str) -> str:
    """Return what is equal for two mounts of one file system.

    Subvolumes of btrfs have one device and several numbers; a tmpfs has a number only.
    """
    return device if device.startswith("/") else number


def unique_sockets(found: Iterable[ListeningSocket]) -> tuple[ListeningSocket, ...]:
    """Return one for each address and port, that of the lowest process id if several share it."""
    chosen: dict[tuple[str, str, int], ListeningSocket] = {}
    for item in sorted(found, key=lambda item: (item.pid is None, item.pid or 0)):
        chosen.setdefault((item.protocol, item.address, item.port), item)
    return tuple(chosen[key] for key in sorted(chosen))


def _asks() -> tuple[Command, ...]:
    from pytest_sysaudit.facts.health_shell import COMMANDS

    return tuple(COMMANDS.values())


ASKS = _asks
ROWS = {"small_files": ("/proc/loadavg", "/proc/meminfo", "/proc/stat", "/proc/uptime")}
ASKS_HERE: tuple[Command, ...] = ()
ROWS_HERE: Mapping[str, tuple[str, ...]] = {}


def read(facts: Facts) -> Health:
    """Read the health of the host that *facts* is about."""
    measure = getattr(facts.transport, "measure", None)
    if measure is not None:
        from pytest_sysaudit.facts.health_psutil import read_here

        return read_here(facts, measure)
    from pytest_sysaudit.facts.health_shell import read_there

    return read_there(facts)
