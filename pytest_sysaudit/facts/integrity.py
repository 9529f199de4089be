"""Programs that watch over files, and the data bases that they compare them with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Where each program keeps its data base, as packages of distributions set it up; each may be
#: packed.
_BASES: Mapping[str, Sequence[str]] = {
    "aide": ("/var/lib/aide/aide.db", "/var/lib/aide/aide.db.*"),
    "tripwire": ("/var/lib/tripwire/*.twd",),
    "samhain": ("/var/lib/samhain/samhain_file", "/var/state/samhain/samhain_file"),
}
#: Programs of which only the running daemon tells that they are in use; they keep the data base
#: themselves, or their server does. By the name of the process, at most 15 characters.
DAEMONS = ("samhain", "wazuh-syscheckd", "ossec-syscheckd")
_FOLDERS = sorted({base.rpartition("/")[0] for bases in _BASES.values() for base in bases})
_SCRIPT = Script(
    f"""for t in {" ".join(_BASES)}; do
  command -v $t >/dev/null && echo "tool $t"
done
for d in {" ".join(_FOLDERS)}; do
  [ ! -d $d ] || [ -x $d ] && [ ! -d $d -o -r $d ] || echo "denied $d"
done
"""
    + "\n".join(
        f'for f in {" ".join(bases)}; do [ -s "$f" ] && printf "base {tool} %s\\n" "$f"; done'
        for tool, bases in _BASES.items()
    )
    + "\necho @end"
)
ASKS: tuple[Command, ...] = (_SCRIPT,)


@dataclass(frozen=True, slots=True)
class Integrity:
    """What is there.

    Attributes:
        tools: the programs, sorted.
        bases: the data bases of each program that are not empty.
        denied: folders of data bases that we may not look into.
    """

    tools: tuple[str, ...]
    bases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    denied: tuple[str, ...] = ()

    def hides(self, tool: str) -> str:
        """Return a folder of *tool* that we may not look into; "" if there is none."""
        folders = {base.rpartition("/")[0] for base in _BASES[tool]}
        return next((folder for folder in self.denied if folder in folders), "")


def parse(text: str) -> Integrity:
    """Parse the output of the reading script.

    Raises:
        Incomplete: it is cut.
        ValueError: a line has an unknown format.
    """
    tools, denied = set(), set()
    bases: dict[str, list[str]] = {}
    for line in complete("integrity", text, "@end"):
        word, _, rest = line.partition(" ")
        if word == "base":
            tool, _, path = rest.partition(" ")
            # what aide is about to make, and has not put in its place
            if not path.endswith((".new", ".new.gz")):
                bases.setdefault(tool, []).append(path)
        elif word == "tool":
            tools.add(rest)
        elif word == "denied":
            denied.add(rest)
        else:
            raise ValueError("not a line about integrity")
    kept = {tool: tuple(paths) for tool, paths in bases.items()}
    return Integrity(tuple(sorted(tools)), kept, tuple(sorted(denied)))


def read(facts: Facts) -> Integrity:
    """Look for programs and data bases; the shell needs no process for it."""
    return parse(script(facts.run(_SCRIPT), "integrity tools"))
