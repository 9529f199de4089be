"""What a snapshot records of a host, section by section: values, and what is left out and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.errors import CannotAssess, NotApplicable, SysauditError
from pytest_sysaudit.text import first_line, listed, plural

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.redact import Redactor
    from pytest_sysaudit.facts.base import Facts

Value = str | int | tuple["Value", ...]
PORT_RANGE = "net.ipv4.ip_local_port_range"
#: Where something is mounted for a session, a container, a medium or a service that runs.
TRANSIENT = (
    *("/run/user/*", "/run/credentials/*", "/run/media/*", "/run/netns/*", "/run/docker/*"),
    *("/run/containerd/*", "/run/snapd/*", "/run/systemd/*", "/media/*", "/snap/*"),
    *("/tmp/*", "/var/tmp/*", "/var/lib/docker/*", "/var/lib/containerd/*"),  # noqa: S108 - patterns
    *("/var/lib/containers/*", "/var/lib/kubelet/*", "/var/lib/machines/*", "/proc/*"),
)
#: Options of mounts that say what may be done there; the others are sizes, inodes, drivers.
OPTIONS = ("ro", "rw", "nosuid", "nodev", "noexec")
#: Kernel settings that change by themselves, name this kernel or machine, or are keys.
VOLATILE = (
    *("fs.aio-nr", "fs.dentry-state", "fs.file-nr", "fs.inode-*", "fs.quota.*", "fs.binfmt_misc*"),
    *(
        "fs.mqueue.*",
        "fs.epoll.*",
        "fs.nfs.*",
        "fs.lease-*",
        "kernel.random.*",
        "kernel.ns_last_pid",
    ),
    *("kernel.pty.nr", "kernel.tainted", "kernel.hostname", "kernel.domainname", "kernel.os*"),
    *("kernel.version", "kernel.arch", "kernel.bootloader*", "kernel.perf_event_max_sample_rate"),
    *("kernel.hung_task_detect_count", "kernel.sched_*", "kernel.cad_pid", "kernel.modprobe_*"),
    *("kernel.firmware_config.*", "kernel.acpi_video_flags", "kernel.*_next_id", "kernel.spl.*"),
    *(
        "kernel.keys.*",
        "kernel.usermodehelper.*",
        "net.core.netdev_rss_key",
        "net.netfilter.*_count",
    ),
    *("net.nf_conntrack_*", "net.ipv4.tcp_fastopen_key", "*.stable_secret", "*.*available*"),
    *("net.ipv4.route.*", "net.ipv6.route.*", "vm.stat_refresh", "dev.*", "user.*", "sunrpc.*"),
    *("net.mptcp.*", "net.vsock.*", "net.sctp.*", "vm.compact_memory", "vm.drop_caches"),
)
_INTERFACE = re.compile(r"net/(?:ipv4|ipv6)/(?:conf|neigh)/(?!all/|default/)")
#: Units that come and go with logins, commands and devices.
_PASSING = ("user@*", "user-runtime-dir@*", "session-*", "run-*", "systemd-fsck@*", "*@dev-*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One kind of thing that was recorded.

    Attributes:
        name: as `SECTIONS` has it.
        rows: the values by what they are of, in the order in which they are written.
        extra: further values that the checks need, by name.
        left_out: what is not in it though it is there, and why; a sentence each.
    """

    name: str
    rows: Mapping[str, Value]
    extra: Mapping[str, int]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """A section that could not be recorded, and why."""

    name: str
    reason: str
    applies: bool = True


def record(
    facts: Facts, redactor: Redactor, wanted: Iterable[str], *, versions: bool
) -> tuple[list[Section], list[Missing]]:
    """Read the sections *wanted*.

    Args:
        facts: of the host.
        redactor: what it would take out is not recorded.
        wanted: names of `SECTIONS`.
        versions: whether packages are recorded with their versions.
    """
    sections, missing = [], []
    for name in SECTIONS:
        if name not in wanted:
            continue
        try:
            section = SECTIONS[name](facts)
        except NotApplicable as error:
            missing.append(Missing(name, first_line(str(error)), applies=False))
        except (SysauditError, ValueError, LookupError) as error:
            missing.append(Missing(name, first_line(str(error)) or repr(error)))
        else:
            if name == "packages" and not versions:
                section = _without_values(section)
            sections.append(_without_secrets(section, redactor))
    return sections, missing


def _users(facts: Facts) -> Section:
    users = [*facts.passwd]
    rows: dict[str, Value] = {}
    for user in users:
        rows.setdefault(user.name, (user.uid, user.gid, user.home, user.shell))
    return Section(name="users", rows=rows, extra={}, left_out=_twice(u.name for u in users))


def _groups(facts: Facts) -> Section:
    groups = [*facts.group]
    rows: dict[str, Value] = {}
    for group in groups:
        rows.setdefault(group.name, (group.gid, tuple(sorted(group.members))))
    return Section(name="groups", rows=rows, extra={}, left_out=_twice(g.name for g in groups))


def _twice(names: Iterable[str]) -> tuple[str, ...]:
    again = [name for name, count in Counter(names).items() if count > 1]
    return (f"only the first line of {listed(again)}, which stand there twice",) if again else ()


