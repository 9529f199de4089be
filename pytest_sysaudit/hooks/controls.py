"""The control that each check judges, read from marker and docstring, and their choice."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import InventoryError, Problem, SysauditError
from pytest_sysaudit.hooks.check import NOTHING, Check
from pytest_sysaudit.hooks.choice import Choice, mistyped_inputs, refuse_unmatched
from pytest_sysaudit.hooks.compliance import compliance_of
from pytest_sysaudit.hooks.early import own_fixtures
from pytest_sysaudit.hooks.keys import check_key, state_of
from pytest_sysaudit.hooks.nothing import unfilled
from pytest_sysaudit.hooks.state import State
from pytest_sysaudit.hooks.targets import targets_of
from pytest_sysaudit.hooks.twins import Twins, tell_apart
from pytest_sysaudit.record import Control, Plain, Severity

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.target import Target


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")
"""What is different in each process, in the text of an object."""
_ALONE = frozenset({"local_host", "audit", "target"})
"""The fixtures that make a test a check also where the inventory gives it no target."""


class ControlError(SysauditError):
    """A control marker cannot be used."""


def read_checks(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Find the checks among *items*, drop those that were not chosen; return if there are any.

    What is wrong with a control is kept as the state's failure, and nothing is run.
    """
    state = state_of(config)
    if state.failure is not None:
        items.clear()
        return True
    try:
        reader = _Reader(state)
        for item in items:
            if (check := reader.read(item)) is not None:
                item.stash[check_key] = check
        tell_apart(items)
        _refuse_unknown_inputs(items, state)
        if state.overlay is not None:
            state.overlay.refuse_unknown_names(config, _misfit)
            state.profile = state.overlay.story()
        compliance_of(config).refuse_overlaps(state.inventory.targets)
        refuse_unmatched(config, state.controls)
        state.remarks += mistyped_inputs(state)
    except SysauditError as error:
        state.failure = state.failure or error
        items.clear()
        return True
    choice = Choice(config)
    left_out = [item for item in items if check_key in item.stash and not choice.takes(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        dropped = set(map(id, left_out))
        items[:] = [item for item in items if id(item) not in dropped]
    return any(check_key in item.stash for item in items)


@dataclass(frozen=True, slots=True)
class _Function:
    """What all items of one function with the same control marker have in common."""

    owner: object  # kept, so that its id stays its own
    own: frozenset[str]
    check: Check
    marked: bool
    declared: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


class _Reader:
    """Reads the checks of a collection; what the targets of a function share is read once."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._overlay = state.overlay
        self._functions: dict[tuple[int, int], _Function] = {}
        self._twins = Twins()

    def read(self, item: pytest.Item) -> Check | None:
        """Return the check that *item* carries out; None if it is none.

        Raises:
            SysauditError: its control marker or its inputs cannot be used.
        """
        mark = item.get_closest_marker("control")
        owner = getattr(item, "_fixtureinfo", item)
        shared = self._functions.get((id(owner), id(mark)))
        if shared is None:
            shared = self._read(item, owner, mark)
            self._functions[id(owner), id(mark)] = shared
        targets = targets_of(item, shared.own)
        if not (targets or shared.marked or not shared.own.isdisjoint(_ALONE)):
            return None
        self._twins.refuse(item, shared.check.id)
        _register(shared.check.control, self._state)
        return self._of_item(item, shared, targets)

    def _read(self, item: pytest.Item, owner: object, mark: pytest.Mark | None) -> _Function:
        where = check_id(item)
        own, marked = own_fixtures(item), _is_ours(mark, item.config)
        if not (own or marked):
            return _Function(owner, own, Check(id=where, control=Control(id="", title="")), marked)
        doc, source = self._state.texts(getattr(item, "function", None) or _nothing)
        settings = _control_marker(mark, where)
        control = Control(
            id=settings["id"] or where,
            title=doc.title or getattr(item, "originalname", item.name),
            severity=settings["severity"],
            frameworks=settings["frameworks"],
            rationale=doc.why,
            remediation=doc.fix,
            source=where,
            source_sha256=source.sha256,
        )
        declared = inputs = settings["inputs"] or NOTHING
        if self._overlay is not None:
            control = self._overlay.control(control, declared)
            inputs = self._overlay.inputs(control.id, declared)
        check = Check(
            id=where,
            control=control,
            inputs=inputs,
            expected=_expected(source.asserts, inputs),
            source=source,
            manual=settings["manual"],
        )
        return _Function(owner, own, check, marked, declared)

    def _of_item(self, item: pytest.Item, shared: _Function, targets: dict[str, Target]) -> Check:
        check, target = shared.check, None
        if targets:
            target = targets.pop(next(iter(targets)))
        inputs, expected = check.inputs, check.expected
        if target is not None and check.control.id in target.inputs:
            inputs = _inputs(check.inputs, shared.declared, check.control.id, self._state, target)
            expected = _expected(check.source.asserts, inputs)
        return Check(
            id=check.id,
            control=check.control,
            target=target,
            others=targets or NOTHING,
            label=target.name if target else _label(item, shared.own),
            params=_params(item, targets, shared.own) or NOTHING,
            inputs=inputs,
            expected=expected,
            source=check.source,
            manual=check.manual,
        )


def _is_ours(mark: pytest.Mark | None, config: pytest.Config) -> bool:
    """Whether a ``control`` marker alone makes a test a check: not if the project has its own."""
    if mark is None:
        return False
    names = [re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")]
    if names.count("control") > 1:  # one of them is ours
        return False
    return bool(mark.args or mark.kwargs) or state_of(config).wanted


def _nothing() -> None:
    """Stand for the function of an item that has none."""


def _label(item: pytest.Item, own: frozenset[str]) -> str:
    """Return what an item without an inventory target is about."""
    callspec = getattr(item, "callspec", None)
    backend = getattr(callspec and callspec.params.get("host"), "backend", None)
    if backend is not None:
        return str(backend.get_pytest_id())
    return "localhost" if "local_host" in own else ""


def check_id(item: pytest.Item) -> str:
    """Return where a check is written: ``linux/test_accounts.py::test_x``, however it was found."""
    path = Path(item.path)
    bases = [*_packaged(), item.config.rootpath / "checks", item.config.rootpath]
    base = next((base for base in bases if path.is_relative_to(base)), path.parent)
    names = [getattr(n, "originalname", None) or n.name for n in item.listchain()]
    below = names[names.index(next(n.name for n in item.listchain() if n.path == path)) + 1 :]
    return "::".join([path.relative_to(base).as_posix(), *below])


def _packaged() -> list[Path]:
    package = sys.modules.get("pytest_sysaudit.checks")
    return [Path(folder) for folder in getattr(package, "__path__", ())]


def _control_marker(mark: pytest.Mark | None, where: str) -> dict[str, Any]:
    def read(
        id: str | None = None,  # noqa: A002 - the marker's own word
        *,
        severity: str = "medium",
        frameworks: Mapping[str, list[str]] | None = None,
        inputs: Mapping[str, Any] | None = None,
        manual: bool = False,
    ) -> dict[str, Any]:
        if id is not None and not (isinstance(id, str) and id.isprintable()):
            raise ValueError(f"the id {id!r} is no printable text; write letters, digits, . and -")
        return {
            "id": id,
            "severity": Severity(severity),
            "frameworks": {name: tuple(numbers) for name, numbers in (frameworks or {}).items()},
            "inputs": dict(inputs or {}),
            "manual": manual,
        }

    try:
        return read(*mark.args, **mark.kwargs) if mark else read()
    except (TypeError, ValueError, AttributeError) as error:
        raise ControlError(f"{where}: @pytest.mark.control: {error}") from error


def _inputs(
    below: Mapping[str, Any],
    declared: Mapping[str, Any],
    control: str,
    state: State,
    target: Target,
) -> dict[str, Any]:
    """Return the values of a control's inputs on *target*, the inventory's over those *below*."""
    values = dict(below)
    for name, value in target.inputs.get(control, {}).items():
        if name not in declared:
            continue  # told with its place in _refuse_unknown_inputs
        if message := _misfit(value, declared[name]):
            raise InventoryError([_input_problem(state, target, (control, name), message)])
        values[name] = value
    return values


def _misfit(value: object, default: object) -> str:
    """Return why *value* cannot stand for *default*; "" if it can."""
    if _same_type(value, default):
        return ""
    return f"expected {_type_name(default)}, found {_type_name(value)}"


def _same_type(value: object, default: object) -> bool:
    if default is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, (int, float))
    if isinstance(default, (list, tuple, set, frozenset)):
        return isinstance(value, (list, tuple))
    return isinstance(value, type(default))


def _type_name(value: object) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    names |= {list: "a list", tuple: "a list", dict: "a mapping", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def _input_problem(
    state: State, target: Target, place: tuple[str, str], message: str, *, key: bool = False
) -> Problem:
    """Return the problem with its place, which is where the nearest value comes from."""
    inventory, (control, name) = state.inventory, place
    kind = {"aws": "aws", "http": "http", "network": "networks"}.get(target.kind, "hosts")
    places: list[tuple[tuple[str, ...], Mapping[str, Any]]]
    places = [((kind, target.name, "inputs"), target.entry.inputs)]
    groups = inventory.model.groups
    places += [(("groups", group, "inputs"), groups[group].inputs) for group in target.groups]
    places.append((("inputs",), inventory.model.inputs))
    loc = next((loc for loc, given in places if name in given.get(control, {})), ("inputs",))
    return inventory.problem((*loc, control, name), message, key=key)


def _refuse_unknown_inputs(items: list[pytest.Item], state: State) -> None:
    """An input of a known control that no check declares is a mistake that would go unseen."""
    problems: list[Problem] = []
    seen: set[tuple[str, str]] = set()
    for item in items:
        check = item.stash.get(check_key, None)
        if check is None or check.target is None:
            continue
        for name in check.target.inputs.get(check.control.id, {}):
            if name in check.inputs or (check.control.id, name) in seen:
                continue
            seen.add((check.control.id, name))
            close = difflib.get_close_matches(name, check.inputs, 1)
            hint = f". Did you mean '{close[0]}'?" if close else ""
            known = ", ".join(sorted(check.inputs)) or "none"
            message = f"unknown input '{name}' (this control has: {known}){hint}"
            problems.append(
                _input_problem(state, check.target, (check.control.id, name), message, key=True)
            )
    if problems:
        raise InventoryError(problems)


def _params(item: pytest.Item, others: Mapping[str, Any], ours: frozenset[str]) -> dict[str, str]:
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return {}
    empty = unfilled(item)
    own = {
        name: str(value)
        for name, value in callspec.params.items()
        if name not in empty and (name not in ours or (name == "aws_region" and value is not None))
    }
    if any(_ADDRESS.search(value) for value in own.values()):
        own = {"id": callspec.id}
    return own | {name: target.name for name, target in others.items()}


def _expected(asserts: tuple[str, ...], inputs: Mapping[str, Any]) -> Plain:
    text = "\n".join(asserts)
    if not inputs:
        return text or None
    values = ", ".join(f"{name} = {value!r}" for name, value in sorted(inputs.items()))
    return f"{text}\nwith {values}".strip()


def _register(control: Control, state: State) -> None:
    known = state.controls.setdefault(control.id, control)
    if known.source != control.source:
        raise ControlError(
            f"duplicate control id {control.id!r}: {known.source} and {control.source}; "
            "an id names one check, so that its findings can be told apart"
        )
