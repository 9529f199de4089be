"""Kernel modules: which are loaded, which could be, and what modprobe would do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.reading import ABSENT, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Not every modprobe tells its configuration; the files are the same for all. A kernel without
#: /proc/modules has no modules at all. Of a file name only the module's own name is sent.
_SCRIPT = Script(f"""[ -d /proc/self ] || exit 1
[ -e /proc/modules ] || exit {ABSENT}
cat /proc/modules || exit
echo @config
if ! modprobe --showconfig 2>/dev/null; then
  set --
  for f in /etc/modprobe.d/*.conf /run/modprobe.d/*.conf \
      /usr/local/lib/modprobe.d/*.conf /usr/lib/modprobe.d/*.conf /lib/modprobe.d/*.conf; do
    [ ! -e "$f" ] || set -- "$@" "$f"
  done
  [ $# = 0 ] || cat "$@" || exit
fi
read -r release </proc/sys/kernel/osrelease || exit
for kind in dep builtin; do
  f=/lib/modules/$release/modules.$kind
  echo "@$kind"
  if [ -e "$f" ]; then
    sed 's/:.*//; s/.*\\///; s/\\.ko.*//' "$f" || exit
    echo @whole
  fi
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
#: What an ``install`` line runs so that nothing is loaded.
_REFUSALS = re.compile(r"(?:/usr)?(?:/bin/)?(?:true|false)\b(?!.*(?:modprobe|insmod))")


@dataclass(frozen=True, slots=True)
class KernelModules:
    """The modules of the running kernel; names are written with ``_``, never ``-``.

    Attributes:
        loaded: those in use.
        blacklisted: those that are not loaded for a device or a file system by itself.
        installs: what is run instead of loading a module.
        on_disk: those that could be loaded; None if that is not known: the folder of the running
            kernel is not there, as in most containers.
        builtin: those that are a part of the kernel; None as for *on_disk*.
        has_modules: whether this kernel can have any.
    """

    loaded: frozenset[str]
    blacklisted: frozenset[str] = frozenset()
    installs: Mapping[str, str] = field(default_factory=dict)
    on_disk: frozenset[str] | None = None
    builtin: frozenset[str] | None = None
    has_modules: bool = True

    def is_loaded(self, name: str) -> bool:
        """Whether the module *name* is in use, as one of its own or as a part of the kernel.

        Raises:
            CannotAssess: it is not loaded, and what the kernel holds is not known.
        """
        if plain(name) in self.loaded:
            return True
        if self.builtin is None:
            raise CannotAssess(f"{name}: not loaded; what is built into this kernel is not known")
        return plain(name) in self.builtin

    def is_blacklisted(self, name: str) -> bool:
        """Whether nothing but its own name makes modprobe load the module *name*."""
        return plain(name) in self.blacklisted

    def is_refused(self, name: str) -> bool:
        """Whether modprobe runs true or false instead of loading the module *name*."""
        return bool(_REFUSALS.match(self.installs.get(plain(name), "")))

    def is_loadable(self, name: str) -> bool:
        """Whether ``modprobe name`` would load it.

        Raises:
            CannotAssess: the modules on disk are not known.
        """
        if self.is_refused(name):
            return False
        if self.on_disk is None:
            raise CannotAssess(f"{name}: the modules of the running kernel are not on this disk")
        return plain(name) in self.on_disk


def plain(name: str) -> str:
    """Return a module's name as the kernel writes it."""
    return name.replace("-", "_")


def parse(text: str) -> KernelModules:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut.
    """
    lines = complete("kernel modules", text, "@end")
    config, dep, builtin = (lines.index(mark) for mark in ("@config", "@dep", "@builtin"))
    blacklisted, installs = _config(lines[config + 1 : dep])
    return KernelModules(
        loaded=_names(line.split()[0] for line in lines[:config] if line),
        blacklisted=blacklisted,
        installs=installs,
        on_disk=_whole(lines[dep + 1 : builtin]),
        builtin=_whole(lines[builtin + 1 :]),
    )


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(plain(name) for name in names if name)


def _whole(lines: Sequence[str]) -> frozenset[str] | None:
    return _names(lines[:-1]) if lines[-1:] == ["@whole"] else None


def _config(lines: Iterable[str]) -> tuple[frozenset[str], Mapping[str, str]]:
    """Return what is blacklisted, and the first ``install`` of each module, which counts."""
    blacklisted: set[str] = set()
    installs: dict[str, str] = {}
    for line in "\n".join(lines).replace("\\\n", " ").split("\n"):
        words = line.split(None, 2)
        if words[:1] == ["blacklist"] and len(words) > 1:
            blacklisted.add(plain(words[1]))
        elif words[:1] == ["install"] and len(words) > 2:  # noqa: PLR2004 - install NAME COMMAND
            installs.setdefault(plain(words[1]), words[2].strip())
    return frozenset(blacklisted), installs


def read(facts: Facts) -> KernelModules:
    """Read them; a kernel that has no modules can load none."""
    result = facts.run(_SCRIPT)
    if result.exit_code == ABSENT:
        return KernelModules(frozenset(), on_disk=frozenset(), has_modules=False)
    return parse(script(result, "kernel modules"))
