"""How much a service of systemd could do to its host, in systemd's own points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.facts.systemctl import BOOTED
from pytest_sysaudit.transport.base import Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: No ``ASKS``: it takes a second and more, so it is run when a check asks for it, never ahead.
_SCRIPT = Script(f"""{BOOTED}
systemd-analyze security --no-pager --json=short""")


def parse(text: str) -> Mapping[str, float]:
    """Return the points of each loaded service, 0 to 10; more is worse.

    Raises:
        CannotAssess: no service is named.
        ValueError: it is no such list.
    """
    rows = json.loads(text)
    found = {str(row["unit"]): float(row["exposure"]) for row in rows}
    if not found:
        raise CannotAssess("systemd-analyze security names no service")
    return found


def read(facts: Facts) -> Mapping[str, float]:
    """Ask systemd-analyze.

    Raises:
        NotApplicable: systemd does not run this host.
        CannotAssess: this systemd is too old for it.
    """
    return parse(script(facts.run(_SCRIPT), "systemd"))
