"""One check on one target, as far as it is known before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.record import Control, Place, Plain
from pytest_sysaudit.source import Source

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.target import Target

NO_SOURCE = Source()
NOTHING: Mapping[str, Any] = MappingProxyType({})
"""What all checks share that have no parameters, no inputs, no further targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check on one target. What all targets have in common is one object for all of them.

    Attributes:
        id: where it is written, the same however pytest was called.
        control: the requirement that it judges.
        target: what it judges; None if it asks for no target.
        others: the further targets that it uses, by fixture.
        label: the name of the target in reports.
        params: its other parameters, as text.
        inputs: the values of its declared inputs.
        expected: what it asserts.
        source: what its text says.
        manual: whether only a person can judge it.
    """

    id: str
    control: Control
    target: Target | None = None
    others: Mapping[str, Target] = field(default_factory=lambda: NOTHING)
    label: str = ""
    params: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    inputs: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    expected: Plain = None
    source: Source = NO_SOURCE
    manual: bool = False
    _place: Place | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target it touches, the judged one first."""
        first = (self.target,) if self.target else ()
        return first + tuple(self.others.values()) if self.others else first

    @property
    def place(self) -> Place:
        """What tells it from all others."""
        place = self._place
        if place is None:
            place = Place.of(self.control.id, self.id, self.label, self.params)
            object.__setattr__(self, "_place", place)
        return place
