"""Passwords, tokens and keys in files that everybody on a host can read.

The secrets themselves stay on the host (`secret_shapes`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts import secret_shapes
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.facts.secret_shapes import Finding
from pytest_sysaudit.transport.base import CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.outcome import Failure

#: Where people and programs put what they should not.
TREES: Final = ("/etc", "/opt", "/srv", "/var/www", "/root", "/home")
#: KiB of the largest file, files in all, seconds in all.
LARGEST: Final = 256
FILES: Final = 20_000
SECONDS: Final = 10
#: Other people's programs, copies of what is elsewhere, and what no person wrote.
_FOLDERS = (
    *("node_modules", "site-packages", "dist-packages", "__pycache__", ".cache", ".npm"),
    *(".cargo", ".rustup", "objects", "vendor", "man", "locale", "zoneinfo"),
)
_ENDINGS = (
    *("so", "pyc", "o", "a", "gz", "xz", "bz2", "zst", "zip", "jar", "png", "jpg", "gif", "svg"),
    *("ico", "woff", "woff2", "ttf", "pdf", "mo", "po", "css", "map", "crt", "md", "rst", "html"),
)
#: File systems that hold files of this host's own: such a one below a folder is searched too.
_LOCAL = "ext[234]|xfs|btrfs|bcachefs|zfs|f2fs|jfs|reiserfs|overlay|tmpfs|ramfs|vfat|ubifs"
#: Where only what stands in quotes is a value, as any other word is a name of the program's.
_PROGRAMS = (
    "c|cc|cpp|cs|cxx|el|erl|ex|go|h|hpp|java|js|jsx|kt|lua|m|mjs|php|pl|pm|py|rb|rs|scala|swift"
    "|tcl|ts|tsx|vue"
)

#: A block is a key if it has a body, on the same line or on the next ones.
_AWK = (
    secret_shapes.awk(commands=False)
    + rf"""
function block(s,  n, l, body) {{
if (!match(s, /-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----/)) return 0
body = substr(s, RSTART + RLENGTH)
if (length(body) < 100) {{
body = ""
while ((getline l <path) > 0 && n < line + 200) {{
n++
if (n <= line) continue
if (l ~ /-----END/) break
if (l ~ /^[ \t]*[A-Za-z0-9+=\/]+[ \t\r]*$/) body = body l
}}
close(path)
}}
if (length(body) < 64) return 0
emit("private-key", body)
return 1
}}
match($0, /:[0-9]+:/) {{
path = substr($0, 1, RSTART - 1)
line = substr($0, RSTART + 1, RLENGTH - 2) + 0
s = substr($0, RSTART + RLENGTH, 20000)
program = path ~ /[.]({_PROGRAMS})$/
if (block(s)) next
tokens(s); urls(s); settings(s)
}}"""
)
_MARK = re.compile(r"@(find|grep) (\d+)")
#: What timeout ends with, or what it ends: by its own code, or by the signal.
_LATE = {"124", "137", "143"}
#: xargs's own code where grep found nothing in some of the files.
_GREP = {"0", "1", "123"}
_GONE = re.compile(r"no such file or directory", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What was found.

    Attributes:
        findings: sorted by path and line.
        more: how many there are besides, in all folders together: of those beyond
            `secret_shapes.MOST`, only the number is known.
        unseen: why the search is not whole; "" if it is.
    """

    findings: tuple[Finding, ...] = ()
    more: int = 0
    unseen: str = ""

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def require_all(self) -> None:
        """Say that nothing was overlooked; raises Incomplete otherwise."""
        if self.unseen:
            raise Incomplete(f"the search for secrets is not whole: {self.unseen}")


class SecretFiles(KeyedTable[Secrets]):
    """``facts.secrets["/srv"]``: secrets in files of a folder that everybody can read.

    A folder that others may not enter hides what is in it, and is left out; so are files over
    `LARGEST` KiB, binary ones, libraries, and file systems of other hosts. A folder that is not
    there holds nothing.
    """

    NAME = "secrets"

    @classmethod
    def command(cls, keys: Sequence[str]) -> Script:
        """Return the script that searches the folders *keys*, all in one go."""
        trees = " ".join(shlex.quote(f"{key.rstrip('/')}/") for key in keys)
        folders = " -o ".join(["! -perm -001", *(f"-name '{name}'" for name in _FOLDERS)])
        endings = " ".join(f"! -name '*.{ending}'" for ending in _ENDINGS)
        size = f"-size +0 -size -{LARGEST * 2 + 1}"
        files = f"-type f -perm -004 {size} ! -path '/etc/ssl/certs/*' {endings}"
        grep = shlex.quote(secret_shapes.GREP_FILES)
        return Script(f""": {secret_shapes.OWN}
set --
for t in {trees}; do [ ! -e "$t" ] || set -- "$@" "$t"; done
[ $# != 0 ] || {{ echo @nothing; echo @end; exit; }}
while read -r x m k x; do
case $k in {_LOCAL}) ;; *) continue;; esac
for t in {trees}; do
case $m in
"$t"*\\\\*) echo "$m: a file system that was not searched" >&2;;
"$t"?*) set -- "$@" "$m/";;
esac
done
done </proc/self/mounts || exit
w=
! command -v timeout >/dev/null || w='timeout {SECONDS}'
{{ $w find "$@" -xdev -type d \\( {folders} \\) -prune -o -path '*
*' \\( -type d -prune -exec echo @odd \\; -o {files} -exec echo @odd \\; \\) -o {files} -print
echo "@find $?" >&2; }} |
awk 'NR > {FILES} {{ print "@cut" | "cat >&2"; exit }}
/^@/ {{ print | "cat >&2"; next }}
{{ print }}' | tr '\\n' '\\0' |
{{ xargs -0 grep -InHiE -e {grep} /dev/null; echo "@grep $?" >&2; }} |
{secret_shapes.filtered(_AWK)} || exit
echo @end""")

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, Secrets | Failure]:
        """Parse its output; what could not be seen counts for every folder."""
        lines = complete("secrets", script(result, "search for secrets"), "@end")
        if lines == ["@nothing"]:  # none of the folders is there
            return dict.fromkeys(keys, Secrets())
        findings, more = secret_shapes.parse(lines)
        unseen = _unseen(result.err)
        return {key: Secrets(tuple(_below(key, findings)), more, unseen) for key in keys}


def _below(key: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    start = f"{key.rstrip('/')}/"
    return (finding for finding in findings if finding.path.startswith(start))


def _unseen(complaints: str) -> str:
    """Return why the search is not whole, from what its parts said on standard error."""
    lines = complaints.splitlines()
    codes = {match[1]: match[2] for line in lines if (match := _MARK.fullmatch(line))}
    find, grep = codes.get("find", "unknown"), codes.get("grep", "unknown")
    rest = [x for x in lines if x.strip() and not x.startswith("@") and not _GONE.search(x)]
    reasons = {
        f"there are more than {FILES} files to look into": "@cut" in lines,
        f"it took more than {SECONDS} seconds": find in _LATE,
        f"{lines.count('@odd')} names hold a newline": "@odd" in lines,
        rest[0].strip() if rest else "": bool(rest),
        f"find: exit code {find}": find not in ("0", "1"),
        f"grep: exit code {grep}": grep not in _GREP,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
