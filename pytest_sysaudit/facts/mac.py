"""Mandatory access control: AppArmor and SELinux, as the kernel enforces them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Everybody may open the list of profiles, as its mode says; the kernel refuses to read it then.
_SCRIPT = Script(r"""[ -d /proc/self ] || exit 1
v=
if [ -e /sys/fs/selinux/enforce ]; then
read -r v </sys/fs/selinux/enforce || [ -n "$v" ] || exit
echo "selinux $v"
fi
if [ -r /etc/selinux/config ]; then
while read -r v; do case $v in SELINUX=*) printf 'configured %s\n' "$v" ;; esac
done </etc/selinux/config
fi
f=/sys/module/apparmor/parameters/enabled
v=N
[ ! -e $f ] || read -r v <$f || exit
echo "apparmor $v"
if [ "$v" = Y ]; then
f=/sys/kernel/security/apparmor/profiles
if [ ! -d /sys/kernel/security/apparmor ]; then echo '@unmounted'
elif cat $f 2>&1; then echo @profiles
else echo @refused; fi
fi
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_PROFILE = re.compile(r"(.+) \((\w+)\)")


@dataclass(frozen=True, slots=True)
class Mac:
    """What the kernel enforces.

    Attributes:
        selinux: ``enforcing``, ``permissive``, or "" where SELinux is not on.
        configured: what /etc/selinux/config says for the next start; "" without the file.
        apparmor: whether AppArmor is on.
        modes: the mode of each profile of AppArmor.
        unknown: why the profiles are not known.
    """

    selinux: str = ""
    configured: str = ""
    apparmor: bool = False
    modes: Mapping[str, str] = field(default_factory=dict)
    unknown: CannotAssess | None = None

    def profiles(self, mode: str) -> tuple[str, ...]:
        """Return the profiles of AppArmor in *mode*: ``enforce``, ``complain``, sorted.

        Raises:
            CannotAssess: they are not known; Denied if we are not root.
        """
        if self.unknown is not None:
            raise self.unknown.with_traceback(None)
        return tuple(sorted(name for name, other in self.modes.items() if other == mode))


def parse(text: str) -> Mac:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut.
        ValueError: a profile has no mode.
    """
    lines = complete("mac", text, "@end")
    found: dict[str, str] = {}
    modes: dict[str, str] = {}
    unknown: CannotAssess | None = None
    before = ""
    for line in lines:
        word, _, rest = line.partition(" ")
        if "apparmor" not in found and word in ("selinux", "configured", "apparmor"):
            found[word] = rest
        elif word == "@refused":
            unknown = _refused(before)
        elif word == "@unmounted":
            unknown = CannotAssess("AppArmor is on, but securityfs is not mounted")
        elif match := _PROFILE.fullmatch(line):
            modes[match[1]] = match[2]
        elif word != "@profiles" and "@refused" not in lines:
            raise ValueError("a profile without a mode")
        before = line
    on = found["apparmor"].strip() == "Y"
    if on and unknown is None and "@profiles" not in lines:
        raise ValueError("no list of profiles")
    selinux = {"1": "enforcing", "0": "permissive", None: ""}[found.get("selinux")]
    configured = found.get("configured", "").partition("=")[2].strip().lower()
    return Mac(selinux, configured, on, modes, unknown)


def _refused(words: str) -> CannotAssess:
    if re.search("permission denied|not permitted", words, re.IGNORECASE):
        return Denied("profiles of AppArmor: permission denied; reading them needs root")
    return CannotAssess(f"profiles of AppArmor: {words or 'no message'}")


def read(facts: Facts) -> Mac:
    """Ask the kernel."""
    return parse(script(facts.run(_SCRIPT), "mandatory access control"))
