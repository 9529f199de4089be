"""How a host was started: its kernels, the kernel's arguments, the boot loader's files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.facts.loader_files import AWK, LoaderFile, parse_files
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: The second process of a kernel is kthreadd: who sees it is in no container, whatever files an
#: image left behind. A /boot that /etc/fstab names, and that is empty, is not mounted.
_SYSTEM = r"""read -r line </proc/sys/kernel/osrelease || exit
printf 'release %s\n' "$line"
IFS= read -r line </proc/sys/kernel/version || exit
printf 'version %s\n' "$line"
line=
IFS= read -r line </proc/cmdline || [ -n "$line" ] || [ -r /proc/cmdline ] || exit
printf 'arguments %s\n' "$line"
kind= two=
[ ! -r /proc/2/comm ] || read -r two </proc/2/comm
if [ "$two" != kthreadd ]; then
[ ! -r /run/systemd/container ] || read -r kind </run/systemd/container
f=/run/host/container-manager
[ -n "$kind" ] || [ ! -r $f ] || read -r kind <$f
[ -n "$kind" ] || [ ! -e /run/.containerenv ] || kind=podman
[ -n "$kind" ] || [ ! -e /.dockerenv ] || kind=docker
[ -n "$kind" ] || [ ! -e /var/run/secrets/kubernetes.io ] || kind=kubernetes
[ -n "$kind" ] || [ ! -d /proc/vz ] || [ -d /proc/bc ] || kind=openvz
[ -n "$kind" ] || [ ! -r /proc/1/environ ] || ! grep -q container= /proc/1/environ || kind=container
fi
printf 'container %s\n' "$kind"
for f in /run/reboot-required /run/reboot-needed; do [ ! -e $f ] || echo "marker $f"; done
f=/run/reboot-required.pkgs
[ ! -r $f ] || while read -r line; do printf 'waits %s\n' "$line"; done <$f
for f in /boot /boot/grub /boot/grub2 /boot/efi /boot/efi/EFI /boot/loader/entries; do
[ ! -d $f ] || { [ -r $f ] && [ -x $f ]; } || echo "refused $f"
done
kind=
for f in /boot/vmlinuz-* /boot/vmlinux-* /lib/modules/*/vmlinuz; do
[ ! -e "$f" ] || { printf 'kernel %s\n' "$f"; kind=1; }
done
for f in /lib/modules/*/modules.dep; do [ ! -e "$f" ] || printf 'modules %s\n' "$f"; done
[ -n "$kind" ] || [ ! -r /etc/fstab ] || while read -r line f two; do
[ "$f" != /boot ] || case $line in '#'*) ;; *) echo 'unmounted /boot' ;; esac
done </etc/fstab
"""
#: What needs-restarting looks at, which takes rpm a tenth of the time.
_RPM = r"""if command -v dnf >/dev/null || command -v yum >/dev/null; then
read -r line f </proc/uptime || exit
echo "clock $(date +%s) $line"
rpm -q --qf 'installed %{INSTALLTIME} %{NAME}\n' linux-firmware glibc systemd dbus dbus-daemon \
dbus-broker openssl-libs gnutls
fi
"""
_SCRIPT = Script(f"{_SYSTEM}{_RPM}{AWK}echo @end")
ASKS: tuple[Command, ...] = (_SCRIPT,)


@dataclass(frozen=True, slots=True)
class Boot:
    """How this host was started, and what it would be started with.

    Attributes:
        release: the running kernel, as uname says.
        version: how it was built; Debian names its package there.
        arguments: those of the running kernel.
        container: the kind of container that this is; "" for a host with a kernel of its own.
        markers: files that say that a reboot is needed.
        waits: packages that wait for it.
        kernels: releases of the installed kernels.
        updated: packages that every process uses and that are newer than the last start; None if
            this is not known here.
        loader: the files of the boot loader.
        refused: paths that may not be read.
        unmounted: whether /boot is not mounted.
    """

    release: str
    version: str
    arguments: tuple[str, ...]
    container: str = ""
    markers: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    updated: tuple[str, ...] | None = None
    loader: tuple[LoaderFile, ...] = field(default=())
    refused: tuple[str, ...] = ()
    unmounted: bool = False

    def own_kernel(self) -> None:
        """Return if the kernel is this host's own.

        Raises:
            NotApplicable: this is a container.
        """
        if self.container:
            raise NotApplicable(f"this is a container ({self.container}) without its own kernel")

    def whole(self, *paths: str) -> None:
        """Return if all that was looked for below /boot could be seen.

        Args:
            paths: those that matter; none: all.

        Raises:
            Denied: some of it may not be read.
            CannotAssess: /boot is not mounted.
        """
        refused = [path for path in self.refused if not paths or path in paths]
        if refused:
            raise Denied(f"{', '.join(refused)}: permission denied; reading it needs root")
        if self.unmounted:
            raise CannotAssess("/boot is not mounted, so what stands there is not known")


def parse(text: str) -> Boot:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut.
        ValueError: a line is unknown.
    """
    lines = complete("boot", text, "@end")
    middle = lines.index("@files")
    found: dict[str, list[str]] = {}
    for line in lines[:middle]:
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest)
    loader, refused = parse_files(lines[middle + 1 :])
    return Boot(
        release=found["release"][0].strip(),
        version=found["version"][0].strip(),
        arguments=tuple(found["arguments"][0].split()),
        container=found["container"][0].strip(),
        markers=tuple(found.get("marker", ())),
        waits=tuple(dict.fromkeys(found.get("waits", ()))),
        kernels=_kernels(found.get("kernel", ()), found.get("modules", ())),
        updated=_updated(found),
        loader=loader,
        refused=(*found.get("refused", ()), *refused),
        unmounted="unmounted" in found,
    )


def _kernels(images: Iterable[str], modules: Iterable[str]) -> tuple[str, ...]:
    """Return releases; those of the modules where no image names one, as on Alpine."""
    found = set()
    for path in images:
        folder, _, name = path.rpartition("/")
        release = folder.rpartition("/")[2] if name == "vmlinuz" else name.partition("-")[2]
        if release[:1].isdigit() and not release.startswith("0-rescue"):
            found.add(release)
    return tuple(sorted(found or {path.split("/")[-2] for path in modules}))


def _updated(found: Mapping[str, list[str]]) -> tuple[str, ...] | None:
    if "clock" not in found:
        return None
    if "installed" not in found:
        raise CannotAssess("boot: rpm does not say when its packages were installed")
    now, up = map(float, found["clock"][0].split())
    each = (line.split(None, 1) for line in found["installed"])
    return tuple(sorted(name for when, name in each if int(when) > now - up))


def read(facts: Facts) -> Boot:
    """Read it; passwords of the boot loader stay on the host."""
    return parse(script(facts.run(_SCRIPT), "boot"))
