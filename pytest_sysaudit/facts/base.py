"""How fact tables are read: once per host and user, together where that can be, errors kept too."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.evidence.trail import Trail, collected, passed_on, used
from pytest_sysaudit.facts.asks import Ask, Reader, Tables, asks_of, find_reader, is_keyed
from pytest_sysaudit.facts.batch import Answer, Kept, many, run_batch
from pytest_sysaudit.facts.keyed import KeyedTable, packages_of
from pytest_sysaudit.facts.outcome import Outcome, attempt
from pytest_sysaudit.facts.packed import SMALL, Packed, pack, unpack
from pytest_sysaudit.lanes import Once
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Command, CommandResult, Transport

if TYPE_CHECKING:
    from pytest_sysaudit.facts.tape import Tape

__all__ = ["Facts", "Reader", "find_reader", "parse_lines", "unknown_format"]

T = TypeVar("T")
_Place = tuple[str, str | None]
"""A table's name, and the user who reads it."""


@dataclass(slots=True)
class _Notes:
    """What one table was made of: results, other tables, and what it is known by as evidence."""

    results: list[CommandResult | Packed] = field(default_factory=list)
    tables: dict[_Place, None] = field(default_factory=dict)
    trail: Trail | None = None


@dataclass(slots=True)
class _Shared:
    """What the views of all users on one host have in common."""

    outcomes: Once[_Place] = field(default_factory=Once)
    notes: dict[_Place, _Notes] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)
    packed: dict[tuple[Command, float, int], CommandResult | Packed] = field(default_factory=dict)

    def forget(self) -> None:
        self.outcomes, self.notes, self.kept, self.packed = Once(), {}, Kept(), {}

    def pack(self, result: CommandResult) -> CommandResult | Packed:
        """Return what is kept of *result*, once for all tables that are made of it."""
        if len(result.stdout) <= SMALL:
            return result
        command = result.command if isinstance(result.command, str) else tuple(result.command)
        place = (command, result.started, len(result.stdout))
        if place not in self.packed:
            self.packed[place] = pack(result)
        return self.packed[place]


