"""What reading a table will ask in any case, so that several tables travel together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
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
    module, _, name = reader.partition(":")
    return cast("Reader", attrgetter(name or "read")(import_module(module)))


def is_keyed(reader: Reader) -> bool:
    """Whether *reader* is a table whose rows are asked for by key."""
    return isinstance(reader, type) and issubclass(reader, KeyedTable)


def keyed_table(tables: Tables, name: str) -> type[KeyedTable[Any]] | None:
    """Return the class of the table *name*; None if it is none, is not keyed, or is broken."""
    try:
        reader = find_reader(tables[name])
    except Exception:  # noqa: BLE001 - somebody else's module; who asks for the table is told
        return None
    return cast("type[KeyedTable[Any]]", reader) if is_keyed(reader) else None


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
        more, commands = _begins(tables[name], here=here)
        for keyed, each in more.items():
            rows.setdefault(keyed, []).extend(each)
        for text in commands:
            before = found.get(text)
            found[text] = Ask(text, times=before.times + 1 if before else 1)
    for name, every in rows.items():
        table = keyed_table(tables, name)
        if table is not None:
            wanted = dict.fromkeys(filter(table.askable, every))
            left = unasked(name, wanted) if unasked else wanted
            found.update({(name, ask.keys): ask for ask in _batches(name, table, left)})
    return tuple(found.values())


def _batches(name: str, table: type[KeyedTable[Any]], keys: Iterable[str]) -> list[Ask]:
    try:
        batches = table.batches(keys)
        return [Ask(_hashable(table.command(batch)), name, batch) for batch in batches]
    except Exception:  # noqa: BLE001 - somebody else's module; who asks for a row is told
        return []


def _hashable(command: Command) -> Command:
    return command if isinstance(command, str) else tuple(command)


def _with_used(tables: Tables, names: Iterable[str]) -> Iterator[str]:
    seen: dict[str, None] = {}
    queue = [name for name in names if name in tables]
    while queue:
        name = queue.pop(0)
        if name not in seen:
            seen[name] = None
            queue += [other for other in _uses(tables[name]) if other in tables]
    yield from seen


def _begins(
    reader: str | Reader, *, here: bool
) -> tuple[Mapping[str, Sequence[str]], tuple[Command, ...]]:
    """Return what a table asks of keyed ones, and its commands; nothing of a broken one."""
    try:
        source = _source(reader)
        rows = dict(_of(source, "ROWS", {}, here=here))
        return rows, tuple(map(_hashable, _commands(source, here=here)))
    except Exception:  # noqa: BLE001 - somebody else's module; who asks for the table is told
        return {}, ()


def _uses(reader: str | Reader) -> tuple[str, ...]:
    try:
        return tuple(getattr(_source(reader), "USES", ()))
    except Exception:  # noqa: BLE001 - as above
        return ()


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
