"""Files that say what root starts: units and init scripts that others than root may change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.facts.file_stats import FileFact
from pytest_sysaudit.facts.found_files import FOLLOWING, complaint, parse_records
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Where systemd, OpenRC and older systems read what to start.
PLACES = (
    "/etc/systemd",
    "/run/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/generator",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/user",
    "/etc/init.d",
    "/etc/rc.d",
    "/etc/rc.local",
    "/etc/local.d",
    "/etc/conf.d",
    "/etc/init",
    "/etc/inittab",
)
#: Links are followed: a unit may be a link to anywhere, and a masked one leads to /dev/null.
_SCRIPT = Script(f"""{FOLLOWING}
set -- \\( -type f -o -type d \\) \\( ! $u 0 -o -perm -0020 -o -perm -0002 \\) "$@"
t=
for f in {" ".join(PLACES)}; do [ ! -e $f ] || t="$t $f"; done
[ -L /lib ] || [ ! -e /lib/systemd/system ] || t="$t /lib/systemd/system"
echo "places$t"
[ -z "$t" ] || find -L $t -maxdepth 4 "$@"
echo "@end $?\"""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_WHOLE = re.compile(r"places([^\n]*)\n(.*)@end (\d+)\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StartupFiles:
    """What was found.

    Attributes:
        places: the folders and files that were looked through; none on a host that starts nothing.
        open: files and folders there that are not root's, or that others may write.
        unseen: why that is not all; "" if it is.
    """

    places: tuple[str, ...]
    open: tuple[FileFact, ...]
    unseen: str = ""

    def require_all(self) -> None:
        """Say that nothing was overlooked; raises Incomplete otherwise."""
        if self.unseen:
            raise Incomplete(f"not all files that start services were seen: {self.unseen}")


def parse(result: CommandResult) -> StartupFiles:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut, or find failed.
    """
    whole = _WHOLE.fullmatch(script(result, "list of units"))
    if whole is None:
        raise Incomplete("find: the output is not whole (its end mark is missing)")
    places, records, code = whole.groups()
    if code not in ("0", "1"):
        raise CannotAssess(f"find: exit code {code}: {first_line(result.err) or 'no message'}")
    *found, end = records.split("\0")
    if end:
        raise ValueError("find: a record without an end")
    return StartupFiles(tuple(places.split()), parse_records(found), complaint(result.err))


def read(facts: Facts) -> StartupFiles:
    """Look through `PLACES`."""
    return parse(facts.run(_SCRIPT))
