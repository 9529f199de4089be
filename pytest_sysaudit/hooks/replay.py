"""Judge again what was recorded: the targets are those of the recording, and none is touched."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_sysaudit.audit import Row
from pytest_sysaudit.clock import set_now
from pytest_sysaudit.errors import CannotAssess, NotApplicable, SysauditError
from pytest_sysaudit.hooks.check import Check
from pytest_sysaudit.hooks.evidence import trail_of
from pytest_sysaudit.hooks.keys import audit_key, check_key, state_of
from pytest_sysaudit.hooks.verdicts import stand_by_rows
from pytest_sysaudit.record import Place, Plain, Result, Verdict
from pytest_sysaudit.recording import Recording

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.trail import Trail


def begin(config: pytest.Config) -> None:
    """Open the recording that ``--audit-replay`` names.

    Raises:
        SysauditError: there is none, or it cannot be read.
    """
    path = config.invocation_params.dir / Path(config.getoption("audit_replay")).expanduser()
    if config.getoption("audit_evidence"):
        raise SysauditError(
            "--audit-evidence records what targets say, and --audit-replay asks none: give one"
        )
    state_of(config).replay = replay = Replay(path)
    state_of(config).keeper.times = replay.times
    replay.bundle.check()
    set_now(replay.now)
    from pytest_sysaudit.hooks.untouched import keep_out

    keep_out(config)


class Replay(Recording):
    """One recording, and what came of the run that made it.

    Attributes:
        as_recorded: how many checks were not judged again, because they looked at what was
            redacted.
        masked: the targets of which checks were told what was redacted: they may have put it where
            others find it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.as_recorded = 0
        self.masked: set[str] = set()

    @property
    def started(self) -> str:
        """When the recorded run began, UTC ISO 8601."""
        return str(self.bundle.begin["started"])

    @property
    def expressions(self) -> Sequence[str]:
        """The targets that the recorded run chose, as ``--audit-target`` takes them."""
        return tuple(self.bundle.begin["selection"]["targets"])

    @cached_property
    def rows(self) -> Mapping[Place, tuple[Mapping[str, Plain], ...]]:
        """The results of the recorded run as they stand there, by check and target."""
        found: dict[Place, list[Mapping[str, Plain]]] = {}
        for row in self.bundle.results:
            place = Place.of(row["control"], row["check"], row["target"], row["params"])
            found.setdefault(place, []).append(row)
        return {place: tuple(rows) for place, rows in found.items()}

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """The hash of each recorded control's check."""
        return {str(c["id"]): str(c["source_sha256"]) for c in self.bundle.controls}

    def looked_at_text(self, trail: Trail) -> bool:
        """Whether *trail* holds a text, no value of known parts, that a secret was taken out of."""
        if trail.strange:
            return True
        seen = (self.bundle.observation(i) for i in trail.ids if i in self.bundle.observations)
        return any(each.redacted and each.kind in _TEXTS for each in seen)

    def recorded(self, check: Check, expected: Plain) -> tuple[Result, ...]:
        """Return the recorded results of *check*, if it is still the same; else nothing.

        Args:
            check: the check.
            expected: what it expects now, its inputs too, as a result says it.
        """
        if self.sources.get(check.control.id) != check.control.source_sha256:
            return ()
        rows = tuple(map(Result.from_plain, self.rows.get(check.place, ())))
        return rows if all(row.expected == expected for row in rows) else ()

    def used(self, check: Check) -> frozenset[str]:
        """Return the ids of what *check* used when it was recorded."""
        rows = self.rows.get(check.place, ())
        return frozenset(id_ for row in rows for id_ in row["evidence"])

    def times(self, place: Place, resource: str) -> tuple[str, float]:
        """Return when the target was looked at for a result, and for how many seconds."""
        for row in self.rows.get(place, ()):
            if row["resource"] == resource:
                return row["started"], row["duration"]
        return self.started, 0.0

    def story(self) -> dict[str, Plain]:
        """Return what reports say about it."""
        begin = self.bundle.begin
        return {
            "folder": str(self.path),
            "run": begin["run"],
            "started": begin["started"],
            "operator": begin["operator"],
            "as_recorded": self.as_recorded,
        }