def _ports(facts: Facts) -> Section:
    """Record listening ports, with programs where we are told of all: by root."""
    first, last = ephemeral(facts)
    as_root = facts.uid == 0
    rows: dict[str, set[str]] = {}
    passing = []
    for one in facts.sockets if as_root else facts.listeners:
        key = f"{one.protocol} {one.address}:{one.port}"
        if first <= one.port <= last:
            passing.append(key)
        else:
            rows.setdefault(key, set()).update(one.processes)
    left_out = []
    if passing:
        left_out.append(
            f"{plural(len(passing), 'port')} of the range that the kernel hands out, {first} to "
            f"{last}: {listed(passing)}"
        )
    if not as_root:
        left_out.append("the programs behind the ports: only root is told")
    table: dict[str, Value] = {key: tuple(sorted(rows[key])) for key in sorted(rows, key=_by_port)}
    return Section(
        name="ports",
        rows=table if as_root else dict.fromkeys(table, ()),
        extra={"first": first, "end": last + 1, "root": int(as_root)},
        left_out=tuple(left_out),
    )


def _by_port(key: str) -> tuple[str, int, str]:
    protocol, _, place = key.partition(" ")
    address, _, port = place.rpartition(":")
    return protocol, int(port), address


def ephemeral(facts: Facts) -> tuple[int, int]:
    """Return the first and the last port that the kernel hands out by itself."""
    try:
        words = facts.sysctl_keys[PORT_RANGE].split()
        return int(words[0]), int(words[1])
    except (CannotAssess, NotApplicable, ValueError, LookupError):
        return 32768, 60999  # the kernel's own


def _services(facts: Facts) -> Section:
    units = facts.units
    rows: dict[str, Value] = {}
    passing = []
    for name in sorted({*units.files, *(unit.name for unit in units)}):
        if not name.endswith((".service", ".socket", ".timer", ".path")):
            continue
        unit = units.get(name)
        states = {units.files.get(name, ""), unit.file_state if unit else ""}
        if "masked" in states:
            rows[name] = "masked"
        elif "enabled" not in states:
            continue
        elif any(fnmatchcase(name, glob) for glob in _PASSING):
            passing.append(name)
        else:
            rows[name] = "running" if unit and unit.sub_state == "running" else "enabled"
    left_out = ["units that run and are not enabled: what needs them starts and ends them"]
    if passing:
        left_out.append(f"units of logins, devices and single commands: {listed(passing)}")
    return Section(name="services", rows=rows, extra={}, left_out=tuple(left_out))


def _packages(facts: Facts) -> Section:
    rows: dict[str, Value] = {}
    broken = []
    for one in facts.packages:
        if one.state == "installed":
            rows.setdefault(one.name, one.version)
        elif one.state == "broken":
            broken.append(one.name)
    left_out = (f"half-installed packages: {listed(broken)}",) if broken else ()
    table = {name: rows[name] for name in sorted(rows)}
    return Section(name="packages", rows=table, extra={"versions": 1}, left_out=left_out)


def _without_values(section: Section) -> Section:
    return Section(
        name=section.name,
        rows=dict.fromkeys(section.rows, ""),
        extra={"versions": 0},
        left_out=(*section.left_out, "the versions of packages (--versions records them)"),
    )


def _sysctls(facts: Facts) -> Section:
    found = facts.sysctl
    rows: dict[str, Value] = {}
    for path, value in sorted(found.values.items()):
        key = path.replace("/", ".")
        if path.startswith(("kernel/", "net/", "fs/", "vm/")) and not (
            _INTERFACE.match(path) or any(fnmatchcase(key, glob) for glob in VOLATILE)
        ):
            rows[key] = " ".join(value.split())
    left_out = [
        "settings that change by themselves, belong to one interface or name this kernel",
        *([f"settings that only root may read: {_paths(found.denied)}"] if found.denied else ()),
        *([f"settings of closed folders: {_paths(found.closed)}"] if found.closed else ()),
        *([f"settings that could not be read: {_paths(found.failed)}"] if found.failed else ()),
    ]
    return Section(name="sysctls", rows=rows, extra={}, left_out=tuple(left_out))


def _paths(paths: Iterable[str]) -> str:
    return listed(sorted(path.replace("/", ".") for path in paths), 5)


def _mounts(facts: Facts) -> Section:
    mounts = facts.mounts
    rows: dict[str, Value] = {}
    passing = []
    for mount in mounts:
        top: Any = mounts.at(mount.path)
        if top.type in ("autofs", "nsfs") or any(fnmatchcase(mount.path, g) for g in TRANSIENT):
            passing.append(mount.path)
        else:
            kept = " ".join(option for option in OPTIONS if option in top.options)
            rows[mount.path] = (top.type, kept)
    left_out = [f"devices, sizes and options other than {', '.join(OPTIONS)}"]
    if passing:
        names = listed(dict.fromkeys(passing), 8)
        left_out.append(f"mounts of sessions, containers, media and services: {names}")
    return Section(
        name="mounts",
        rows={path: rows[path] for path in sorted(rows)},
        extra={},
        left_out=tuple(left_out),
    )


def _without_secrets(section: Section, redactor: Redactor) -> Section:
    """Return *section* without rows that hold a secret: their values could not be written down."""
    good = {
        key: value
        for key, value in section.rows.items()
        if all(redactor.text(text) == text for text in _texts((key, value)))
    }
    if len(good) == len(section.rows):
        return section
    hidden = [key for key in section.rows if key not in good]
    names = listed(redactor.text(key) for key in hidden)
    return Section(
        name=section.name,
        rows=good,
        extra=section.extra,
        left_out=(*section.left_out, f"what holds a secret: {names}"),
    )


def _texts(value: Value) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _texts(item)


SECTIONS: Mapping[str, Callable[[Any], Section]] = {
    "users": _users,
    "groups": _groups,
    "ports": _ports,
    "services": _services,
    "packages": _packages,
    "sysctls": _sysctls,
    "mounts": _mounts,
}
