"""Several commands in one round trip, over any transport; answers kept until they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.frame import run_frame
from pytest_sysaudit.transport.base import Command, CommandResult, Transport

Answer = CommandResult | CannotAssess
"""What a command gave, or why that is not known."""


def run_batch(transport: Transport, commands: Sequence[Command], user: str | None) -> list[Answer]:
    """Run *commands* as *user* and return the answer of each; in one round trip if that can be."""
    if len(commands) == 1:
        return [_run(transport, commands[0], user)]
    if not commands:
        return []
    try:
        if (run_many := many(transport)) is not None:
            return list(run_many(commands, user=user))
        names = {f"c{number}": command for number, command in enumerate(commands)}

        def framed(way: Transport) -> list[CommandResult]:
            return list(run_frame(way, names, user=user).values())

        apart = getattr(transport, "apart", None)  # of a transport that records
        return [*(framed(transport) if apart is None else apart(commands, user, framed))]
    except CannotAssess as error:
        return [error] * len(commands)


def many(transport: Transport) -> Any:
    """Return the ``run_many`` of *transport*; None if it has none."""
    return getattr(transport, "run_many", None)


def _run(transport: Transport, command: Command, user: str | None) -> Answer:
    try:
        return transport.run(command, user=user)
    except CannotAssess as error:
        return error


class Kept:
    """Answers by command and user, each handed out as often as was said."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # never held over a wait
        self._answers: dict[tuple[Command, str | None], tuple[Answer, int]] = {}

    def put(self, command: Command, user: str | None, answer: Answer, times: int = 1) -> None:
        """Keep *answer* until `take` asked for it so many *times*."""
        with self._lock:
            self._answers[_key(command, user)] = (answer, times)

    def take(self, command: Command, user: str | None) -> Answer | None:
        """Return the answer of *command*, and forget it the last time; None if there is none."""
        if not self._answers:
            return None
        key = _key(command, user)
        with self._lock:
            answer, times = self._answers.pop(key, (None, 0))
            if answer is not None and times > 1:
                self._answers[key] = (answer, times - 1)
        return answer

    def holds(self, command: Command, user: str | None) -> bool:
        """Whether there is an answer of *command*."""
        return _key(command, user) in self._answers


def _key(command: Command, user: str | None) -> tuple[Command, str | None]:
    return (command if isinstance(command, str) else tuple(command), user)
