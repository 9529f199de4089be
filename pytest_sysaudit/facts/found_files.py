"""What find prints of the files that it found, with any name, on GNU systems and on busybox."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable

from pytest_sysaudit.facts.file_stats import FileFact

#: Sets what find is to do with a file as the arguments ``$@``, and the words that only one of both
#: knows: ``$u`` and ``$g`` compare with an id and ask no directory; ``$n`` and ``$m`` are for those
#: whose id has a name somewhere. The other find has none of that, and gives names to stat instead:
#: if one file is gone by then, each is asked for alone, so that no name gets the mode of another.
ACTION = r"""if find / -maxdepth 0 -nouser -printf '' 2>/dev/null; then
u=-uid g=-gid n='-o ! -nouser' m='-o ! -nogroup'
set -- -printf '%y %m %U %G %p\0'
else
u=-user g=-group n= m=
set -- -exec sh -c 'if s=$(stat -c "x %f %u %g" -- "$@" 2>/dev/null); then
echo "$s" | while read -r l; do printf "%s %s\0" "$l" "$1"; shift; done
else for f; do
if s=$(stat -c "x %f %u %g" -- "$f"); then printf "%s %s\0" "$s" "$f"
elif [ -e "$f" ] || [ -L "$f" ]; then printf "!%s\0" "$f"; fi
done; fi' sh {} +
fi"""
#: The same for a find that follows links.
FOLLOWING = ACTION.replace("stat -c", "stat -L -c")
_KINDS = {
    "f": "regular file",
    "d": "directory",
    "l": "symbolic link",
    "p": "fifo",
    "s": "socket",
    "b": "block special file",
    "c": "character special file",
}
_TYPES = {
    stat.S_IFREG: "f",
    stat.S_IFDIR: "d",
    stat.S_IFLNK: "l",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
    stat.S_IFBLK: "b",
    stat.S_IFCHR: "c",
}
_RECORD = re.compile(r"(?:x ([0-9a-f]+)|([a-zA-Z?]) ([0-7]+)) (\d+) (\d+) (/.*)", re.DOTALL)
_COMPLAINT = re.compile(r"find: ['`]?(/.*?)'?: ([^:]+)$")


def parse_records(records: Iterable[str]) -> tuple[FileFact, ...]:
    """Return the files that *records* tell of, each once, sorted by path.

    Raises:
        ValueError: one is no record, or says that stat failed.
    """
    found = {fact.path: fact for fact in map(_fact, records)}
    return tuple(found[path] for path in sorted(found))


def _fact(record: str) -> FileFact:
    match = _RECORD.fullmatch(record)
    if match is None:
        raise ValueError("find printed what is no file")
    raw, letter, octal, uid, gid, path = match.groups()
    if raw is not None:
        letter, octal = _TYPES.get(stat.S_IFMT(int(raw, 16)), "?"), f"{int(raw, 16):o}"
    mode = stat.S_IMODE(int(octal, 8))
    path = path.replace("\x1b", "\\x1b")  # else reports take it for a colour, and drop it
    return FileFact(path, mode, int(uid), int(gid), _KINDS.get(letter, "file of unknown type"))


def complaint(messages: str, but: Iterable[str] = ()) -> str:
    """Return the first of find's *messages* that means that it did not see all; "" if none does.

    A file that vanishes while find looks is nothing to worry about, nor is a folder that is
    mounted again below itself.

    Args:
        messages: its standard error.
        but: paths where it was not to look anyway, as mounted folders of other hosts.
    """
    others = frozenset(but)
    for line in messages.splitlines():
        match = _COMPLAINT.match(line)
        if not line or "No such file or directory" in line or "File system loop" in line:
            continue
        if match is None or match[1] not in others:
            return line
    return ""
