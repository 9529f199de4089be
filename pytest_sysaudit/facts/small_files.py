"""The small text files that several tables are made of: one process reads them all."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.facts.outcome import Failure
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.transport.base import CommandResult

#: Only the shell says why a file cannot be opened, and it needs no process for it. Every line of a
#: file comes behind the file's number, so none can look like the end. A password that stands in
#: /etc/passwd itself stays on the host; * and !! are none.
PREAMBLE = r"""i=0
for f; do
i=$((i + 1))
shift
if [ -d "$f" ]; then echo "$f: is a folder"
elif { true <"$f"; } 2>&1; then set -- "$@" "$f"; continue
fi
echo "$i!"
set -- "$@" ""
done
awk 'BEGIN {
for (i = 1; i < ARGC; i++) {
f = ARGV[i]
r = -1
while (f != "" && (r = (getline l <f)) > 0) {
if (f == "/etc/passwd" && match(l, /^[^:]*:[^:*!][^:][^:]*:/))
l = substr(l, 1, index(l, ":")) "(hidden):" substr(l, RLENGTH + 1)
if (f == "/etc/login.defs" && l ~ /^[ \t]*(#|$)/) continue
if (f == "/proc/stat" && l !~ /^(cpu|btime)/) continue
print i ":" l
}
print i (r < 0 ? "?" : ".")
}
print "@end" }' "$@" """
_MARK = re.compile(r"(\d+)([!?.])")
_LINE = re.compile(r"(\d+):(.*)")


class SmallFiles(KeyedTable[str]):
    """``facts.small_files["/etc/group"]``: the text of a file; NotApplicable if there is none.

    Passwords in /etc/passwd are hidden, and comments in /etc/login.defs left out; of /proc/stat
    there are the lines on processors and the time of the start.
    """

    NAME = "small_files"

    @classmethod
    def command(cls, keys: Sequence[str]) -> Script:
        """Return the script that prints them."""
        return Script(f"set -- {shlex.join(keys)}\n{PREAMBLE}")

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, str | Failure]:
        """Return the text of each file."""
        texts: dict[int, list[str]] = {number: [] for number in range(1, len(keys) + 1)}
        failed: dict[int, str] = {}
        whole: set[int] = set()
        before = ""
        for line in complete("small files", script(result, "small files"), "@end"):
            if content := _LINE.fullmatch(line):
                texts[int(content[1])].append(content[2])
            elif mark := _MARK.fullmatch(line):
                if mark[2] == "!":
                    failed[int(mark[1])] = before
                elif mark[2] == ".":
                    whole.add(int(mark[1]))
            before = line
        return {
            key: _text(texts[n]) if n in whole else _failure(key, failed.get(n, ""))
            for n, key in enumerate(keys, start=1)
        }


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _failure(path: str, why: str) -> Failure:
    lower = why.lower()
    if "permission denied" in lower:
        return Denied(f"{path}: permission denied; reading it needs root")
    if "no such file" in lower or "nonexistent" in lower or "not a directory" in lower:
        return NotApplicable(f"{path}: no such file")
    return CannotAssess(f"{path}: it could not be read: {why or 'no message'}")


def read_text(facts: Facts, path: str) -> str:
    """Return the text of one of the small files.

    Raises:
        NotApplicable: there is no such file.
        Denied: we may not read it.
    """
    table: SmallFiles = facts.small_files
    return table[path]
