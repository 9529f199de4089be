"""A transport that answers from a recording, and touches nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.evidence import faults
from pytest_sysaudit.evidence.observation import NotRecorded, Player, Stored
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import first_line, shorten
from pytest_sysaudit.transport.asked import asked_command, asked_file, look_up
from pytest_sysaudit.transport.base import Command, CommandResult, FileStat, show

_SHOWN = 100


class ReplayTransport:
    """Answers what the host *name* answered when it was recorded.

    Attributes:
        name: the target's name.
        identity: who it said it is.
    """

    def __init__(self, name: str, player: Player, by: str = "") -> None:
        self.name = name
        self._player = player
        self._by = by
        opened = [seen for seen in player.every("target", name, {}) if seen.answer]
        self.identity: Mapping[str, str] = dict(opened[0].answer) if opened else {}

    def asking_for(self, by: str) -> ReplayTransport:
        """Return the same way for *by*, whose questions were told from those of checks."""
        return ReplayTransport(self.name, self._player, by)

    @property
    def straight(self) -> str:
        """Never known: nothing is connected.

        Raises:
            CannotAssess: always.
        """
        raise NotRecorded(self.name, "what its server says to strangers")

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        user: str | None = None,
    ) -> CommandResult:
        """Return what *command* gave; see `Transport.run`."""
        del timeout
        shown = f"`{shorten(first_line(show(command)), _SHOWN)}`"
        if user is not None:
            shown += f" (as {user})"
        found = self._look_up("command", asked_command(command, user, stdin, self._by), shown)
        return CommandResult(
            command=command,
            exit_code=int(found.answer["exit_code"]),
            stdout=self._part(found, "stdout", shown),
            stderr=self._part(found, "stderr", shown),
            started=found.started,
            duration=found.duration,
            evidence=found.id,
        )

    def run_many(
        self,
        commands: Sequence[Command],
        *,
        timeout: float | None = None,
        user: str | None = None,
    ) -> list[CommandResult | CannotAssess]:
        """Return what each of *commands* gave, or the error that came instead."""
        del timeout
        answers: list[CommandResult | CannotAssess] = []
        for command in commands:
            try:
                answers.append(self.run(command, user=user))
            except CannotAssess as error:
                answers.append(error)
        return answers

    def read(self, path: str, *, limit: int = 1 << 24) -> bytes:
        """Return what the file at *path* held; see `Transport.read`."""
        found = self._look_up("file", asked_file(path, "read", self._by), path)
        data = self._part(found, "content", path)
        if len(data) > limit:
            raise Incomplete(f"{path}: larger than {limit} bytes")
        return data

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path*; see `Transport.stat`."""
        found = self._look_up("file", asked_file(path, "stat", self._by), f"stat of {path}")
        return FileStat(**{**found.answer, "path": path})

    def listdir(self, path: str) -> list[str]:
        """Return the names that the folder *path* held; see `Transport.listdir`."""
        shown = f"the list of {path}"
        found = self._look_up("file", asked_file(path, "listdir", self._by), shown)
        return [str(name) for name in self._value(found, shown)]

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def __getattr__(self, name: str) -> Any:
        # only this machine's own transport measures, and tables ask others instead where none does
        if name == "measure" and self.identity.get("address") == "local":
            return self._measure
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _measure(self, name: str, how: Callable[[], Plain]) -> Plain:
        del how
        found = self._look_up("table", {"measured": name}, name)
        return self._value(found, name)[0]

    def _look_up(self, kind: str, asked: Mapping[str, Plain], shown: str) -> Stored:
        """Return what was recorded.

        Raises:
            CannotAssess: nothing, or this very error.
            NotApplicable: it was this very error.
        """
        found = look_up(self._player, kind, self.name, asked)
        if found is None:
            raise NotRecorded(self.name, shown)
        if found.error is not None:
            raise faults.from_plain(found.error)
        return found

    def _part(self, found: Stored, part: str, shown: str) -> bytes:
        if part in found.cut:
            raise Incomplete(f"{self.name}: the recording of {shown} is not whole: {part} is cut")
        return found.parts.get(part, b"")

    def _value(self, found: Stored, shown: str) -> Plain:
        return json.loads(self._part(found, "value", shown))
