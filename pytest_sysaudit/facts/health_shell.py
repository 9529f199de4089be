"""The health of a host that may have no python: one round trip of POSIX shell and /proc."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.errors import CannotAssess, Incomplete, NotApplicable
from pytest_sysaudit.facts import health_users, sockets
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.health import (
    CPU_INTERVAL,
    NOT_A_DISK,
    Health,
    disk_key,
    is_disk,
    unique_disks,
)
from pytest_sysaudit.facts.mounts import unescape
from pytest_sysaudit.facts.small_files import SmallFiles
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import CommandResult

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_KEEP_OUT = "|".join(sorted(NOT_A_DISK))
#: df is only asked about folders that cannot hang it. A path that is not there is hidden under a
#: later mount; one that we may not see stays in the list, and df complains. %b undoes the octal
#: escapes of the kernel.
DISKS = f"""cat /proc/self/mountinfo || exit
set --
while read -r id parent number root path options rest; do
  kind=${{rest#*- }}; kind=${{kind%% *}}
  case $kind in {_KEEP_OUT}|fuse.*) [ "$path" = / ] || continue ;; esac
  path=$(printf '%b.' "$path"); path=${{path%.}}
  if [ ! -d "$path" ]; then
    [ -e "$path" ] && continue
    case $(ls -d "$path" 2>&1) in *'No such file or directory'|*'Not a directory') continue ;; esac
  fi
  set -- "$@" "$path"
