"""All processes with the fields of ps(1) that tests ask for, in one command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts.reading import ABSENT, complete, script
from pytest_sysaudit.transport.base import Command

if TYPE_CHECKING:
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
_SCRIPT = f"""ps -Aww -o {",".join(_FIELDS)} || exit {ABSENT}
echo @end"""
ASKS: tuple[Command, ...] = (_SCRIPT,)
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


def parse(text: str) -> ProcessTable:
    """Parse the output of ps.

    Raises:
        Incomplete: it is cut, or process 1 is missing: /proc shows our own processes only.
        ValueError: a line has too few fields.
    """
    lines = complete("ps", text, "@end")[1:]
    table = ProcessTable(tuple(_process(line) for line in lines if line.strip()))
    if not any(process["pid"] == 1 for process in table):
        raise Incomplete("ps shows our own processes only (/proc is mounted with hidepid)")
    return table


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
    """Ask ps.

    Raises:
        NotApplicable: the host has no ps with these fields, as busybox.
    """
    return parse(script(facts.run(_SCRIPT), "ps of procps"))
