"""Passwords that users typed into shells and data bases, and that these remember."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Denied, Incomplete
from pytest_sysaudit.facts import secret_shapes
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.facts.secret_shapes import Finding
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_AWK = (
    secret_shapes.awk(commands=True)
    + r"""
match($0, /:[0-9]+:/) {
path = substr($0, 1, RSTART - 1)
line = substr($0, RSTART + 1, RLENGTH - 2) + 0
s = substr($0, RSTART + RLENGTH, 20000)
sub(/^: [0-9]+:[0-9]+;/, "", s)
sub(/^- cmd: /, "", s)
tokens(s); urls(s)
n = split(s, w, /[ \t]+/)
words(w, n)
}"""
)
#: Every home folder that /etc/passwd names, and those of users from elsewhere.
_SCRIPT = Script(f""": {secret_shapes.OWN}
set --
k=:
h() {{
case $k in *":$1:"*) return;; esac
k=$k$1:
[ -d "$1" ] || return
[ -r "$1" ] && [ -x "$1" ] || echo "$1: Permission denied" >&2
}}
while IFS=: read -r n x u g c d s; do
case $d in /?*) h "$d";; esac
:
done </etc/passwd || exit
for d in /root /home/*; do h "$d"; done
IFS=:
set -f
for d in $k; do
set +f
for f in "$d"/.*history "$d"/.local/share/fish/fish_history; do
[ ! -f "$f" ] || set -- "$@" "$f"
done
done
unset IFS
echo "@files $#"
[ $# != 0 ] || {{ echo '@found 0'; echo @end; exit; }}
{{ grep -anHiE -e {shlex.quote(secret_shapes.GREP_COMMANDS)} -- "$@" /dev/null
[ $? -le 1 ] || echo 'grep failed' >&2; }} |
{secret_shapes.filtered(_AWK, floor=0)} || exit
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_DENIED = re.compile("permission denied", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Histories:
    """What was found.

    Attributes:
        files: how many histories there are.
        findings: sorted by path and line.
        more: how many there are besides.
        unseen: why the search is not whole; "" if it is.
    """

    files: int
    findings: tuple[Finding, ...]
    more: int = 0
    unseen: str = ""

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def require_all(self) -> None:
        """Say that nothing was overlooked; raises Denied or Incomplete otherwise."""
        if _DENIED.search(self.unseen):
            raise Denied(f"{self.unseen}; reading it needs root")
        if self.unseen:
            raise Incomplete(f"the search in histories is not whole: {self.unseen}")


def parse(result: CommandResult) -> Histories:
    """Parse the output of the reading script.

    Raises:
        Incomplete: it is cut.
        ValueError: a line is unknown.
    """
    first, *lines = complete("histories", script(result, "search in histories"), "@end")
    mark, count = first.split()
    if mark != "@files":
        raise ValueError("it does not begin with the number of files")
    findings, more = secret_shapes.parse(lines)
    said = [line.strip() for line in result.err.splitlines() if line.strip()]
    return Histories(int(count), findings, more, said[0] if said else "")


def read(facts: Facts) -> Histories:
    """Look through the histories of all users."""
    return parse(facts.run(_SCRIPT))
