"""How groups pass on vars and inputs, and what targets come of it.

The nearest wins: the target's own value, then that of its groups, then that of the groups around
them, then that of the group ``all``, then the inventory's own inputs. A group is as far away as
the longest way to it. Among groups that are equally far, the one wins that the target's
``groups:`` lists later, or that is reached through the later one; groups around the same group
win in the order of the file. Vars are replaced as a whole, inputs parameter by parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_sysaudit.inventory.frozen import freeze
from pytest_sysaudit.inventory.model import Aws, Host, Http, Inventory, Network
from pytest_sysaudit.inventory.target import Kind, Target

Values = dict[str, Any]
Names = tuple[str, ...]
_KINDS = {Aws: Kind.AWS, Http: Kind.HTTP, Network: Kind.NETWORK}


class Flow:
    """Makes the targets of one inventory, whose groups must be known and free of circles."""

    def __init__(self, model: Inventory, base: Path) -> None:
        self._model = model
        self._base = base
        self._passed_on: dict[Names, tuple[Names, Values, Values]] = {}

    @cached_property
    def targets(self) -> dict[str, Target]:
        """Every target by name, in the order of hosts, aws, http, networks and of the file."""
        model = self._model
        entries: dict[str, Host | Aws | Http | Network] = {
            **model.hosts,
            **model.aws,
            **model.http,
            **model.networks,
        }
        return {name: self._target(name, entry) for name, entry in entries.items()}

    @property
    def groups(self) -> dict[str, Names]:
        """The names of the targets in each group, in the order of `targets`."""
        members: dict[str, list[str]] = {name: [] for name in self._model.groups}
        for target in self.targets.values():
            for group in target.groups:
                members[group].append(target.name)
        return {name: tuple(names) for name, names in members.items()}

    @cached_property
    def _parents(self) -> dict[str, list[str]]:
        parents: dict[str, list[str]] = {name: [] for name in self._model.groups}
        for name, group in self._model.groups.items():
            for child in group.children:
                parents[child].append(name)
        return parents

    def _target(self, name: str, entry: Host | Aws | Http | Network) -> Target:
        direct = entry.groups
        if direct not in self._passed_on:
            self._passed_on[direct] = self._pass_on(direct)
        groups, group_vars, group_inputs = self._passed_on[direct]
        own_vars, own_inputs = entry.vars, entry.inputs
        return Target(
            name=name,
            kind=_kind(entry),
            groups=groups,
            # frozen once for all targets that add nothing
            vars=freeze({**group_vars, **own_vars}) if own_vars else group_vars,
            inputs=freeze(_layered([group_inputs, own_inputs])) if own_inputs else group_inputs,
            entry=_addressed(name, entry),
            defaults=self._model.defaults,
            base=self._base,
        )

    def _pass_on(self, direct: Names) -> tuple[Names, Values, Values]:
        """Return the groups around *direct*, and the vars and inputs that they pass on."""
        order = _farthest_first(direct, self._parents)
        groups = [self._model.groups[name] for name in order]
        merged = {key: value for group in groups for key, value in group.vars.items()}
        inputs = _layered([self._model.inputs, *(group.inputs for group in groups)])
        return tuple(sorted(order)), freeze(merged), freeze(inputs)


def _farthest_first(direct: Names, parents: Mapping[str, Sequence[str]]) -> list[str]:
    """Return *direct* and all groups around them, a group always before those in it."""
    distance: dict[str, int] = {}
    level = list(dict.fromkeys(name for name in direct if name in parents))
    step = 1
    while level:
        for name in level:
            distance.pop(name, None)  # a longer way moves it behind its new neighbours
            distance[name] = step
        level = list(dict.fromkeys(parent for name in level for parent in parents[name]))
        step += 1
    if "all" in parents:
        distance["all"] = step
    return sorted(distance, key=lambda name: -distance[name])


def _layered(layers: Sequence[Mapping[str, Mapping[str, Any]]]) -> Values:
    """Return the inputs of all *layers* by control id; the last layer wins."""
    merged: Values = {}
    for layer in layers:
        for control, values in layer.items():
            merged[control] = {**merged.get(control, {}), **values}
    return merged


def _kind(entry: Host | Aws | Http | Network) -> Kind:
    if isinstance(entry, Host):
        return Kind.LOCAL if entry.connection == "local" else Kind.SSH
    return _KINDS[type(entry)]


def _addressed(name: str, entry: Host | Aws | Http | Network) -> Host | Aws | Http | Network:
    """Return *entry* with its name as its address, where an ssh host gives none."""
    if not isinstance(entry, Host) or entry.connection == "local":
        return entry
    if entry.address is not None or entry.embedded:
        return entry
    return entry.model_copy(update={"address": name})
