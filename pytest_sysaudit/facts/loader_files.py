"""The files of boot loaders, as far as passwords and arguments of kernels go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Of a password only its kind leaves the host. RHEL keeps the hash in user.cfg, and grub.cfg names
#: a variable.
AWK = r"""echo @files
set --
for f in /boot/grub/grub.cfg /boot/grub2/grub.cfg /boot/efi/EFI/*/grub.cfg \
/boot/grub/custom.cfg /boot/grub2/custom.cfg /boot/grub/user.cfg /boot/grub2/user.cfg \
/boot/efi/EFI/*/user.cfg /boot/grub/grubenv /boot/grub2/grubenv /boot/loader/entries/*.conf \
/boot/efi/loader/entries/*.conf /efi/loader/entries/*.conf /boot/extlinux/extlinux.conf \
/boot/extlinux.conf /boot/syslinux/syslinux.cfg /boot/cmdline.txt /boot/firmware/cmdline.txt; do
if [ ! -f "$f" ]; then continue
elif [ -r "$f" ]; then set -- "$@" "$f"
else printf 'refused %s\n' "$f"; fi
done
[ $# = 0 ] || awk 'BEGIN {
for (i = 1; i < ARGC; i++) {
f = ARGV[i]
print "file " f
while ((r = (getline l <f)) > 0) {
sub(/^[ \t]+/, "", l)
n = split(l, w, /[ \t]+/)
rest = substr(l, length(w[1]) + 2)
if (w[1] == "set" && w[2] ~ /^superusers=/) print "superusers " substr(w[2], 12)
else if (w[1] == "password") print "password plain"
else if (w[1] == "password_pbkdf2")
print "password " (w[3] ~ /^grub[.]pbkdf2/ ? "hash" : w[3] ~ /^[$]/ ? "variable" : "broken")
else if (l ~ /^GRUB2_PASSWORD=grub[.]pbkdf2/) print "variable"
else if (w[1] == "menuentry") print "entry"
else if (w[1] == "blscfg") print "entry"
else if (w[1] ~ /^linux(16|efi)?$/ || w[1] == "options" || toupper(w[1]) == "APPEND")
print "kernel " rest
else if (l ~ /^kernelopts=/) print "kernel " substr(l, 12)
else if (f ~ /cmdline.txt$/ && n) print "kernel " l
}
if (r < 0) print "refused " f
close(f)
}
}' "$@" || exit
"""


@dataclass(frozen=True, slots=True)
class LoaderFile:
    """One file of a boot loader.

    Attributes:
        path: where it stands.
        superusers: whether it names users that may edit entries.
        passwords: the kinds of passwords: ``hash``, ``plain``, ``variable`` (of another file),
            ``broken``.
        gives_hash: whether it holds the hash that the variable of another file names.
        entries: whether it has a menu, and is not only a step to another file.
        kernels: the arguments of each kernel.
    """

    path: str
    superusers: bool = False
    passwords: tuple[str, ...] = ()
    gives_hash: bool = False
    entries: bool = False
    kernels: tuple[tuple[str, ...], ...] = ()

    @property
    def is_grub(self) -> bool:
        """Whether GRUB reads it as its configuration."""
        return self.path.endswith(("/grub.cfg", "/custom.cfg", "/user.cfg"))

    @property
    def folder(self) -> str:
        """Where it stands."""
        return self.path.rpartition("/")[0]


def parse_files(lines: Iterable[str]) -> tuple[tuple[LoaderFile, ...], tuple[str, ...]]:
    """Return the files, and the paths of those that could not be read.

    Raises:
        ValueError: a line is unknown.
    """
    found: list[tuple[str, list[tuple[str, str]]]] = []
    refused = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "file":
            found.append((rest, []))
        elif word == "refused":
            refused.append(rest)
        elif word in ("superusers", "password", "variable", "entry", "kernel"):
            found[-1][1].append((word, rest))
        else:
            raise ValueError("not a line about a boot loader")
    return tuple(_file(path, words) for path, words in found), tuple(refused)


def _file(path: str, words: list[tuple[str, str]]) -> LoaderFile:
    kinds = {word for word, _ in words}
    return LoaderFile(
        path,
        superusers=any(word == "superusers" and rest.strip("\"'") for word, rest in words),
        passwords=tuple(rest for word, rest in words if word == "password"),
        gives_hash="variable" in kinds,
        entries="entry" in kinds,
        kernels=tuple(tuple(rest.split()) for word, rest in words if word == "kernel"),
    )
