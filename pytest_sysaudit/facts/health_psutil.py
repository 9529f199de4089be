"""The health of this machine, from psutil."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts.health import CPU_INTERVAL, Health, disk_key, is_disk, unique_disks
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts


class Measure(Protocol):
    """How a transport lets a library of this process look at the machine it runs on."""

    def __call__(self, name: str, how: Callable[[], Plain]) -> Plain:
        """Return what *how* says, as JSON data; *name* identifies it in a recording."""


def read_here(facts: Facts, measure: Measure) -> Health:
    """Return the health of this machine; each part is read when it is asked for."""

    def part(name: str, how: Callable[[], Plain]) -> Callable[[], Plain]:
        return partial(measure, f"health.{name}", partial(_ask, name, how))

    parts = {name: part(name, how) for name, how in _PARTS.items()}
    return Health({**parts, "users": part("users", lambda: _users(facts))}, facts.part)


def _ask(name: str, how: Callable[[], Plain]) -> Plain:
    """Return what psutil says; its errors become ours."""
    try:
        return how()
    except (psutil.AccessDenied, PermissionError) as error:
        raise Denied(f"{name}: {error}") from error
    except (psutil.Error, OSError, RuntimeError) as error:
        raise CannotAssess(f"{name}: {error}") from error


def _memory() -> Plain:
    memory = psutil.virtual_memory()
    return {"total": memory.total, "available": memory.available}


def _swap() -> Plain:
    swap = psutil.swap_memory()
    return {"total": swap.total, "used": swap.used}


def _disks() -> Plain:
    # all=False leaves out tmpfs, overlay and bind mounts, and with them what is full.
    mounts = {mount.mountpoint: mount for mount in psutil.disk_partitions(all=True)}
    found: list[tuple[str, Mapping[str, Any]]] = []
    for path, mount in mounts.items():
        if not is_disk(mount.fstype, path):
            continue
        try:
            here, space = Path(path).stat(), os.statvfs(path)
        except (FileNotFoundError, NotADirectoryError):
            continue  # hidden under a later mount
        except OSError as error:
            raise Incomplete(f"disks: {path}: {error.strerror}") from error
        if not Path(path).is_mount():
            continue
        disk: dict[str, Any] = {
            "mount": path,
            "device": mount.device,
            "fstype": mount.fstype,
            "total": space.f_blocks * space.f_frsize,
            "used": (space.f_blocks - space.f_bfree) * space.f_frsize,
            "free": space.f_bavail * space.f_frsize,
        }
        if space.f_files:
            disk["inodes_total"] = space.f_files
            disk["inodes_used"] = space.f_files - space.f_ffree
        found.append((disk_key(mount.device, str(here.st_dev)), disk))
    return unique_disks(found)


def _processes() -> Plain:
    states = {process.pid: process.info["status"] for process in psutil.process_iter(["status"])}
    if 1 not in states:
        raise Incomplete("processes: only our own are visible (/proc is mounted with hidepid)")
    zombies = [pid for pid, state in states.items() if state == psutil.STATUS_ZOMBIE]
    return {"count": len(states), "zombies": len(zombies)}


def _listening() -> Plain:
    found = []
    for item in psutil.net_connections("inet"):
        tcp = item.type.name == "SOCK_STREAM"
        if item.raddr or (tcp and item.status != psutil.CONN_LISTEN) or not item.laddr:
            continue
        found.append(
            {
                "protocol": "tcp" if tcp else "udp",
                "address": item.laddr.ip,
                "port": item.laddr.port,
                "pid": item.pid,
                "process": _process_name(item.pid),
            }
        )
    return found


def _process_name(pid: int | None) -> str | None:
    if pid is None:
        return None
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return None


def _users(facts: Facts) -> Plain:
    if any(Path(path).exists() for path in ("/run/utmp", "/var/run/utmp")):
        return [
            {"name": user.name, "terminal": user.terminal or "", "host": user.host or ""}
            for user in psutil.users()
        ]
    from pytest_sysaudit.facts.health_users import SESSIONS, parse_sessions

    return parse_sessions(facts.run(SESSIONS))


_PARTS: Mapping[str, Callable[[], Plain]] = {
    "cpu_percent": lambda: psutil.cpu_percent(interval=CPU_INTERVAL),
    "cpu_count": lambda: psutil.cpu_count() or 1,
    "load": lambda: list(psutil.getloadavg()),
    "memory": _memory,
    "swap": _swap,
    "disks": _disks,
    "processes": _processes,
    "listening": _listening,
    "boot_time": psutil.boot_time,
    "uptime": lambda: time.time() - psutil.boot_time(),
}
