"""Tables whose rows are asked for by key: paths, units, settings; many keys in one command."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.evidence.trail import Trail, collected, passed_on
from pytest_sysaudit.facts.outcome import Failure, Outcome, attempt
from pytest_sysaudit.lanes import wait_for
from pytest_sysaudit.lanes.turn import owned
from pytest_sysaudit.transport.base import CommandResult

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.tape import Tape
    from pytest_sysaudit.transport.base import Command

Row = TypeVar("Row")
_Slot = Future[Outcome | None]


class KeyedTable(ABC, Generic[Row]):
    """Rows by key, each fetched once for a host and user, errors remembered too.

    A subclass says how to ask and how to read the answer, and is registered in ``TABLES`` as
    ``"module:Class"``; ``facts.<name>`` is then one object for each user::

        class Paths(KeyedTable[FileFact]):
            NAME = "paths"

            @classmethod
            def command(cls, keys): return ["stat", "-c", "%a %n", "--", *keys]

            @classmethod
            def parse(cls, keys, result): return {path: FileFact(...) or NotApplicable(...)}

        facts.paths.ask(["/etc/passwd", "/etc/group"])  # one command
        facts.paths["/etc/passwd"]                      # no further one

    Attributes:
        facts: the tables of the same host and user.
    """

    NAME: ClassVar[str]
    """The table's name, for messages."""
    BATCH: ClassVar[int] = 400
    """How many keys one command names at most; a shell takes 128 KiB in one argument."""
    NULS: ClassVar[int] = 0
    """How many NULs a key holds; no command can, so they are for keys of several parts."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._lock = threading.Lock()  # never held over a wait
        self._rows: dict[str, _Slot] = {}
        self._trails: dict[str, Trail] = {}

    @classmethod
    @abstractmethod
    def command(cls, keys: Sequence[str]) -> Command:
        """Return the one read-only command that asks for *keys*, which are none twice."""

    @classmethod
    @abstractmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, Row | Failure]:
        """Return the row of each of *keys*, or the error that stands for it.

        Raises:
            CannotAssess: nothing is known about any of them; the same for NotApplicable.
            ValueError: the output has an unknown format; the same for LookupError and TypeError.
        """

    def __getitem__(self, key: str) -> Row:
        """Return the row of *key*; asks for it alone if it is not known yet."""
        while True:
            if key not in self._rows:
                self.ask([key])
            future = self._rows.get(key)
            outcome = wait_for(future) if future is not None else None
            if outcome is not None:
                if self.facts.tape is not None and key in self._trails:
                    passed_on(self._trails[key])
                row: Row = outcome.get()
                return row

    def ask(self, keys: Iterable[str]) -> None:
        """Fetch those of *keys* that nobody asked for yet, in one round trip; raises nothing.

        What another lane asks for at this moment is not asked for twice, and not waited for here.
        """
        mine = self._claim(keys)
        for key, error in self._refused(mine):
            mine.pop(key).set_result(Outcome(error=error))
        tape = self.facts.tape
        batches = self.batches(mine) if tape is None else self._recall(tape, mine)
        if not batches:
            return
        with collected() as trail:
            try:
                answers = self.facts.batch([self.command(batch) for batch in batches])
            except BaseException:
                self._give_up(mine)
                raise
        for batch, answer in zip(batches, answers, strict=True):
            slots = {key: mine[key] for key in batch if key in mine}
            self._fill(slots, batch, answer, trail)

    def take(self, keys: Sequence[str], answer: CommandResult | CannotAssess) -> None:
        """Keep *answer*, which somebody else got for ``command(keys)``."""
        if self.facts.tape is not None and self.facts.tape.replays:
            self.ask(keys)  # they were recorded one by one, whatever they were asked with
            return
        if isinstance(answer, CommandResult):
            self.facts.note(answer)
        self._fill(self._claim(keys), tuple(keys), answer, Trail())

    @classmethod
    def batches(cls, keys: Iterable[str]) -> list[tuple[str, ...]]:
        """Return *keys* in parts, each small enough for one command."""
        every = tuple(keys)
        return [every[i : i + cls.BATCH] for i in range(0, len(every), cls.BATCH)]

    @classmethod
    def askable(cls, key: str) -> bool:
        """Return whether a command can hold *key*: no NUL, and text that can be encoded."""
        try:
            key.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return False
        return key.count("\0") <= cls.NULS

    def unasked(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Return those of *keys* that nobody asked for yet, each once, in their order."""
        return tuple(dict.fromkeys(key for key in keys if key not in self._rows))

    def _refused(self, keys: Iterable[str]) -> list[tuple[str, CannotAssess]]:
        bad = [key for key in keys if not self.askable(key)]
        return [(k, CannotAssess(f"{self.NAME}: no command can hold {k!r}")) for k in bad]

    def _claim(self, keys: Iterable[str]) -> dict[str, _Slot]:
        with self._lock:
            mine: dict[str, _Slot] = {k: owned(Future()) for k in keys if k not in self._rows}
            self._rows.update(mine)
        return mine

    def _give_up(self, mine: Mapping[str, _Slot]) -> None:
        """Forget *mine*, whose lane was told to stop; whoever waits for them asks again."""
        with self._lock:
            for key in mine:
                del self._rows[key]
        for future in mine.values():
            future.set_result(None)

    def _fill(
        self,
        mine: Mapping[str, _Slot],
        asked: tuple[str, ...],
        answer: CommandResult | CannotAssess,
        trail: Trail,
    ) -> None:
        outcomes = self._outcomes(asked, answer)
        if outcomes is None:
            self._give_up(mine)
            return
        if self.facts.tape is not None:
            self._keep(self.facts.tape, {key: outcomes[key] for key in mine}, answer, trail)
        for key, future in mine.items():
            future.set_result(outcomes[key])

    def _keep(
        self,
        tape: Tape,
        rows: Mapping[str, Outcome],
        answer: CommandResult | CannotAssess,
        trail: Trail,
    ) -> None:
        """Have *rows* recorded, if *tape* records; else they are known by their commands."""
        evidence = isinstance(answer, CommandResult) and answer.evidence
        made_of = (evidence,) if evidence else tuple(trail.ids)
        with collected() as own:
            tape.keep_rows(self.NAME, self.facts.user, rows, made_of, packages_of(type(self)))
        own.redacted = own.redacted or trail.redacted
        self._trails.update(dict.fromkeys(rows, own))

    def _recall(self, tape: Tape, mine: dict[str, _Slot]) -> list[tuple[str, ...]]:
        """Fill those of *mine* that *tape* knows, and take them out; return how to ask the rest."""
        place = (self.NAME, self.facts.user)
        left: list[str] = []
        groups: dict[tuple[str, ...], None] = {}
        for key in [*mine]:
            with collected() as trail:
                outcome = tape.row(*place, key, packages_of(type(self)))
            if outcome is not None:
                self._trails[key] = trail
                mine.pop(key).set_result(outcome)
            elif together := tape.together(*place, key):
                groups[together] = None
            else:
                left.append(key)
        return [*self.batches(left), *groups]

    def _outcomes(
        self, keys: tuple[str, ...], answer: CommandResult | CannotAssess
    ) -> Mapping[str, Outcome] | None:
        """Return the outcome of each key; None: who wants one asks for it alone.

        One key may be what the command failed of, as a path on a server that does not answer, and
        the others are not to suffer from it.
        """
        if isinstance(answer, CommandResult):
            parsed = attempt(self.NAME, lambda: self.parse(keys, answer))
        else:
            parsed = Outcome(error=answer)
        if parsed.error is not None:
            for_all = len(keys) == 1 or isinstance(parsed.error, (Denied, NotApplicable))
            for_all = for_all or (self.facts.tape is not None and self.facts.tape.replays)
            return dict.fromkeys(keys, parsed) if for_all else None
        return dict(self._each(keys, parsed.value))

    def _each(
        self, keys: Iterable[str], rows: Mapping[str, Row | Failure]
    ) -> Iterator[tuple[str, Outcome]]:
        for key in keys:
            if key not in rows:
                silent = CannotAssess(f"{self.NAME}: the host said nothing about {key!r}")
                yield key, Outcome(error=silent)
                continue
            row = rows[key]
            failed = isinstance(row, (CannotAssess, NotApplicable))
            yield key, Outcome(error=row) if failed else Outcome(value=row)  # type: ignore[arg-type]


def packages_of(reader: object) -> tuple[str, ...]:
    """Return whose classes what *reader* reads may hold: those of its own package."""
    return (str(getattr(reader, "__module__", "")).partition(".")[0],)
