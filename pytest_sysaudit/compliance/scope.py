"""Where an entry of a file holds: which control, on which targets, about which resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from pytest_sysaudit.inventory.select import Named, Selector
from pytest_sysaudit.record import Plain


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of a target: enough for target expressions."""

    name: str
    kind: str = ""
    groups: tuple[str, ...] = ()


class Entry(Protocol):
    """An entry of a file: it is about one control on some targets."""

    @property
    def control(self) -> str:
        """The control's id."""

    @property
    def targets(self) -> Selector:
        """Where it holds."""

    @property
    def place(self) -> str:
        """File and line; no other entry has the same."""


E = TypeVar("E", bound=Entry)


def by_control(entries: Iterable[E]) -> dict[str, list[E]]:
    """Return *entries* by the control that they are about."""
    found: dict[str, list[E]] = {}
    for entry in entries:
        found.setdefault(entry.control, []).append(entry)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What there is to name.

    Attributes:
        targets: every target of the inventory and of the results, by name.
        groups: the names of the targets in each group.
        knows: whether some check judges the control of an id.
    """

    targets: Mapping[str, Named] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    knows: Callable[[str], bool]

    @classmethod
    def of(
        cls,
        document: Mapping[str, Plain],
        targets: Mapping[str, Named],
        groups: Mapping[str, Sequence[str]],
        knows: Callable[[str], bool],
    ) -> World:
        """Return what the inventory and the results of *document* name."""
        seen: dict[str, Named] = {
            target["name"]: Place(target["name"], target["kind"], tuple(target["groups"]))
            for target in document["targets"]
        }
        return cls(targets={**seen, **targets}, groups=groups, knows=knows)

    def target(self, name: str) -> Named:
        """Return what is known of the target of a result; "" is the run itself."""
        return self.targets.get(name) or Place(name)

    def mistake(self, entry: Entry) -> str:
        """Return the state of *entry* if it names what does not exist, else ""."""
        if not self.knows(entry.control):
            return "unknown control"
        known = all(map(self._is_known, (part.text for part in entry.targets.parts)))
        chosen = any(map(entry.targets.matches, self.targets.values()))
        everywhere = [part.text for part in entry.targets.parts] == ["all"]
        return "" if everywhere or (known and chosen) else "unknown target"

    def _is_known(self, text: str) -> bool:
        if text in self.groups:
            return True
        part = Selector.parse(text)
        return any(map(part.matches, self.targets.values()))
