"""The groups for Diffie-Hellman that sshd may offer: how many of which size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import ABSENT, ROOT_ONLY, complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

PATH = "/etc/ssh/moduli"
#: The file is half a megabyte; the fifth field of a line is the size in bits, less one.
_SCRIPT = Script(f"""if [ ! -e {PATH} ]; then
  [ -x /etc/ssh ] || [ ! -e /etc/ssh ] || exit {ROOT_ONLY}
  exit {ABSENT}
fi
[ -r {PATH} ] || exit {ROOT_ONLY}
awk '!/^[ \\t]*#/ && NF > 5 {{ n[$5]++ }}
END {{ for (size in n) print size, n[size]; print "@end" }}' {PATH}""")
ASKS: tuple[Command, ...] = (_SCRIPT,)


def parse(text: str) -> Mapping[int, int]:
    """Return how many groups there are of each size in bits, the smallest first.

    Raises:
        CannotAssess: it is cut, or there is no group.
    """

    def one(line: str) -> tuple[int, int]:
        size, count = line.split()
        return int(size) + 1, int(count)

    found = parse_lines(PATH, "\n".join(complete(PATH, text, "@end")), one)
    if not found:
        raise CannotAssess(f"{PATH}: there is no group in it")
    return dict(sorted(found))


def read(facts: Facts) -> Mapping[int, int]:
    """Count the groups.

    Raises:
        NotApplicable: there is no such file.
        Denied: we may not read it.
    """
    return parse(script(facts.run(_SCRIPT), PATH))
