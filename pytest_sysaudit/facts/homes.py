"""The homes of local accounts, for shell texts that look at what lies in them."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_sysaudit.errors import Incomplete

#: Types of file systems of other hosts, for awk: to look at one may hang, and mount it.
FAR = "^(autofs|nfs4?|cifs|smb3|smbfs|afs|ceph|glusterfs|lustre|fuse[.].*)$"
#: Sets the arguments to the homes that are on this host's own disks, those in /home that no account
#: of /etc/passwd has among them, and ``away`` to the others: to look at a file system of another
#: host may hang. The root folder is no home.
HOMES = r"""nl='
'
list=$nl$(awk '
function far(p, m) {
for (m in net) if (p == m || index(p "/", m "/") == 1) return 1
return 0
}
BEGIN {
while ((getline l <"/proc/self/mounts") > 0) {
split(l, f, " ")
if (f[3] !~ /%FAR%/) continue
if (f[2] == "/") continue
net[f[2]] = 1
if (f[2] ~ /^\/home(\/|$)/) there = 1
}
while ((r = (getline l <"/etc/passwd")) > 0) {
n = split(l, f, ":")
h = f[6]
sub(/\/+$/, "", h)
if (n < 7 || l ~ /^[#+-]/ || h !~ /^\// || seen[h]++) continue
if (h ~ /^\/(proc|sys|dev)(\/|$)/) continue
if (far(h)) away = away "\n" h
else print h
}
if (r < 0) exit 1
print (there ? "@" : "@more") away
}') || { echo "/etc/passwd cannot be read" >&2; exit 1; }
away=${list#*"$nl"@}
list=${list%%"$nl"@*}$nl
set -f
IFS=$nl
set -- $list
unset IFS
set +f
case $away in more*)
away=${away#more}
for h in /home/*; do
case $list in *"$nl$h$nl"*) continue ;; esac
[ -d "$h" ] && [ "$h" != /home/lost+found ] && set -- "$@" "$h"
done ;;
esac
""".replace("%FAR%", FAR)
#: Sets ``words``, for eval, to the homes, and behind them to what the patterns of ``inside`` name.
INSIDE = r"""n=0
homes=
words=
set -f
for h; do
n=$((n + 1))
homes="$homes \"\${$n}\""
for p in $inside; do words="$words \"\${$n}\"/$p"; done
done
words="$homes$words"
set +f
"""
#: Prints the arguments that are there, homes marked, and owner and mode of each. Only the shell's
#: own tests run for each of them; stat is one process for all.
LOOK = r"""j=0
for f; do
j=$((j + 1))
[ -e "$f" ] || continue
[ $j -gt "$n" ] || printf h
printf '%s\0' "$f"
done
printf '@away\0%s\0@stat\n' "$away"
stat -L -c '%f %u %g' -- "$@" 2>/dev/null || [ $? = 1 ] || exit
echo @then
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What stat says of one path, links followed; ``home``: whether it is one of the homes."""

    path: str
    mode: int
    uid: int
    gid: int
    home: bool = False


def parse_entries(name: str, text: str) -> tuple[list[Entry], tuple[str, ...], str]:
    """Return the entries, the homes that were left out, and the text behind both.

    Args:
        name: the table's, for messages.
        text: a record with a NUL for each path, ``@away`` and what is left out, ``@stat`` and a
            line of stat for each path, ``@end`` or what else follows.

    Raises:
        Incomplete: a part is missing, or a file vanished while it was looked at.
    """
    head, mark, rest = text.partition("@away\0")
    away, mark2, tail = rest.partition("\0@stat\n")
    lines, mark3, after = tail.partition("@then\n")
    paths = head.split("\0")[:-1]
    stats = lines.splitlines()
    if not (mark and mark2 and mark3) or len(paths) != len(stats):
        raise Incomplete(f"{name}: the output is not whole, or files changed while it was read")
    found = [_entry(path, line) for path, line in zip(paths, stats, strict=True)]
    return found, tuple(home for home in away.split("\n") if home), after


def _entry(path: str, line: str) -> Entry:
    home, plain = path.startswith("h"), path.removeprefix("h")
    if not plain.startswith("/"):
        raise ValueError("not a path")
    mode, uid, gid = line.split()
    return Entry(plain, int(mode, 16), int(uid), int(gid), home)
