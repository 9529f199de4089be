"""All processes with the fields of ps(1) that tests ask for, in one command."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
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
_NAMES = (*_WORDS, "lstart", *_WIDE, "args")
#: The fields that the files of /proc tell.
_OF_PROC = (
    *("pid", "ppid", "nlwp", "uid", "ruid", "gid", "rgid", "s", "user", "ruser", "group", "rgroup"),
    *("vsz", "rss", "comm", "args"),
)
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


#: These are texts, whatever they look like.
_TEXTS = frozenset({"lstart", "args"})


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """Every process as a mapping from the field's name to its value; numbers are numbers.

    There are many of them, and one or two are asked for: a row is made a mapping when it is.

    Attributes:
        names: the fields.
        rows: what each process says for them, as it was read.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __iter__(self) -> Iterator[Mapping[str, Value]]:
        return map(self._process, self.rows)

    @property
    def processes(self) -> tuple[Mapping[str, Value], ...]:
        """All of them."""
        return tuple(self)

    def having(self, wanted: Mapping[str, str]) -> Iterator[Mapping[str, Value]]:
        """Yield the processes whose fields, all of `names`, have the values *wanted*, as text."""
        places = [(self.names.index(name), name, text) for name, text in wanted.items()]
        for row in self.rows:
            if all(str(_value(name, row[place])) == text for place, name, text in places):
                yield self._process(row)

    def _process(self, row: tuple[str, ...]) -> Mapping[str, Value]:
        return dict(zip(self.names, map(_value, self.names, row), strict=True))


def _value(name: str, text: str) -> Value:
    return text if name in _TEXTS else number(text)


@lru_cache(maxsize=4096)
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
        rows = tuple(_process(line) for line in lines[1:] if line.strip())
        table = ProcessTable(_NAMES, rows)
    else:
        middle = lines.index("@args")
        arguments = dict(line.split(" ", 1) for line in lines[middle + 1 :])
        rows = tuple(_from_proc(lines[:middle], arguments, accounts()))
        table = ProcessTable(_OF_PROC, rows)
    if not any(row[0] == "1" for row in rows):  # the first field of both is the number
        raise Incomplete("ps shows our own processes only (/proc is mounted with hidepid)")
    return table


def _from_proc(
    lines: Iterable[str], arguments: Mapping[str, str], accounts: Accounts
) -> Iterator[tuple[str, ...]]:
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
) -> tuple[str, ...]:
    ruid, uid = status["Uid"].split()[:2]
    rgid, gid = status["Gid"].split()[:2]
    return (
        *(pid, status["PPid"], status["Threads"], uid, ruid, gid, rgid, status["State"][0]),
        accounts.user_name(int(uid)),
        accounts.user_name(int(ruid)),
        accounts.group_name(int(gid)),
        accounts.group_name(int(rgid)),
        status.get("VmSize", "0").split()[0],
        status.get("VmRSS", "0").split()[0],
        status["Name"],
        " ".join(args.split()) or f"[{status['Name']}]",
    )


def _process(line: str) -> tuple[str, ...]:
    head = _HEAD.match(line)
    if head is None:
        raise ValueError("too few fields")
    values, place = [*head[1].split(), " ".join(head[2].split())], head.end()
    for width in _WIDE.values():
        values.append(line[place : place + width].strip())
        place += width + 1
    return (*values, " ".join(line[place:].split()))


def read(facts: Facts) -> ProcessTable:
    """Ask ps, or read /proc where there is no ps of procps."""
    return parse(script(facts.run(_SCRIPT), "list of processes"), lambda: facts.accounts)
