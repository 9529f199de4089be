"""All processes with the fields of ps(1) that tests ask for, in one command."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.accounts import Accounts
    from pytest_sysaudit.facts.base import Facts

Value = int | float | str

#: Fields without a blank in them ...
_WORDS = (
    *("pid", "ppid", "pgid", "sess", "uid", "ruid", "gid", "rgid", "tty", "stat", "s", "nice"),
    *("pri", "psr", "nlwp", "rss", "vsz", "pcpu", "pmem", "etimes", "etime", "time"),
)
#: ... then ``lstart``, which is five words, and those that may hold blanks, with their widths. The
#: last one has the rest of the line.
_START = 5
_WIDE = {"user": 32, "ruser": 32, "group": 32, "rgroup": 32, "comm": 64}
#: Other names of the same fields, as ps takes them.
ALIASES: Mapping[str, str] = {
    other: name
    for name, others in {
        "args": ("cmd", "command"),
        "comm": ("ucmd", "ucomm"),
        "gid": ("egid",),
        "group": ("egroup",),
        "nice": ("ni",),
        "nlwp": ("thcount",),
        "pcpu": ("%cpu",),
        "pgid": ("pgrp",),
        "pmem": ("%mem",),
        "rss": ("rssize", "rsz"),
        "s": ("state",),
        "sess": ("session", "sid"),
        "time": ("cputime",),
        "tty": ("tt", "tname"),
        "uid": ("euid",),
        "user": ("euser", "uname"),
        "vsz": ("vsize",),
    }.items()
    for other in others
}
_FIELDS = [*_WORDS, "lstart", *(f"{name}:{width}" for name, width in _WIDE.items()), "args"]
#: busybox has a ps without most fields, and which cuts names. There, and without any ps, the files
#: of /proc are read; what ends meanwhile is left out.
_SCRIPT = Script(f"""echo ps
ps -Aww -o {",".join(_FIELDS)} 2>/dev/null && echo @end && exit
echo proc
grep -E '^(Name|State|PPid|Uid|Gid|VmSize|VmRSS|Threads):' /proc/[0-9]*/status 2>/dev/null ||
  [ $? -le 2 ] || {{ echo "neither ps nor grep lists the processes" >&2; exit 1; }}
echo @args
for d in /proc/[0-9]*; do
  a=$(tr '\\0\\n' '  ' <$d/cmdline) 2>/dev/null && printf '%s %s\\n' "${{d#/proc/}}" "$a"
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_STATUS = re.compile(r"/proc/(\d+)/status:(\w+):\s*(.*)")
_HEAD = re.compile(rf"\s*((?:\S+\s+){{{len(_WORDS)}}})((?:\S+\s+){{{_START - 1}}}\S+) ")


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """Every process as a mapping from the field's name to its value; numbers are numbers."""

    processes: tuple[Mapping[str, Value], ...]

    def __iter__(self) -> Iterator[Mapping[str, Value]]:
        return iter(self.processes)


def number(text: str) -> Value:
    """Return *text* as a number if it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse(text: str, accounts: Callable[[], Accounts]) -> ProcessTable:
    """Parse the output of the reading script: ``ps`` or ``proc``, the processes, the end mark.

    Args:
        text: the output.
        accounts: returns the names of users and groups; ps says them itself.

    Raises:
        Incomplete: it is cut, or process 1 is missing: /proc shows our own processes only.
        ValueError: a line has too few fields.
    """
    every = complete("ps", text, "@end")
    source, *lines = every[every.index("proc") if "proc" in every else 0 :]
    if source == "ps":
        table = ProcessTable(tuple(_process(line) for line in lines[1:] if line.strip()))
    else:
        middle = lines.index("@args")
        arguments = dict(line.split(" ", 1) for line in lines[middle + 1 :])
        table = ProcessTable(tuple(_from_proc(lines[:middle], arguments, accounts())))
    if not any(process["pid"] == 1 for process in table):
        raise Incomplete("ps shows our own processes only (/proc is mounted with hidepid)")
    return table


def _from_proc(
    lines: Iterable[str], arguments: Mapping[str, str], accounts: Accounts
) -> Iterator[Mapping[str, Value]]:
    """Return the processes that ``/proc/PID/status`` tells of."""
    every: dict[str, dict[str, str]] = {}
    for line in lines:
        if match := _STATUS.fullmatch(line):
            every.setdefault(match[1], {})[match[2]] = match[3]
    for pid, status in every.items():
        if pid in arguments and "Threads" in status:  # else it ended meanwhile
            yield _from_status(pid, status, arguments[pid], accounts)


def _from_status(
    pid: str, status: Mapping[str, str], args: str, accounts: Accounts
) -> Mapping[str, Value]:
    ruid, uid = (int(word) for word in status["Uid"].split()[:2])
    rgid, gid = (int(word) for word in status["Gid"].split()[:2])
    return {
        "pid": int(pid),
        "ppid": int(status["PPid"]),
        "nlwp": int(status["Threads"]),
        "uid": uid,
        "ruid": ruid,
        "gid": gid,
        "rgid": rgid,
        "s": status["State"][0],
        "user": number(accounts.user_name(uid)),
        "ruser": number(accounts.user_name(ruid)),
        "group": number(accounts.group_name(gid)),
        "rgroup": number(accounts.group_name(rgid)),
        "vsz": int(status.get("VmSize", "0").split()[0]),
        "rss": int(status.get("VmRSS", "0").split()[0]),
        "comm": number(status["Name"]),
        "args": " ".join(args.split()) or f"[{status['Name']}]",
    }


def _process(line: str) -> Mapping[str, Value]:
    head = _HEAD.match(line)
    if head is None:
        raise ValueError("too few fields")
    values = map(number, head[1].split())
    found: dict[str, Value] = dict(zip(_WORDS, values, strict=True))
    found["lstart"] = " ".join(head[2].split())
    place = head.end()
    for name, width in _WIDE.items():
        found[name] = number(line[place : place + width].strip())
        place += width + 1
    found["args"] = " ".join(line[place:].split())
    return found


def read(facts: Facts) -> ProcessTable:
    """Ask ps, or read /proc where there is no ps of procps."""
    return parse(script(facts.run(_SCRIPT), "list of processes"), lambda: facts.accounts)