_TEXTS = frozenset({"command", "file", "capture"})
"""Kinds of observations where nobody knows what the mask stands for."""
_REDACTED = (
    "what it looked at was redacted when it was recorded, and this check, or its inputs, were not "
    "in that run: "
    "record anew, or judge by a fact table"
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Let a check be told what itself was told, whoever asks the same before it.

    A fixture that ends because of a mask does not end the check: that stands as it was recorded,
    see `pytest_runtest_call`.
    """
    check, replay = item.stash.get(check_key, None), state_of(item.config).replay
    if check is None or replay is None:
        return (yield)
    trail = trail_of(item)
    trail.own = replay.used(check)
    try:
        return (yield)
    except (KeyboardInterrupt, SystemExit, GeneratorExit, pytest.exit.Exception):
        raise
    except BaseException:
        if not (trail.redacted and replay.looked_at_text(trail)):
            raise
        if not replay.recorded(check, state_of(item.config).keeper.expected(check)):
            raise CannotAssess(_REDACTED) from None
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let a check that looked at something redacted stand as it was recorded.

    It would look at the mask in place of the secret, and perhaps find fault with that, or none.
    """
    check, replay = item.stash.get(check_key, None), state_of(item.config).replay
    if check is None or replay is None:
        return (yield)
    result: object = None
    error: BaseException | None = None
    try:
        result = yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, pytest.exit.Exception):
        raise
    except BaseException as failure:  # noqa: BLE001 - raised again below; pytest.skip is one
        error = failure
    trail = trail_of(item)
    masked = _may_be_masked(item, check, replay, passed=error is None)
    if masked and _stand(item, check, replay, trail):
        return result
    if error is not None:
        raise error
    return result


def _may_be_masked(item: pytest.Item, check: Check, replay: Replay, *, passed: bool) -> bool:
    """Whether *check* looked at masks: it asked for it, or passes now on what others asked for."""
    names = {target.name for target in check.targets}
    if trail_of(item).redacted:
        replay.masked |= names
        return True
    if not passed or not names & replay.masked:
        return False
    rows = replay.recorded(check, state_of(item.config).keeper.expected(check))
    return any(_raw(row) is not Verdict.PASS for row in rows if not row.resource)


def _stand(item: pytest.Item, check: Check, replay: Replay, trail: Trail) -> bool:
    """Raise what the recorded results of *check* stand for; nothing if it passed.

    Returns:
        Whether they do: a check that is new is judged by what values show with the secrets masked.
    """
    rows = replay.recorded(check, state_of(item.config).keeper.expected(check))
    if not rows and replay.looked_at_text(trail):
        raise CannotAssess(_REDACTED)
    if not rows:
        return False
    replay.as_recorded += 1
    audit = item.stash.get(audit_key, None)
    own = next((row for row in rows if not row.resource), None)
    if audit is not None:
        audit.rows[:] = [_row(row) for row in rows if row.resource]
        audit.observations.clear()
        audit.observations.update((own.observed or {}) if own else {})
    trail.ids = dict.fromkeys(own.evidence if own else rows[0].evidence)
    if own is None and audit is not None:
        stand_by_rows(item, audit)
    elif own is not None:
        _raise(own)
    return True


def _row(result: Result) -> Row:
    return Row(
        resource=result.resource,
        verdict=_raw(result),
        message=result.message,
        observed=result.observed or {},
        started=0.0,
        duration=0.0,
        evidence=tuple(result.evidence),
    )


def _raw(result: Result) -> Verdict:
    """Return the verdict before a waiver: whether one covers it is judged anew."""
    return Verdict.FAIL if result.verdict is Verdict.WAIVED else result.verdict


def _raise(result: Result) -> None:
    verdict = _raw(result)
    if verdict is Verdict.FAIL:
        raise AssertionError(result.message)
    if verdict is Verdict.ERROR:
        raise CannotAssess(result.message)
    if verdict is Verdict.NOT_APPLICABLE:
        raise NotApplicable(result.message)