done </proc/self/mountinfo
[ $# -gt 0 ] || exit 0
echo; df -P -k "$@" || exit
echo; df -P -i "$@\""""
#: The first word is our own process, so that our own session can be left out.
_PROCESSES = """echo $$
cat /proc/[0-9]*/stat 2>/dev/null
:"""
COMMANDS: Mapping[str, str] = {
    "disks": DISKS,
    "processes": _PROCESSES,
    "listening": sockets.SCRIPT,
    "users": health_users.SCRIPT,
}
LOAD, MEMORY, STAT, UPTIME = "/proc/loadavg", "/proc/meminfo", "/proc/stat", "/proc/uptime"
FILES = (LOAD, MEMORY, STAT, UPTIME)
"""Read in one process with other small files."""
_CPU = f"head -n 1 /proc/stat; sleep {CPU_INTERVAL}; head -n 1 /proc/stat"
_PROCESS = re.compile(
    rb"^(\d+) \(.{0,64}?\) ([A-Za-z]) -?\d+ -?\d+ (-?\d+) ", re.MULTILINE | re.DOTALL
)
_USER = re.compile(r'\("((?:[^"\\]|\\.)*)",pid=(\d+)')


def read_there(facts: Facts) -> Health:
    """Return the health of a host, read in one round trip.

    Only `Health.cpu_percent`, which takes its time, is a second one when it is asked for.
    """
    files: SmallFiles = facts.small_files
    missing = files.unasked(FILES)
    wanted = [*COMMANDS.values(), *([files.command(missing)] if missing else [])]
    answers = dict(zip((*COMMANDS, "files"), facts.batch(wanted), strict=False))
    if missing:
        files.take(missing, answers["files"])

    def part(parse: Callable[[CommandResult], Plain], command: str) -> Callable[[], Plain]:
        return partial(_parse, parse, answers[command])

    def file(parse: Callable[[str], Plain], path: str) -> Callable[[], Plain]:
        return partial(_parse_file, parse, files, path)

    parts = {
        "cpu_count": file(cpu_count, STAT),
        "load": file(load, LOAD),
        "memory": file(memory, MEMORY),
        "swap": file(swap, MEMORY),
        "disks": part(disks, "disks"),
        "processes": part(processes, "processes"),
        "listening": part(listening, "listening"),
        "boot_time": file(boot_time, STAT),
        "uptime": file(uptime, UPTIME),
        "users": part(health_users.parse, "users"),
    }
    return Health({**parts, "cpu_percent": lambda: cpu_percent(facts.run(_CPU))}, facts.part)


def _parse(parse: Callable[[CommandResult], Plain], answer: CommandResult | CannotAssess) -> Plain:
    if not isinstance(answer, CommandResult):
        raise answer.with_traceback(None)
    return parse(answer)


def _parse_file(parse: Callable[[str], Plain], files: SmallFiles, path: str) -> Plain:
    try:
        return parse(files[path])
    except NotApplicable as error:  # every Linux has it
        raise CannotAssess(f"{error}; is /proc mounted?") from error


def load(text: str) -> Plain:
    """Parse /proc/loadavg."""
    one, five, fifteen, *_ = text.split()
    return [float(one), float(five), float(fifteen)]


def memory(text: str) -> Plain:
    """Parse /proc/meminfo for main memory."""
    values = _meminfo(text)
    return {"total": values["MemTotal"], "available": values["MemAvailable"]}


def swap(text: str) -> Plain:
    """Parse /proc/meminfo for swap space."""
    values = _meminfo(text)
    return {"total": values["SwapTotal"], "used": values["SwapTotal"] - values["SwapFree"]}


def _meminfo(text: str) -> dict[str, int]:
    def one(line: str) -> tuple[str, int]:
        name, value = line.split(":")
        number, *unit = value.split()
        return name, int(number) * (1024 if unit == ["kB"] else 1)

    return dict(parse_lines("/proc/meminfo", text, one))


def cpu_count(text: str) -> Plain:
    """Count the CPUs in /proc/stat."""
    count = len(re.findall(r"^cpu\d+ ", text, re.MULTILINE))
    if not count:
        raise CannotAssess("/proc/stat: no CPU in it")
    return count


def cpu_percent(result: CommandResult) -> Plain:
    """Parse two first lines of /proc/stat, taken one after the other."""
    first, second = (list(map(int, line.split()[1:])) for line in result.expect().out.splitlines())
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are in user and nice already
    spent = [after - before for before, after in zip(first, second, strict=True)][:8]
    idle = spent[3] + spent[4]
    return 100 * (sum(spent) - idle) / sum(spent) if sum(spent) else 0.0


def boot_time(text: str) -> Plain:
    """Parse the btime line of /proc/stat: seconds since the epoch."""
    return float(re.findall(r"^btime (\d+)$", text, re.MULTILINE)[0])


def uptime(text: str) -> Plain:
    """Parse /proc/uptime: seconds."""
    return float(text.split(maxsplit=1)[0])


def processes(result: CommandResult) -> Plain:
    """Parse the process id of our shell and every /proc/PID/stat."""
    own, _, rest = result.expect().stdout.partition(b"\n")
    found = {pid: (state, session) for pid, state, session in _PROCESS.findall(rest)}
    if b"1" not in found:
        raise Incomplete("processes: only our own are visible (/proc is mounted with hidepid)")
    # What reads this is seen as well, and its dead children are zombies for a moment.
    session = found.get(own.strip(), (b"", b""))[1]
    others = [state for state, its_session in found.values() if its_session != session]
    return {"count": len(others), "zombies": others.count(b"Z")}


def disks(result: CommandResult) -> Plain:
    """Parse mountinfo and the two tables of df.

    Raises:
        Incomplete: df could not see one of them.
    """
    if not result.ok:
        raise Incomplete(f"disks: df: {first_line(result.err) or result.exit_code}")
    mountinfo, *tables = result.out.split("\n\n")
    mounts = dict(parse_lines("mountinfo", mountinfo, _mount))
    if len(tables) != 2:  # noqa: PLR2004 - sizes and inodes
        return []
    inodes = {path: numbers for numbers, path in _df(tables[1])}
    found: list[tuple[str, Mapping[str, Any]]] = []
    for (total, used, free), path in _df(tables[0]):
        if path not in mounts:
            continue  # hidden under a later mount
        number, kind, device = mounts[path]
        disk: dict[str, Any] = {"mount": path, "device": device, "fstype": kind}
        disk.update(total=total * 1024, used=used * 1024, free=free * 1024)
        if inodes[path][0]:
            disk.update(inodes_total=inodes[path][0], inodes_used=inodes[path][1])
        found.append((disk_key(device, number), disk))
    return unique_disks(found)


def _mount(line: str) -> tuple[str, tuple[str, str, str]] | None:
    before, _, after = line.partition(" - ")
    _, _, number, _, path, *_ = before.split(" ")
    kind, device, *_ = after.split(" ")
    path = unescape(path)
    return (path, (number, kind, unescape(device))) if is_disk(kind, path) else None


def _df(table: str) -> list[tuple[tuple[int, int, int], str]]:
    """Parse ``df -P``: the three numbers of each line and where it is mounted."""
    row = re.compile(r"^.*?\s+(\d+|-)\s+(-?\d+|-)\s+(-?\d+|-)\s+(?:\d+%|-)\s+(/.*)$")

    def one(line: str) -> tuple[tuple[int, int, int], str]:
        match = row.match(line)
        if match is None:
            raise ValueError("not a line of df -P")
        total, used, free = (0 if word == "-" else int(word) for word in match.groups()[:3])
        return (total, used, free), match[4]

    return parse_lines("df", table.split("\n", 1)[1], one)


def listening(result: CommandResult) -> Plain:
    """Parse the output of ss, or of /proc/net where there is no ss."""
    text = result.expect().out
    if not text.startswith("ss\n"):
        return [
            {"protocol": item.protocol, "address": item.address, "port": item.port}
            for item in sockets.parse(text)
        ]
    return parse_lines("ss", text.removeprefix("ss\n").removesuffix("@end\n"), _ss)


def _ss(line: str) -> Plain:
    protocol, _, _, _, local, _, *rest = line.split(None, 6)
    address, _, port = local.rpartition(":")
    address = address.partition("%")[0].strip("[]")
    name, pid = next(iter(sorted(_USER.findall(" ".join(rest)), key=lambda u: int(u[1]))), ("", ""))
    return {
        "protocol": protocol,
        "address": "::" if address == "*" else address,
        "port": int(port),
        "pid": int(pid) if pid else None,
        "process": name or None,
    }
