"""Services under OpenRC, as its folders show them: nothing is started for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.reading import ABSENT, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_SCRIPT = Script(f"""[ -d /run/openrc ] || exit {ABSENT}
for f in /run/openrc/started/* /etc/runlevels/*/*; do
  if [ -L "$f" ] || [ -e "$f" ]; then printf '%s\\n' "$f"; fi
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)


@dataclass(frozen=True, slots=True)
class OpenRC:
    """Names of services that were started, and of those that a runlevel starts."""

    started: frozenset[str]
    enabled: frozenset[str]


def parse(text: str) -> OpenRC:
    """Parse the output of the reading script.

    Raises:
        Incomplete: it is cut.
    """
    lines = complete("openrc", text, "@end")
    return OpenRC(_names(lines, "/run/openrc/started/"), _names(lines, "/etc/runlevels/"))


def _names(lines: Sequence[str], folder: str) -> frozenset[str]:
    return frozenset(line.rpartition("/")[2] for line in lines if line.startswith(folder))


def read(facts: Facts) -> OpenRC:
    """Look at its folders.

    Raises:
        NotApplicable: OpenRC does not run this host.
    """
    return parse(script(facts.run(_SCRIPT), "OpenRC"))
