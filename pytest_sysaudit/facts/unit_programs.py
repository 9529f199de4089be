"""Which programs the loaded services start, and as whom; what they are given stays unseen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.facts.systemctl import BOOTED, SHOW
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_EXECS = "Condition StartPre Start StartPost Reload Stop StopPost"
_PROPERTIES = ",".join(["Id", "User", *(f"Exec{word}" for word in _EXECS.split())])
#: Programs that run the file that is their first argument, and what may stand before it: options,
#: variables, and an interpreter that env looks for. Behind -c there is no file, but a text.
_RUN = r"(env|(ba|da|k|mk|z|c|tc)?sh|python[0-9.]*|perl[0-9.]*|ruby[0-9.]*|php[0-9.]*|node|java)"
_BEFORE = rf"(-[^c ;]*|[A-Za-z0-9_]+=[^ ;/]*|{_RUN})"
#: Arguments may be secrets, so only the paths leave the host.
_SCRIPT = Script(rf"""{BOOTED}
{{ {SHOW} --property={_PROPERTIES} '*.service' || echo "@failed $?"
echo @end; }} | sed -n -E -e '/^Id=/p' -e '/^User=/p' -e '/^$/p' -e '/^@/p' -e h \
-e 's/^Exec[A-Za-z]*=\{{ path=([^;]*[^; ]) ; argv.*/path=\1/p' -e g \
-e 's,^Exec[^=]*=\{{ path=[^;]*/{_RUN} ; argv\[\]=[^ ;]+ ({_BEFORE} )*(/[^ ;]+) .*,path=\7,p'""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_LINE = re.compile(r"(Id|User|path)=(.*)")


@dataclass(frozen=True, slots=True)
class UnitProgram:
    """A program of a service; ``user`` is "" for root."""

    unit: str
    user: str
    path: str


def parse(text: str) -> tuple[UnitProgram, ...]:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut, or systemctl failed.
    """
    lines = complete("systemctl", text, "@end")
    if failed := [line for line in lines if line.startswith("@failed")]:
        raise CannotAssess(f"systemctl show: exit code {failed[0].removeprefix('@failed ')}")
    blocks = "\n".join(lines).split("\n\n")
    found = [program for block in blocks for program in _programs(block)]
    if not any(block.strip() for block in blocks):
        raise CannotAssess("systemctl show: no service is loaded")
    return tuple(dict.fromkeys(found))


def _programs(block: str) -> Iterator[UnitProgram]:
    matches = map(_LINE.fullmatch, block.split("\n"))
    pairs = [(match[1], match[2]) for match in matches if match]
    if not pairs:
        return
    fields = dict(pairs)
    for name, path in pairs:
        if name == "path":
            yield UnitProgram(fields["Id"], fields.get("User", ""), path)


def read(facts: Facts) -> tuple[UnitProgram, ...]:
    """Ask systemd.

    Raises:
        NotApplicable: systemd does not run this host.
        CannotAssess: systemctl could not talk to it.
    """
    return parse(script(facts.run(_SCRIPT), "systemd"))
