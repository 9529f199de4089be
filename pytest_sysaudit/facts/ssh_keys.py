"""Keys in files: private ones, of which nothing but their kind is told, and those that let in."""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.facts.homes import HOMES, INSIDE, LOOK, Entry, parse_entries
from pytest_sysaudit.facts.public_keys import PublicKey, parse_key
from pytest_sysaudit.facts.reading import ROOT_ONLY, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Where keys are looked for in every home, and elsewhere.
INSIDE_HOMES = ".ssh/* .ssh/*/* id_* *.pem *.key"
ELSEWHERE = ("/etc/ssh/*", "/etc/dropbear/*", "/.ssh/*")
#: Of the arguments, keeps homes and regular files: what else there is may block its reader.
_KEEP = r"""j=0
h=0
keep=
for f; do
j=$((j + 1))
if [ $j -gt "$n" ]; then [ -f "$f" ] || continue
else [ -d "$f" ] || continue; h=$((h + 1)); fi
keep="$keep \"\${$j}\""
done
n=$h
eval "set -- $keep"
"""
#: awk tells of a private key its line, its kind and whether it is encrypted, and nothing of its
#: text; of a file of keys that let in, all but the values of their options.
_READ = r"""awk -v plain="$plain" -v homes="$n" '
function private(l, f, x) {
if (l ~ /BEGIN OPENSSH PRIVATE KEY/) {
getline x <f
if (x !~ /^b3BlbnNzaC1rZXktdjEA/) return "openssh unknown"
return "openssh " (x ~ /^b3BlbnNzaC1rZXktdjEAAAAABG5vbmU/ ? "plain" : "encrypted")
}
if (l ~ /BEGIN (SSH2 )?ENCRYPTED PRIVATE KEY/) return "pkcs8 encrypted"
if (l ~ /BEGIN (RSA|DSA|EC) PRIVATE KEY/) {
getline x <f
return "pem " (x ~ /ENCRYPTED/ ? "encrypted" : "plain")
}
if (l ~ /BEGIN PRIVATE KEY/) return "pkcs8 plain"
if (l ~ /^PuTTY-User-Key-File-[0-9]+:/) {
getline x <f
return "putty " (x ~ /^Encryption: none/ ? "plain" : "encrypted")
}
return ""
}
BEGIN {
for (i = homes + 1; i < ARGC; i++) {
f = ARGV[i]
n = 0
if (f ~ /\/authorized_keys2?$/ || i > plain) {
while ((r = (getline l <f)) > 0) {
n++
if (l ~ /^[ \t\r]*(#|$)/) continue
gsub(/"([^"\\]|\\.)*"/, "\"\"", l)
if (match(l, /(^|[ \t])[a-z0-9@.-]+[ \t]+AAAA[A-Za-z0-9+\/]+=*/))
print i ":" n ":" substr(l, 1, RSTART - 1) "\t" substr(l, RSTART)
else print i ":" n "?"
}
} else if (f ~ /\/dropbear_[a-z0-9]+_host_key$/) {
r = 0
print i ":1!dropbear plain"
} else while ((r = (getline l <f)) > 0 && ++n < 50) {
k = private(l, f)
if (k != "") { print i ":" n "!" k; break }
}
print i (r < 0 ? "#" : ".")
close(f)
}
}' "$@" """
_LINE = re.compile(r"(\d+)(?:([.#])|:(\d+)([:?!])(.*))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A file with a private key; ``encrypted`` is None where its text does not say."""

    path: str
    line: int
    kind: str
    encrypted: bool | None
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Entrance:
    """One line of a file of keys that let in; ``key`` is None for a line that is none."""

    line: int
    options: str
    key: PublicKey | None


@dataclass(frozen=True, slots=True)
class KeysFile:
    """A file of keys that let in."""

    path: str
    mode: int
    uid: int
    gid: int
    entries: tuple[Entrance, ...] = ()


@dataclass(frozen=True, slots=True)
class SshKeys:
    """What was found.

    Attributes:
        private: files with a private key.
        authorized: files of keys that let in.
        homes: the uid that each home belongs to, by its path.
        left_out: homes that lie on file systems of other hosts.
    """

    private: tuple[PrivateKey, ...] = ()
    authorized: tuple[KeysFile, ...] = ()
    homes: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def command(authorized: Sequence[str] = ()) -> Script:
    """Return the script that looks for keys; or that reads *authorized*, files that let in."""
    if authorized:
        begin = f"n=0\naway=\nplain=0\nset -- {shlex.join(authorized)}\n"
    else:
        elsewhere = " ".join(ELSEWHERE)
        begin = f"{HOMES}inside='{INSIDE_HOMES}'\n{INSIDE}plain=99999\n"
        begin += f'eval "set -- $words {elsewhere}"\n'
    root = f'[ "$(id -u)" = 0 ] || exit {ROOT_ONLY}'
    return Script(f"{root}\n{begin}{_KEEP}{LOOK}{_READ}|| exit\necho @end")


ASKS: tuple[Command, ...] = (command(),)


def parse(text: str, *, all_let_in: bool = False) -> SshKeys:
    """Parse the output of `command`.

    Args:
        text: the output.
        all_let_in: whether it was asked for files that let in, whatever their names are.

    Raises:
        Incomplete: it is cut, or files changed while they were looked at.
        CannotAssess: a file cannot be read.
    """
    entries, left_out, after = parse_entries("ssh keys", text)
    lines = complete("ssh keys", after, "@end")
    private: list[PrivateKey] = []
    entrances: dict[int, list[Entrance]] = {}
    read_whole = set()
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("unknown line")
        number, mark, place, kind, rest = match.groups()
        entry = entries[int(number) - 1]
        if mark == "#":
            raise CannotAssess(f"{entry.path}: it could not be read")
        if mark:
            read_whole.add(int(number))
        elif kind == "!":
            private.append(_private(entry, int(place), rest))
        else:
            entrances.setdefault(int(number), []).append(_entrance(int(place), kind, rest))
    homes = {entry.path: entry.uid for entry in entries if entry.home}
    if len(read_whole) + len(homes) != len(entries):
        raise Incomplete("ssh keys: not all files were read")
    files = [
        KeysFile(e.path, stat.S_IMODE(e.mode), e.uid, e.gid, tuple(entrances.get(number, ())))
        for number, e in enumerate(entries, start=1)
        if all_let_in or number in entrances or _is_entrance(e)
    ]
    return SshKeys(tuple(private), tuple(files), homes, left_out)


def _is_entrance(entry: Entry) -> bool:
    return entry.path.rpartition("/")[2] in ("authorized_keys", "authorized_keys2")


def _private(entry: Entry, line: int, words: str) -> PrivateKey:
    kind, state = words.split()
    encrypted = {"encrypted": True, "plain": False, "unknown": None}[state]
    mode = stat.S_IMODE(entry.mode)
    return PrivateKey(entry.path, line, kind, encrypted, mode, entry.uid, entry.gid)


def _entrance(line: int, kind: str, rest: str) -> Entrance:
    if kind == "?":
        return Entrance(line, "", None)
    options, _, key = rest.partition("\t")
    try:
        return Entrance(line, options.strip(), parse_key(key))
    except ValueError:  # sshd passes over such a line too
        return Entrance(line, options.strip(), None)


def read(facts: Facts) -> SshKeys:
    """Look into every home, and where servers keep their keys.

    Raises:
        Denied: we are not root.
    """
    return parse(script(facts.run(command()), "ssh keys"))
