"""A host that is recorded, and the same host again from its recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from lab.fake import fake_target
from lab.journal import MemoryJournal

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.evidence.observation import Observation
from pytest_sysaudit.evidence.trail import collected
from pytest_sysaudit.facts.tape import RecordingTape, ReplayTape
from pytest_sysaudit.host import Host
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.base import Transport
from pytest_sysaudit.transport.recording import recording
from pytest_sysaudit.transport.replay import ReplayTransport


def recorded(
    transport: Transport, journal: MemoryJournal, target: Target | None = None, **more: Any
) -> Host:
    """The host behind *transport*; all that it is asked goes to *journal*."""
    name = transport.name
    journal.note(
        Observation(
            kind="target", target=name, asked={}, started=0.0, answer=dict(transport.identity)
        )
    )
    tape = RecordingTape(name, journal)
    return Host(target or fake_target(name), recording(transport, journal), tape=tape, **more)


def replayed(journal: MemoryJournal, target: Target | None = None, **more: Any) -> Host:
    """The same host from what *journal* kept."""
    target = target or fake_target()
    player = journal.player()
    tape = ReplayTape(target.name, player)
    return Host(target, ReplayTransport(target.name, player), tape=tape, **more)


def tried(ask: Callable[[Host], Any], host: Host) -> tuple[Any, tuple[str, ...], bool]:
    """What *ask* returns or raises, by which observations, and whether one was redacted."""
    with collected() as trail:
        try:
            value = ask(host)
        except (CannotAssess, NotApplicable, AssertionError) as error:
            value = (type(error), str(error))
    return value, tuple(trail.ids), trail.redacted


def shape(value: Any) -> Any:
    """*value* with the class of each part, and fields that take no part in comparisons."""
    kind = type(value)
    if is_dataclass(value):
        return kind, [(f.name, shape(getattr(value, f.name))) for f in fields(value)]
    if isinstance(value, BaseException):
        return kind, str(value)
    if isinstance(value, (set, frozenset)):
        return kind, sorted(map(repr, map(shape, value)))
    if isinstance(value, (tuple, list)):
        return kind, [*map(shape, value)]
    if hasattr(value, "items"):
        return kind, [(shape(key), shape(each)) for key, each in value.items()]
    return kind, repr(value)
