"""Fact tables: what one host says about itself, each table read once.

A new table is one module and one line below. The module holds the commands, the parser (a pure
function from text to frozen dataclasses) and ``read(facts)``, which brings the two together::

    def parse(text: str) -> Mapping[str, str]: ...

    def read(facts: Facts) -> Mapping[str, str]:
        return parse(facts.run(["sysctl", "-a"]).expect(0, 1).out)

``facts.run`` and ``facts.frame`` use the right user; ``facts.transport.read`` reads files;
``facts.<other>`` is another table. A parser that meets what it does not know raises ValueError
or LookupError (`base.parse_lines` adds the line number); the check then gets a CannotAssess.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_sysaudit.facts.base import Facts, Reader, parse_lines, unknown_format
from pytest_sysaudit.transport.base import Transport

__all__ = ["TABLES", "Facts", "open_facts", "parse_lines", "unknown_format"]

#: Where each table is read: ``"module"`` (its function ``read``) or ``"module:function"``.
TABLES: Mapping[str, str] = {
    "health": "pytest_sysaudit.facts.health",
}


def open_facts(
    transport: Transport,
    extra: Mapping[str, str | Reader] | None = None,
    *,
    user: str | None = None,
) -> Facts:
    """Return the fact tables of the host behind *transport*; nothing is read yet.

    Args:
        transport: the way to the host.
        extra: further tables by name, as in `TABLES` or as callables.
        user: whom the commands run as; None: as the inventory says.
    """
    return Facts(transport, {**TABLES, **(extra or {})}, user)