class Facts:
    """The fact tables of one host: ``facts.sysctl["kernel.randomize_va_space"]``.

    A table is read when it is first asked for, and never again for the same user. If it could not
    be read, everybody who asks gets the same error.

    Attributes:
        transport: the way to the host.
        user: whom the commands run as; None: as the inventory says.
        tape: keeps the tables that are read, or has those that were; None: neither.
    """

    def __init__(
        self,
        transport: Transport,
        tables: Tables,
        user: str | None = None,
        _shared: _Shared | None = None,
        _notes: _Notes | None = None,
        tape: Tape | None = None,
    ) -> None:
        self.transport = transport
        self.user = user
        self.tape = tape
        self._tables = tables
        self._shared = _shared or _Shared()
        self._notes = _notes

    def as_user(self, user: str | None) -> Facts:
        """Return the same tables as *user* sees them; what was read is shared."""
        if user == self.user:
            return self
        return Facts(self.transport, self._tables, user, self._shared, self._notes, self.tape)

    def refresh(self) -> None:
        """Forget what was read, for every user of this host; who asks next reads it anew.

        A table or row that somebody holds stays as it is. For tests that change a host: an audit
        reads, and judges a host by what it was when it was first asked.
        """
        self._shared.forget()

    def run(
        self, command: Command, *, stdin: bytes = b"", timeout: float | None = None
    ) -> CommandResult:
        """Return the result of *command* as this object's user.

        It is run, as `Transport.run` does, unless it was run ahead: then that result is handed
        out, once, or the error raised that came instead of it.
        """
        answer = None if stdin else self._shared.kept.take(command, self.user)
        if answer is None:
            answer = self.transport.run(command, stdin=stdin, timeout=timeout, user=self.user)
        elif isinstance(answer, CommandResult):
            used(answer.evidence)
        if not isinstance(answer, CommandResult):
            raise answer.with_traceback(None)
        self.note(answer)
        return answer

    def batch(self, commands: Sequence[Command]) -> list[Answer]:
        """Return a result or an error for each of *commands*: in one round trip, if any."""
        answers = [self._shared.kept.take(command, self.user) for command in commands]
        missing = [c for c, answer in zip(commands, answers, strict=True) if answer is None]
        fresh = iter(run_batch(self.transport, missing, self.user))
        found = [next(fresh) if answer is None else answer for answer in answers]
        for answer in found:
            if isinstance(answer, CommandResult):
                used(answer.evidence)
                self.note(answer)
        return found

    def frame(self, commands: Mapping[str, Command]) -> dict[str, CommandResult]:
        """Return the results of several commands by name: in one round trip, if any.

        Raises:
            CannotAssess: of the first command without a result.
        """
        found = dict(zip(commands, self.batch(list(commands.values())), strict=True))
        for answer in found.values():
            if not isinstance(answer, CommandResult):
                raise answer.with_traceback(None)
        return {name: a for name, a in found.items() if isinstance(a, CommandResult)}

    def load(self, *names: str) -> tuple[Any, ...]:
        """Return several tables, read in as few round trips as can be.

        Raises:
            CannotAssess: of the first one that could not be read.
            NotApplicable: of the first one that does not exist here.
        """
        self.read_ahead(names)
        return tuple(getattr(self, name) for name in names)

    def read_ahead(
        self,
        tables: Iterable[str],
        keys: Mapping[str, Sequence[str]] | None = None,
        told: Mapping[Command, Answer] | None = None,
    ) -> None:
        """Ask now, in one round trip, what reading *tables* begins with; raises nothing.

        Args:
            tables: names; those that were read already are left out.
            keys: the rows of keyed tables that will be asked for.
            told: what is known already, by command; an argv list stands there as a tuple.
        """
        if self._replays:
            return
        asks = self.asks(tables, keys)
        with collected():  # nobody used it yet
            self._ask_ahead(asks, told)

    def _ask_ahead(self, asks: tuple[Ask, ...], told: Mapping[Command, Answer] | None) -> None:
        if told:
            known = [ask for ask in asks if ask.command in told]
            self.settle(known, [told[ask.command] for ask in known])
            asks = tuple(ask for ask in asks if ask.command not in told)
        if many(self.transport) is None:
            return  # left for later: nothing would be saved
        self.settle(asks, run_batch(self.transport, [ask.command for ask in asks], self.user))

    def asks(
        self, tables: Iterable[str], keys: Mapping[str, Sequence[str]] | None = None
    ) -> tuple[Ask, ...]:
        """Return the commands that `read_ahead` would run now."""
        unread = [n for n in tables if not self._shared.outcomes.known((n, self.user))]
        here = hasattr(self.transport, "measure")
        every = asks_of(self._tables, unread, keys, here=here, unasked=self._unasked)
        return tuple(a for a in every if not self._shared.kept.holds(a.command, self.user))

    def _unasked(self, table: str, keys: Iterable[str]) -> tuple[str, ...]:
        rows: KeyedTable[Any] = getattr(self, table)
        return rows.unasked(keys)

    def settle(self, asks: Iterable[Ask], answers: Sequence[Answer]) -> None:
        """Keep the *answers* of *asks*, in their order, until the tables are read."""
        if not any(isinstance(answer, CommandResult) for answer in answers):
            return  # the connection itself is broken; whoever asks next finds out how
        for ask, answer in zip(asks, answers, strict=True):
            if ask.table:
                getattr(self, ask.table).take(ask.keys, answer)
            else:
                self._shared.kept.put(ask.command, self.user, answer, ask.times)

    def ahead(self, commands: Iterable[Command]) -> None:
        """Run *commands* now, in one round trip, for `run` to answer from; raises nothing.

        A transport that cannot run several at once leaves them for later.
        """
        if many(self.transport) is None or self._replays:
            return
        asks = [Ask(c) for c in commands if not self._shared.kept.holds(c, self.user)]
        with collected():
            self.settle(asks, run_batch(self.transport, [ask.command for ask in asks], self.user))

    def observations(self, table: str) -> tuple[CommandResult, ...]:
        """Return the results that *table*, and the tables it asked, were made of, each once."""
        places, found = [(table, self.user)], dict[int, CommandResult | Packed]()
        for place in places:  # grows
            notes = self._shared.notes.get(place)
            if notes is not None:
                found.update((id(kept), kept) for kept in notes.results)
                places += [other for other in notes.tables if other not in places]
        return tuple(unpack(kept) for kept in found.values())

    @property
    def _replays(self) -> bool:
        return self.tape is not None and self.tape.replays

    def note(self, result: CommandResult) -> None:
        """Remember that the table that is being read is made of *result*."""
        if self._notes is not None:
            kept = result if self._replays else self._shared.pack(result)  # the recording is packed
            self._notes.results.append(kept)

    def part(self, name: str, read: Callable[[], Any]) -> Outcome:
        """Return what came of *read*: a part *name* of a table that reads it later.

        It is recorded, and found in a replay, as a table is.
        """
        if self.tape is None:
            return attempt(name, read)
        return self.tape.table(name, self.user, lambda: attempt(name, read), ())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._tables:
            close = difflib.get_close_matches(name, self._tables, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"there is no fact table {name!r}{hint}")
        place = (name, self.user)
        if self._notes is not None:
            self._notes.tables[place] = None
        outcome: Outcome = self._shared.outcomes.get(place, lambda: self._read(name))
        if self.tape is not None and (notes := self._shared.notes.get(place)) and notes.trail:
            passed_on(notes.trail)
        return outcome.get()

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._tables]

    def _read(self, name: str) -> Outcome:
        notes = self._shared.notes[name, self.user] = _Notes()
        own = Facts(self.transport, self._tables, self.user, self._shared, notes, self.tape)
        tape = self.tape
        if tape is None:
            return attempt(name, lambda: find_reader(self._tables[name])(own))
        reader = find_reader(self._tables[name])
        if is_keyed(reader):
            return Outcome(value=reader(own))
        with collected() as notes.trail:
            return tape.table(
                name, self.user, lambda: attempt(name, lambda: reader(own)), packages_of(reader)
            )


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
