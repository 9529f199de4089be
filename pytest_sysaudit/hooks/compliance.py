"""What a run judges its findings by: waivers, attestations, the baseline, the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.audit import Audit, Row
from pytest_sysaudit.audit import judge as judge_plain
from pytest_sysaudit.clock import now
from pytest_sysaudit.compliance.load import GateText, Loaded, load
from pytest_sysaudit.errors import ComplianceError, SysauditError
from pytest_sysaudit.hooks.check import Check
from pytest_sysaudit.record import Control, Plain, Verdict
from pytest_sysaudit.text import plural

if TYPE_CHECKING:
    from pytest_sysaudit.compliance.attestations import Answer, Attestations
    from pytest_sysaudit.compliance.gate import Judgement
    from pytest_sysaudit.compliance.waivers import Waivers
    from pytest_sysaudit.hooks.state import State
    from pytest_sysaudit.inventory.select import Named

compliance_key = pytest.StashKey["Compliance"]()
"""In the config: what the run judges by, once it was read."""


def compliance_of(config: pytest.Config) -> Compliance:
    """Return what this run judges by; the files are read once a process.

    Raises:
        SysauditError: a file or a setting cannot be used.
    """
    if compliance_key not in config.stash:
        config.stash[compliance_key] = Compliance(_load(config), now(), _expiring_days(config))
    return config.stash[compliance_key]


def _load(config: pytest.Config) -> Loaded:
    gate, base, where = _given(config, "audit_gate")
    baseline = _paths(config, "audit_baseline")
    entries = _paths(config, "audit_waivers"), _paths(config, "audit_attestations")
    if hasattr(config, "workerinput"):  # the controller compares, and holds the gate
        return load(*entries)
    text = GateText(gate[0], base, where) if gate else None
    return load(*entries, baseline[0] if baseline else None, text)


def _given(config: pytest.Config, name: str) -> tuple[list[str], Path, str]:
    """Return what an option says, else its setting; where its paths start; which it was."""
    values = config.getoption(name)
    base, where = Path(config.invocation_params.dir), f"--{name.replace('_', '-')}"
    if not values:
        values, base, where = config.getini(name), config.rootpath, name
    return [values] if isinstance(values, str) and values else list(values or ()), base, where


def _paths(config: pytest.Config, name: str) -> list[Path]:
    values, base, _ = _given(config, name)
    return [base / Path(value).expanduser() for value in values]


def _expiring_days(config: pytest.Config) -> int:
    text = str(config.getini("audit_expiring_days")).strip()
    if not text.isdecimal() or len(text) > 5:  # noqa: PLR2004 - 270 years
        raise SysauditError(f"audit_expiring_days: expected a number of days, found {text!r}")
    return int(text)


class Compliance:
    """Judges the findings of a run.

    Args:
        loaded: what the files say.
        now: the time to judge by: when the run began, in a replay when the recorded one did.
        soon: how many days before it runs out something is told as expiring.
    """

    def __init__(self, loaded: Loaded, now: datetime, soon: int) -> None:
        self.loaded, self._now, self._soon = loaded, now, soon

    @cached_property
    def _waivers(self) -> Waivers:
        from pytest_sysaudit.compliance.waivers import Waivers

        return Waivers(self.loaded.waivers, self._now)

    @cached_property
    def _attestations(self) -> Attestations:
        from pytest_sysaudit.compliance.attestations import Attestations

        return Attestations(self.loaded.attestations, self._now)

    def refuse_overlaps(self, targets: Mapping[str, Named]) -> None:
        """Refuse waivers of which two hold for the same control and target.

        Raises:
            ComplianceError: with each that does.
        """
        if not self.loaded.waivers:
            return
        from pytest_sysaudit.compliance.waivers import overlaps

        if problems := list(overlaps(self.loaded.waivers, targets.values())):
            raise ComplianceError(problems)

    def waiver(self, check: Check, resource: str = "") -> dict[str, Plain] | None:
        """Return what is said about a failure of *check* that is waived; None if it is not."""
        if not self.loaded.waivers:
            return None
        found = self._waivers.find(check.control.id, _judged(check), resource)
        return found.to_result() if found else None

    def answer(self, check: Check) -> Answer | None:
        """Return what somebody said about a manual control; None if nobody did."""
        if not self.loaded.attestations:
            return None
        return self._attestations.answer(check.control.id, _judged(check))

    def waive_rows(self, check: Check, rows: Sequence[Row]) -> tuple[Verdict, str] | None:
        """Return what the rows of a failed check come to; None if none of them is waived."""
        left = [
            replace(row, verdict=Verdict.WAIVED)
            if row.verdict is Verdict.FAIL and self.waiver(check, row.resource)
            else row
            for row in rows
        ]
        count = sum(row.verdict is Verdict.WAIVED for row in left)
        if not count:
            return None
        audit = Audit()
        audit.rows = left
        try:
            audit.conclude()
        except (AssertionError, SysauditError) as error:
            return judge_plain(error)
        return Verdict.WAIVED, f"{count} of {plural(len(rows), 'resource')} waived"

    def settle(
        self, document: dict[str, Any], state: State, controls: Mapping[str, Control], beyond: str
    ) -> Judgement:
        """Complete *document* with drift, waivers, attestations and the gate; return its word.

        Args:
            document: from `reports.document.build`.
            state: of this process.
            controls: every control that was collected.
            beyond: what breaks any gate besides.
        """
        from pytest_sysaudit.reports.plain import clean

        parts = self._parts(document, state, controls)
        summary = document.pop("summary")
        document |= clean(state.redactor.plain(parts))
        document["summary"] = summary
        judgement = self.loaded.gate.judge(document, beyond=beyond)
        summary["gate"] = clean(state.redactor.plain(judgement.to_plain()))
        return judgement

    def _parts(
        self, document: dict[str, Any], state: State, controls: Mapping[str, Control]
    ) -> dict[str, Plain]:
        """Return the parts that the run has; mark each result's drift."""
        rows = document["results"]
        parts: dict[str, Plain] = {}
        if self.loaded.waivers or self.loaded.attestations:
            from pytest_sysaudit.compliance.scope import World

            knows = _Known(state, controls)
            inventory = state.inventory
            world = World.of(document, inventory.targets, inventory.groups, knows)
            if self.loaded.waivers:
                parts["waivers"] = self._waivers.told(rows, world, self._soon)
            if self.loaded.attestations:
                parts["attestations"] = self._attestations.told(rows, world, self._soon)
        if self.loaded.baseline is not None:
            from pytest_sysaudit.compliance.drift import compare

            drift = compare(self.loaded.baseline.results, rows)
            for row, word in zip(rows, drift.states, strict=True):
                row["drift"] = word
            parts["drift"] = drift.to_plain(self.loaded.baseline.to_plain())
        return parts


class _Known:
    """Whether some check judges a control: one that was collected, or another of the project."""

    def __init__(self, state: State, controls: Mapping[str, Control]) -> None:
        self._state = state
        self._controls = controls

    def __call__(self, id_: str) -> bool:
        return id_ in self._controls or id_ in self._others

    @cached_property
    def _others(self) -> Mapping[str, object]:
        from pytest_sysaudit.hooks.profiles import other_controls

        return other_controls(self._state.config).inputs


def _judged(check: Check) -> Named:
    """Return the target that *check* judges; one that is not in the inventory has only a name."""
    if check.target is not None:
        return check.target
    from pytest_sysaudit.compliance.scope import Place

    return Place(check.label, "local" if check.label == "localhost" else "")
