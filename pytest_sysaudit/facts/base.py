"""How a fact table is read: once per host and user, errors remembered too."""

from __future__ import annotations

import difflib
import pkgutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.frame import run_frame
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Command, CommandResult, Transport

T = TypeVar("T")

Reader = Callable[["Facts"], Any]
"""Reads one table: ``def read(facts: Facts) -> Table``."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What reading a table gave: a value, or the error that says why there is none."""

    value: Any = None
    error: CannotAssess | NotApplicable | None = None

    def get(self) -> Any:
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self.value


class Facts:
    """The fact tables of one host: ``facts.sysctl["kernel.randomize_va_space"]``.

    A table is read when it is first asked for, and never again for the same user. If it could not
    be read, everybody who asks gets the same error.

    Attributes:
        transport: the way to the host.
        user: whom the commands run as; None: as the inventory says.
    """

    def __init__(
        self,
        transport: Transport,
        tables: Mapping[str, str | Reader],
        user: str | None = None,
        _shared: tuple[dict[tuple[str, str | None], _Outcome], threading.RLock] | None = None,
    ) -> None:
        self.transport = transport
        self.user = user
        self._tables = tables
        self._outcomes, self._lock = _shared or ({}, threading.RLock())

    def as_user(self, user: str | None) -> Facts:
        """Return the same tables as *user* sees them; what was read is shared."""
        return Facts(self.transport, self._tables, user, (self._outcomes, self._lock))

    def run(
        self, command: Command, *, stdin: bytes = b"", timeout: float | None = None
    ) -> CommandResult:
        """Run *command* as this object's user; see `Transport.run`."""
        return self.transport.run(command, stdin=stdin, timeout=timeout, user=self.user)

    def frame(
        self, commands: Mapping[str, Command], *, timeout: float | None = None
    ) -> dict[str, CommandResult]:
        """Run several commands in one round trip; see `run_frame`."""
        return run_frame(self.transport, commands, timeout=timeout, user=self.user)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._tables:
            close = difflib.get_close_matches(name, self._tables, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"there is no fact table {name!r}{hint}")
        with self._lock:
            key = (name, self.user)
            if key not in self._outcomes:
                self._outcomes[key] = self._read(name)
            outcome = self._outcomes[key]
        return outcome.get()

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._tables]

    def _read(self, name: str) -> _Outcome:
        try:
            return _Outcome(value=find_reader(self._tables[name])(self))
        except (CannotAssess, NotApplicable) as error:
            return _Outcome(error=error)
        except (ValueError, LookupError, TypeError) as error:
            lost = CannotAssess(f"{name}: unknown format ({type(error).__name__}: {error})")
            lost.__cause__ = error
            return _Outcome(error=lost)


def find_reader(reader: str | Reader) -> Reader:
    """Return what ``"module"`` (its function ``read``) or ``"module:function"`` names."""
    if not isinstance(reader, str):
        return reader
    return cast("Reader", pkgutil.resolve_name(reader if ":" in reader else f"{reader}:read"))


def parse_lines(name: str, text: str, parse: Callable[[str], T | None]) -> list[T]:
    """Return what *parse* makes of each line of *text*; None and blank lines are left out.

    The message of the error does not hold the line: it may be a secret.

    Raises:
        CannotAssess: *parse* raised ValueError or LookupError; it names the line's number.
    """
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parse(line)
        except (ValueError, LookupError) as error:
            raise unknown_format(name, number, type(error).__name__) from error
        if value is not None:
            found.append(value)
    return found


def unknown_format(name: str, line: int, why: str = "") -> CannotAssess:
    """Return the error for a table whose *line* (from 1) the parser does not know."""
    reason = f" ({first_line(why)})" if why else ""
    return CannotAssess(f"{name}: unknown format at line {line}{reason}")
