"""The text files that a pattern names, as those of a ``conf.d`` folder: one process for all."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.facts.outcome import Failure
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import CommandResult, Script

#: ``l``: one file that the pattern gave; ``d``: its folder, which can be listed, or is not there:
#: only the shell says which, when it is to open it.
_PREAMBLE = r"""l() {
[ -f "$2" ] || return 1
if { true <"$2"; } 2>/dev/null; then printf '%s:%s\0' "$1" "$2"; return; fi
printf '%s!%s: Permission denied\0' "$1" "$2"
return 1
}
d() {
if [ -e "$2" ]; then
if [ -r "$2" ] && [ -x "$2" ]; then :; else printf '%s!%s: Permission denied\0' "$1" "$2"; fi
else
printf '%s?' "$1"; { true <"$2"; } 2>&1; printf '\0'
fi
}
"""
_READ = r"""printf '@text\0'
[ $# = 0 ] || awk 'BEGIN {
for (i = 1; i < ARGC; i++) {
f = ARGV[i]
while ((r = (getline l <f)) > 0) print i ":" l
print i (r < 0 ? "?" : ".")
close(f)
}
}' "$@" || exit
echo @end"""
_RECORD = re.compile(r"(\d+)([:!?])(.*)", re.DOTALL)
_LINE = re.compile(r"(\d+)([:?.])(.*)")
_ABSENT = re.compile("no such file|nonexistent|not a directory", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Texts(Mapping[str, str]):
    """The text of each file by its path, sorted by bytes; empty if there is none."""

    texts: Mapping[str, str]

    def __getitem__(self, path: str) -> str:
        return self.texts[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def lines(self, comment: str = "#") -> Iterator[tuple[str, int, str]]:
        """Yield path, number and text of each line that is not blank, nor a comment, stripped."""
        for path, text in self.texts.items():
            for number, line in enumerate(text.split("\n"), start=1):
                stripped = line.strip()
                if stripped and not (comment and stripped.startswith(comment)):
                    yield path, number, stripped


class TextFiles(KeyedTable[Texts]):
    """``facts.texts["/etc/sysctl.d/*.conf"]``: the files that a pattern names, by path.

    Only the last part of a pattern may hold ``*``, ``?`` and ``[...]``. What is no regular file is
    left out; one that we may not read, and a folder that we may not list, is `Denied`: nobody can
    say then that something stands in none of them.
    """

    NAME = "texts"

    @classmethod
    def command(cls, keys: Sequence[str]) -> Script:
        """Return the script that prints them."""
        lines = []
        for number, key in enumerate(keys, start=1):
            folder, _, name = key.rpartition("/")
            if re.search(r"[*?[]", folder) or re.search(r"[^\w.*?\[\]!@%+,:~-]", name):
                lines.append(f"printf '{number}!unusable pattern\\0'")
                continue
            folder = shlex.quote(folder or "/")
            pattern = f"{'' if folder == '/' else folder}/{name}"
            look = f'for f in {pattern}; do l {number} "$f" && set -- "$@" "$f"; done'
            lines.append(f"d {number} {folder}; {look}")
        return Script("\n".join([_PREAMBLE + "\n".join(lines), _READ]))

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, Texts | Failure]:
        """Parse its output: a record for each file and each folder, then the lines of the files."""
        found = script(result, "text files")
        head, mark, tail = f"\0{found}".partition("\0@text\0")
        if not mark or not tail.endswith("@end\n"):
            raise Incomplete("texts: the output is not whole (its end mark is missing)")
        texts, failed = _texts(tail.removesuffix("@end\n"))
        paths: dict[str, dict[str, str]] = {key: {} for key in keys}
        errors: dict[str, Failure] = {}
        number = 0
        for record in head.split("\0")[1:]:
            key, kind, rest = _record(record, keys)
            if kind == ":":
                number += 1
                if number in failed or number not in texts:
                    errors.setdefault(key, CannotAssess(f"{rest}: it could not be read"))
                else:
                    paths[key][rest] = texts[number]
            elif kind == "!" or not _ABSENT.search(rest):
                errors.setdefault(key, _refused(rest))
        return {key: errors.get(key) or Texts(paths[key]) for key in keys}


def _record(record: str, keys: Sequence[str]) -> tuple[str, str, str]:
    match = _RECORD.fullmatch(record)
    if match is None:
        raise ValueError("not a record")
    return keys[int(match[1]) - 1], match[2], match[3]


def _refused(words: str) -> Failure:
    words = first_line(words.strip()) or "no message"
    if "permission denied" in words.lower():
        return Denied(f"{words}; reading it needs root")
    return CannotAssess(f"texts: {words}")


def _texts(lines: str) -> tuple[Mapping[int, str], frozenset[int]]:
    """Return the text of each file by its number, and the numbers of those that broke off."""
    parts: dict[int, list[str]] = {}
    whole: dict[int, str] = {}
    failed = set()
    for line in lines.split("\n")[:-1]:
        match = _LINE.match(line)
        if match is None:  # a carriage return, or another break within a line of the file
            raise ValueError("not a line")
        number = int(match[1])
        if match[2] == ":":
            parts.setdefault(number, []).append(f"{line[match.end(2) :]}\n")
        elif match[2] == ".":
            whole[number] = "".join(parts.pop(number, ()))
        else:
            failed.add(number)
    return whole, frozenset(failed)
