"""A transport that notes down all that the host behind it is asked, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, TypeVar, cast

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.evidence import faults
from pytest_sysaudit.evidence.observation import Journal, Observation
from pytest_sysaudit.record import Plain
from pytest_sysaudit.transport.asked import asked_command, asked_file, safe, script
from pytest_sysaudit.transport.base import Command, CommandResult, FileStat, Transport

T = TypeVar("T")
Answer = CommandResult | CannotAssess
_Failure = (CannotAssess, NotApplicable)


def recording(transport: Transport, journal: Journal) -> Transport:
    """Return *transport*, with all that it is asked kept in *journal*, errors too.

    What `transport` has besides `Transport`, the result has too, and nothing else of what others
    look for.
    """
    return cast("Transport", _Recording(transport, journal))


class _Recording:
    """Does what the inner transport does."""

    def __init__(self, inner: Transport, journal: Journal, by: str = "") -> None:
        self._inner = inner
        self._journal = journal
        self._by = by
        self._told: dict[str | tuple[str, ...], Answer] = {}

    def asking_for(self, by: str) -> _Recording:
        """Return the same way for *by*, whose questions are told from those of checks."""
        return _Recording(self._inner, self._journal, by)

    @property
    def unrecorded(self) -> Transport:
        """The inner transport, for what is kept in another way: a capture, say."""
        return self._inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def identity(self) -> Mapping[str, str]:
        return self._inner.identity

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        user: str | None = None,
    ) -> CommandResult:
        started = time.time()
        try:
            result = self._inner.run(command, stdin=stdin, timeout=timeout, user=user)
        except _Failure as error:
            self._failed(command, user, error, started, stdin)
            raise
        return self._ran(command, user, result, stdin)

    def read(self, path: str, *, limit: int = 1 << 24) -> bytes:
        ask = partial(self._inner.read, path, limit=limit)
        return self._file(path, "read", ask, lambda data: {"parts": {"content": data}})

    def stat(self, path: str) -> FileStat:
        return self._file(path, "stat", partial(self._inner.stat, path), _stat_answer)

    def listdir(self, path: str) -> list[str]:
        ask = partial(self._inner.listdir, path)
        return self._file(path, "listdir", ask, lambda names: {"value": [*map(safe, names)]})

    def close(self) -> None:
        self._inner.close()

    def apart(
        self,
        commands: Sequence[Command],
        user: str | None,
        how: Callable[[Transport], Sequence[CommandResult]],
    ) -> list[CommandResult]:
        """Return what *how* gets for *commands* in one go, and note down each by itself."""
        started = time.time()
        try:
            results = how(self._inner)
        except _Failure as error:
            for command in commands:
                self._failed(command, user, error, started)
            raise
        pairs = zip(commands, results, strict=True)
        return [self._ran(command, user, result) for command, result in pairs]

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # it is copied, or not made yet
            raise AttributeError(name)
        found = getattr(self._inner, name)
        if name == "run_many":
            return partial(self._run_many, found)
        if name == "ahead":
            return partial(self._ahead, found)
        if name == "measure" and found is not None:
            return partial(self._measure, found)
        return found

    def _run_many(
        self,
        run_many: Callable[..., Sequence[Answer]],
        commands: Sequence[Command],
        *,
        user: str | None = None,
        **options: Any,
    ) -> list[Answer]:
        started = time.time()
        try:
            answers = run_many(commands, user=user, **options)
        except _Failure as error:
            for command in commands:
                self._failed(command, user, error, started)
            raise
        return [
            self._noted(command, user, answer, started)
            for command, answer in zip(commands, answers, strict=True)
        ]

    def _ahead(
        self, ahead: Callable[[], Mapping[str | tuple[str, ...], Answer]]
    ) -> Mapping[str | tuple[str, ...], Answer]:
        """Return what was sent with the login; each answer is noted down once."""
        started, told = time.time(), ahead()
        for command, answer in told.items():
            if command not in self._told:
                self._told[command] = self._noted(command, None, answer, started)
        return self._told

    def _measure(
        self,
        measure: Callable[[str, Callable[[], Plain]], Plain],
        name: str,
        how: Callable[[], Plain],
    ) -> Plain:
        asked = {"measured": name}
        return self._note("table", asked, partial(measure, name, how), lambda v: {"value": [v]})

    def _file(
        self, path: str, what: str, ask: Callable[[], T], told: Callable[[T], dict[str, Any]]
    ) -> T:
        return self._note("file", asked_file(path, what, self._by), ask, told)

    def _note(
        self,
        kind: str,
        asked: Mapping[str, Plain],
        ask: Callable[[], T],
        told: Callable[[T], dict[str, Any]],
    ) -> T:
        started, error, answer = time.time(), None, dict[str, Any]()
        try:
            found = ask()
            answer = told(found)
        except _Failure as failure:
            error = faults.to_plain(failure)
            raise
        finally:
            if error is not None or answer:  # else it was interrupted
                self._write(kind, asked, started, time.time() - started, error=error, **answer)
        return found

    def _noted(self, command: Command, user: str | None, answer: Answer, started: float) -> Answer:
        if isinstance(answer, CommandResult):
            return self._ran(command, user, answer)
        self._failed(command, user, answer, started)
        return answer

    def _ran(
        self, command: Command, user: str | None, result: CommandResult, stdin: bytes = b""
    ) -> CommandResult:
        parts = {"stdout": result.stdout, "stderr": result.stderr, "script": script(command)}
        id_ = self._write(
            "command",
            asked_command(command, user, stdin, self._by),
            result.started,
            result.duration,
            answer={"exit_code": result.exit_code},
            parts={name: data for name, data in parts.items() if data},
        )
        return replace(result, evidence=id_)

    def _failed(
        self,
        command: Command,
        user: str | None,
        error: CannotAssess | NotApplicable,
        started: float,
        stdin: bytes = b"",
    ) -> None:
        text = script(command)
        self._write(
            "command",
            asked_command(command, user, stdin, self._by),
            started,
            time.time() - started,
            error=faults.to_plain(error),
            parts={"script": text} if text else {},
        )

    def _write(
        self,
        kind: str,
        asked: Mapping[str, Plain],
        started: float,
        duration: float,
        **more: Any,
    ) -> str:
        return self._journal.note(
            Observation(
                kind=kind,
                target=self.name,
                asked=asked,
                started=started,
                duration=duration,
                **more,
            )
        ).id


def _stat_answer(found: FileStat) -> dict[str, Any]:
    return {"answer": {**asdict(found), "path": safe(found.path)}}
