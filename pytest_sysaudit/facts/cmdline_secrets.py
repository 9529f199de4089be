"""Passwords on command lines, which every user of a host can see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts import secret_shapes
from pytest_sysaudit.facts.reading import ROOT_ONLY, complete, script
from pytest_sysaudit.facts.secret_shapes import Finding
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: A process is judged when all of its lines are there: those that look for secrets are left out.
_AWK = (
    secret_shapes.awk(commands=True)
    + rf"""
function judge(  w, n) {{
if (!index(all, "{secret_shapes.OWN}")) {{
n = split(all, w, /[ \t\n]+/)
if (w[n] == "") n--
path = "process " pid " (" base(w[1]) ")"
line = 0
tokens(all); urls(all); words(w, n)
}}
all = ""
}}
/^==> [0-9]+[\/]cmdline <==$/ {{
if (seen) judge()
pid = substr($2, 1, index($2, "/") - 1)
seen++
next
}}
{{ if (length(all) < 100000) all = all " " $0; sub(/^ /, "", all) }}
END {{ if (seen) judge(); printf "@seen\001%d\001\001\001\n", seen }}"""
)
#: Three processes for all of them; what ends meanwhile is no error.
_SCRIPT = Script(f""": {secret_shapes.OWN}
cd /proc || exit
[ -e 1/cmdline ] || exit {ROOT_ONLY}
{{ head -v -c 65536 [0-9]*/cmdline 2>/dev/null || [ $? = 1 ]; }} |
tr '\\0' ' ' | {secret_shapes.filtered(_AWK, floor=0)} || exit
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)


@dataclass(frozen=True, slots=True)
class CommandLines:
    """What was found on the command lines of all processes.

    Attributes:
        processes: how many there are.
        findings: sorted.
        more: how many there are besides.
    """

    processes: int
    findings: tuple[Finding, ...]
    more: int = 0

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)


def parse(text: str) -> CommandLines:
    """Parse the output of the reading script.

    Raises:
        Incomplete: it is cut, or no process was seen.
        ValueError: a line is unknown.
    """
    lines = complete("command lines", text, "@end")
    seen = [int(line.split()[1]) for line in lines if line.startswith("@seen ")]
    if seen in ([], [0]):
        raise Incomplete("command lines: no process was seen; is head there?")
    findings, more = secret_shapes.parse([x for x in lines if not x.startswith("@seen ")])
    return CommandLines(seen[0], findings, more)


def read(facts: Facts) -> CommandLines:
    """Look at all of /proc."""
    return parse(script(facts.run(_SCRIPT), "search in command lines"))
