"""Certificates and private keys in files, as those that web and mail servers use."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.transport.base import CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.outcome import Failure
    from pytest_sysaudit.http.certificate import Certificate

#: Where servers keep theirs.
TREES = (
    "/etc/ssl",
    "/etc/pki/tls",
    "/etc/letsencrypt/live",
    "/etc/nginx",
    "/etc/apache2",
    "/etc/httpd",
    "/etc/haproxy",
    "/etc/lighttpd",
    "/etc/caddy",
    "/etc/postfix",
    "/etc/dovecot",
    "/etc/exim4",
    "/etc/ldap",
    "/etc/openldap",
    "/etc/openvpn",
    "/etc/mysql",
    "/etc/postgresql",
    "/etc/docker",
)
_NAMES = ("*.pem", "*.crt", "*.cer", "*.cert", "*.key", "*.chain", "*.bundle")
#: What a system trusts is not its own: collections, and links to them.
_TRUSTED = (
    "ca-certificates.crt",
    "ca-bundle*",
    "tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/cert.pem",
)
_TRUSTED_LINKS = "/etc/ssl/certs/*"
#: No file with certificates is larger, in KiB.
_LARGEST = 1024
#: Names, then what stat says, then certificates; of private keys only that there is one. A file is
#: known by its place in the list, so none can look like another. Only the shell says why a file
#: cannot be opened; a link that leads nowhere is none.
_LOOK = r"""for f; do
shift
if [ -f "$f" ]; then { true <"$f"; } && set -- "$@" "$f"
elif [ ! -e "$f" ]; then { true <"$f"; }
fi
done
[ $# != 0 ] || exit 0
echo "@files $#"
printf '%s\0' "$@"
echo @stat
stat -L -c '%a %u %g' -- "$@"
echo @pem
awk 'BEGIN {
for (i = 1; i < ARGC; i++) {
f = ARGV[i]; b = 0
while ((r = (getline l <f)) > 0) {
sub(/\r$/, "", l)
if (l ~ /^-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/) print i "!"
if (l ~ /^-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/) { b = 1; print i "+"; continue }
if (l ~ /^-----END/) b = 0
if (b) print i ":" l
}
print i (r < 0 ? "?" : ".")
close(f)
}
print "@done" }' "$@"
"""
_LINE = re.compile(r"(\d+)([!+:?.])([\w+/= \t]*)")
_ABSENT = re.compile(r"no such file|nonexistent", re.IGNORECASE)
_DENIED = re.compile(r"permission denied", re.IGNORECASE)
_WHOLE = re.compile(r"(.*)@end (\d+)\n", re.DOTALL)
_SECTION = re.compile(r"@files (\d+)\n(.*?)\0?@stat\n(.*?)@pem\n(.*?)@done\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PemFile:
    """One file.

    Attributes:
        path: where it was found; a link is followed.
        mode: its permissions.
        uid: the owner.
        gid: the group.
        blocks: each certificate in it, base64.
        has_key: it holds a private key.
    """

    path: str
    mode: int
    uid: int
    gid: int
    blocks: tuple[str, ...]
    has_key: bool

    def certificates(self) -> Iterator[Certificate]:
        """Yield each certificate in it.

        Raises:
            CannotAssess: one cannot be read.
        """
        import base64
        import binascii

        from pytest_sysaudit.http import certificate

        for block in self.blocks:
            try:
                der = base64.b64decode("".join(block.split()), validate=True)
            except binascii.Error as error:
                raise CannotAssess(f"{self.path}: a certificate is no base64") from error
            try:
                yield certificate.parse(der)
            except CannotAssess as error:
                raise CannotAssess(f"{self.path}: {error}") from error


@dataclass(frozen=True, slots=True)
class PemFiles:
    """The files of one tree, sorted by path; ``unseen`` says why some are missing."""

    files: tuple[PemFile, ...] = ()
    unseen: str = ""

    def __iter__(self) -> Iterator[PemFile]:
        return iter(self.files)

    def require_all(self) -> None:
        """Say that nothing was overlooked; raises Denied or Incomplete otherwise."""
        if _DENIED.search(self.unseen):
            raise Denied(f"{self.unseen}; reading it needs root")
        if self.unseen:
            raise Incomplete(self.unseen)


class Certificates(KeyedTable[PemFiles]):
    """``facts.certificates["/etc/ssl"]``: files in a folder, and below it, that hold PEM blocks.

    A folder that is not there is empty. Those that a system trusts, and files over 1 MiB, are left
    out.
    """

    NAME = "certificates"

    @classmethod
    def command(cls, keys: Sequence[str]) -> Script:
        """Return the script that looks at the folders *keys*: at most four processes."""
        trees = " ".join(shlex.quote(f"{key.rstrip('/')}/") for key in keys)
        names = " -o ".join(f"-name '{name}'" for name in _NAMES)
        trusted = " ".join(
            f"! -{'path' if name.startswith('/') else 'name'} '{name}'" for name in _TRUSTED
        )
        return Script(f"""set --
