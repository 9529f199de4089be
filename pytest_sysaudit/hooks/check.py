"""One check on one target, as far as it is known before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.record import Control, Plain

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check on one target.

    Attributes:
        id: where it is written, the same however pytest was called.
        control: the requirement that it judges.
        target: what it judges; None if it asks for no target.
        others: the further targets that it uses, by fixture.
        label: the name of the target in reports.
        params: its other parameters, as text.
        inputs: the values of its declared inputs.
        expected: what it asserts.
        manual: whether only a person can judge it.
    """

    id: str
    control: Control
    target: Target | None = None
    others: Mapping[str, Target] = field(default_factory=dict)
    label: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    expected: Plain = None
    manual: bool = False

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target it touches, the judged one first."""
        first = (self.target,) if self.target else ()
        return first + tuple(self.others.values())

    def place(self) -> dict[str, Plain]:
        """Return what names it in a report."""
        return {
            "control": self.control.id,
            "check": self.id,
            "target": self.label,
            "params": dict(self.params),
        }
