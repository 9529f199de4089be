"""What reading a table will ask in any case, so that several tables travel together."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.transport.base import Command

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

Reader = Callable[["Facts"], Any]
"""Reads one table: ``def read(facts: Facts) -> Table``; a `KeyedTable` is one too."""
Tables = Mapping[str, "str | Reader"]
"""Where each table is read, by name."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One command to run ahead.

    Attributes:
        command: it only reads.
        table: the keyed table that it asks for *keys*; "" for a command of other tables.
        keys: the rows.
        times: how many tables will want the answer.
    """

    command: Command
    table: str = ""
    keys: tuple[str, ...] = ()
    times: int = 1


def find_reader(reader: str | Reader) -> Reader:
    """Return what ``"module"`` (its function ``read``) or ``"module:name"`` names."""
    if not isinstance(reader, str):
        return reader
    return cast("Reader", pkgutil.resolve_name(reader if ":" in reader else f"{reader}:read"))


def is_keyed(reader: Reader) -> bool:
    """Whether *reader* is a table whose rows are asked for by key."""
    return isinstance(reader, type) and issubclass(reader, KeyedTable)


def asks_of(
    tables: Tables,
    names: Iterable[str],
    keys: Mapping[str, Sequence[str]] | None = None,
    *,
    here: bool = False,
    unasked: Callable[[str, Iterable[str]], Iterable[str]] | None = None,
) -> tuple[Ask, ...]:
    """Return what reading the tables *names*, and *keys* of keyed ones, begins with.

    A table's module says it: ``ASKS``, its commands, or a function that returns them; ``ROWS``,
    what it asks of keyed tables; ``USES``, the tables that it asks in turn. ``ASKS_HERE`` and
    ``ROWS_HERE`` stand for them where the transport can measure this very machine. A table without
    all that asks when it is read, and not before.

    Args:
        tables: where each table is read.
        names: tables without keys; unknown ones are left out.
        keys: the keys of each keyed table.
        here: whether the transport can measure this machine.
        unasked: which keys of a keyed table are still to be asked for; None: all.
    """
    found: dict[object, Ask] = {}
    rows = {name: list(each) for name, each in (keys or {}).items()}
    for name in _with_used(tables, names):
        source = _source(tables[name])
        for table, each in _of(source, "ROWS", {}, here=here).items():
            rows.setdefault(table, []).extend(each)
        for command in _commands(source, here=here):
            text = _hashable(command)
            before = found.get(text)
            found[text] = Ask(text, times=before.times + 1 if before else 1)
    for name, every in rows.items():
        reader = find_reader(tables[name]) if name in tables else None
        if reader is not None and is_keyed(reader):
            table = cast("type[KeyedTable[Any]]", reader)
            wanted = dict.fromkeys(filter(table.askable, every))
            for batch in table.batches(unasked(name, wanted) if unasked else wanted):
                found[name, batch] = Ask(_hashable(table.command(batch)), name, batch)
    return tuple(found.values())


def _hashable(command: Command) -> Command:
    return command if isinstance(command, str) else tuple(command)


def _with_used(tables: Tables, names: Iterable[str]) -> Iterator[str]:
    seen: dict[str, None] = {}
    queue = [name for name in names if name in tables]
    while queue:
        name = queue.pop(0)
        if name not in seen:
            seen[name] = None
            used = getattr(_source(tables[name]), "USES", ())
            queue += [other for other in used if other in tables]
    yield from seen


def _source(reader: str | Reader) -> object:
    """Return what holds ``ASKS`` and ``USES``: the module of a table, or the named reader."""
    found = find_reader(reader)
    if isinstance(reader, str) and ":" not in reader:
        return sys.modules[found.__module__]
    return found


def _commands(source: object, *, here: bool) -> Sequence[Command]:
    asks = _of(source, "ASKS", (), here=here)
    return cast("Sequence[Command]", asks() if callable(asks) else asks)


def _of(source: object, name: str, default: Any, *, here: bool) -> Any:
    found = getattr(source, name, default)
    return getattr(source, f"{name}_HERE", found) if here else found