for t in {trees}; do [ ! -e "$t" ] || set -- "$@" "$t"; done
[ $# = 0 ] || find "$@" -name '.?*' -prune \
 -o \\( -type f -o -type l ! -path '{_TRUSTED_LINKS}' \\) \\( {names} \\) {trusted} \
 -size -{_LARGEST * 2} -exec sh -c {shlex.quote(_LOOK)} sh {{}} + 2>&1
echo "@end $?\"""")

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, PemFiles | Failure]:
        """Parse its output: a part for each folder that is there."""
        whole = _WHOLE.fullmatch(script(result, "certificates"))
        if whole is None:
            raise Incomplete("certificates: the output is not whole (its end mark is missing)")
        body, code = whole.groups()
        files = {file.path: file for match in _SECTION.finditer(body) for file in _section(match)}
        said = [line.strip() for line in _SECTION.sub("", body).splitlines() if line.strip()]
        words = [line for line in said if not _ABSENT.search(line)]
        if code != "0" and not said:
            words = [f"find: exit code {code}"]
        starts = [f"{key.rstrip('/')}/" for key in keys]
        return {
            key: _tree(start, files, [x for x in words if start in x or not _names(x, starts)])
            for key, start in zip(keys, starts, strict=True)
        }


def _names(complaint: str, starts: Sequence[str]) -> bool:
    """Whether *complaint* is plainly about one of the trees."""
    return any(start in complaint for start in starts)


def _tree(start: str, files: Mapping[str, PemFile], complaints: Sequence[str]) -> PemFiles:
    mine = [path for path in files if path.startswith(start)]
    unseen = complaints[0] if complaints else ""
    return PemFiles(tuple(files[path] for path in sorted(mine)), unseen)


def _section(match: re.Match[str]) -> Iterator[PemFile]:
    paths, stats = match[2].split("\0"), match[3].splitlines()
    if not len(paths) == len(stats) == int(match[1]):
        raise Incomplete("certificates: files changed while they were looked at")
    for path, stat, lines in zip(paths, stats, _lines(match[4], len(paths)), strict=True):
        mode, uid, gid = stat.split()
        blocks: list[str] = []
        for line in lines:
            if line == "+":
                blocks.append("")
            elif line != "!":
                blocks[-1] += line
        if blocks or "!" in lines:
            yield PemFile(path, int(mode, 8), int(uid), int(gid), tuple(blocks), "!" in lines)


def _lines(text: str, count: int) -> list[list[str]]:
    """Return what was printed of each file: ``!`` a key, ``+`` a certificate, and its lines."""
    found: list[list[str]] = [[] for _ in range(count)]
    whole = set()
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match[2] == "?":
            raise Incomplete("certificates: a file was not read to its end")
        number = int(match[1]) - 1
        if match[2] == ".":
            whole.add(number)
        else:
            found[number].append(match[3] if match[2] == ":" else match[2])
    if len(whole) != count:
        raise Incomplete("certificates: a file could not be read")
    return found
