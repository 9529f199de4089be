"""Programs that run with some of root's powers, by the capabilities of their files."""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.file_search import DEADLINE, programs_command

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.file_search import FileSearch

USES = ("file_search",)
#: getcap's line; its older version has an equals sign behind the path.
_LINE = re.compile(
    r"^(/.*?) ((?:= ?)?(?:(?:cap_\w+|all)(?:,cap_\w+)*)?[=+-][eip]*(?: [^/\n]*)?)$",
    re.MULTILINE | re.DOTALL,
)
_NAME = re.compile(r"cap_\w+|all")
_ATTRIBUTE = "security.capability"
#: The length of the attribute's first version, which knew 32 capabilities.
_SHORT = 12
#: By number, as linux/capability.h has them.
_NAMES = """chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap
linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module
sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore""".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Capable:
    """A file with capabilities; ``names`` as ``cap_net_raw``, or ``all``."""

    path: str
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{self.path} ({', '.join(sorted(self.names))})"


def parse(text: str) -> tuple[Capable, ...]:
    """Parse what getcap printed: a line for each file with capabilities.

    Raises:
        ValueError: something between the lines is none.
    """
    found = []
    end = 0
    for match in _LINE.finditer(text):
        if text[end : match.start()].strip("\n"):
            raise ValueError("not a line of getcap")
        end = match.end()
        found.append(Capable(match[1], frozenset(_NAME.findall(match[2])) or frozenset({"all"})))
    if text[end:].strip("\n"):
        raise ValueError("not a line of getcap")
    return tuple(found)


def parse_attribute(data: bytes) -> frozenset[str]:
    """Return the names of the capabilities in the extended attribute of a file.

    Raises:
        ValueError: it is too short.
    """
    try:
        found = struct.unpack_from("<4I" if len(data) > _SHORT else "<2I", data, 4)
    except struct.error as error:
        raise ValueError("not an attribute of capabilities") from error
    allowed, inherited, *high = found
    bits = allowed | inherited | (((high[0] | high[1]) << 32) if high else 0)
    numbers = (number for number in range(bits.bit_length()) if bits >> number & 1)
    return frozenset(
        f"cap_{_NAMES[number] if number < len(_NAMES) else number}" for number in numbers
    )


def read(facts: Facts) -> tuple[Capable, ...]:
    """Return the files with capabilities; `FileSearch.require_all` says whether they are all.

    Raises:
        CannotAssess: the host has no getcap.
    """
    search: FileSearch = facts.file_search
    if search.capabilities is not None:
        return parse(search.capabilities)
    measure = getattr(facts.transport, "measure", None)
    if measure is None:
        raise CannotAssess(
            "getcap is not there; it comes with libcap2-bin (Debian), libcap (Red Hat) or "
            "libcap-utils (Alpine)"
        )
    programs = facts.run(programs_command(search.searched), timeout=DEADLINE).expect(0, 1)
    paths = [path for path in programs.stdout.split(b"\0") if path]
    found = measure("capabilities", lambda: [[c.path, sorted(c.names)] for c in _here(paths)])
    return tuple(Capable(path, frozenset(names)) for path, names in found)


def _here(paths: Iterable[bytes]) -> Iterable[Capable]:
    """Yield those of *paths*, on this machine, that have capabilities."""
    for path in paths:
        try:
            data = os.getxattr(path, _ATTRIBUTE, follow_symlinks=False)
        except OSError as error:
            if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.ENOENT):
                continue
            raise CannotAssess(f"{os.fsdecode(path)}: {error.strerror}") from error
        yield Capable(path.decode("utf-8", "backslashreplace"), parse_attribute(data))
