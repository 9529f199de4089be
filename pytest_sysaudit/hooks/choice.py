"""Which of the collected controls a run judges, and expressions that name none of them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.hooks.keys import check_key, state_of
from pytest_sysaudit.record import Control, Severity

if TYPE_CHECKING:
    from pytest_sysaudit.hooks.state import State

SURE = 0.85
"""How alike two ids must be for one to be the other, mistyped."""
_LIKE = 0.7
"""The same for names of targets and groups, which are shorter."""


class ChoiceError(SysauditError):
    """An option chooses controls that no collected check judges."""


class Choice:
    """What the options let run."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.getoption
        self._globs: list[str] = option("audit_control")
        self._least: str | None = option("audit_severity")
        self._frameworks: list[str] = option("audit_framework")
        self._intrusive = bool(option("audit_allow_intrusive"))
        self._overlay = state_of(config).overlay
        self._known: dict[int, bool] = {}

    def takes(self, item: pytest.Item) -> bool:
        """Whether the check of *item* is to run."""
        control = item.stash[check_key].control
        if id(control) not in self._known:
            self._known[id(control)] = self._judges(control)
        if not self._known[id(control)]:
            return False
        return self._intrusive or item.get_closest_marker("intrusive") is None

    def _judges(self, control: Control) -> bool:
        if self._overlay is not None and not self._overlay.takes(control):
            return False
        if self._globs and not any(fnmatchcase(control.id, glob) for glob in self._globs):
            return False
        if self._least and control.severity.weight < Severity(self._least).weight:
            return False
        return not self._frameworks or any(_in_framework(control, t) for t in self._frameworks)


def _in_framework(control: Control, text: str) -> bool:
    from pytest_sysaudit.profiles.model import in_framework

    return in_framework(control, text)


def refuse_unmatched(config: pytest.Config, controls: Mapping[str, Control]) -> None:
    """Refuse an expression that matches nothing: it would leave out what somebody wants judged.

    Raises:
        ChoiceError: naming the expression, and what is like it.
    """
    if not controls:
        return
    for glob in config.getoption("audit_control"):
        if not any(fnmatchcase(id_, glob) for id_ in controls):
            hint = _hint(glob, controls)
            raise ChoiceError(f"--audit-control={glob}: no collected check judges it{hint}")
    names = {name for control in controls.values() for name in control.frameworks}
    for text in config.getoption("audit_framework"):
        if not any(_in_framework(control, text) for control in controls.values()):
            name = text.partition(":")[0]
            hint = "" if name in names else _hint(name, names) or f". There are: {_list(names)}"
            raise ChoiceError(f"--audit-framework={text}: no collected check maps to it{hint}")


def mistyped_inputs(state: State) -> list[str]:
    """Return a line for each control in the inventory's inputs that looks like a mistyped one.

    An id that is like none is left alone: its checks may just not be collected this time.
    """
    model = state.inventory.model
    sections: list[Any] = [model, *model.groups.values()]
    sections += [*model.hosts.values(), *model.aws.values(), *model.http.values()]
    sections += model.networks.values()
    given = {control for section in sections for control in section.inputs}
    lines = []
    for id_ in sorted(given - state.controls.keys()):
        close = difflib.get_close_matches(id_, state.controls, 1, SURE)
        if close:
            lines.append(
                f"inputs: no collected check has the control '{id_}', so its values are not used. "
                f"Did you mean '{close[0]}'?"
            )
    return lines


def doubt_names(expression: str, state: State) -> None:
    """Remark on a name in a ``targets`` marker that looks like a mistyped one of the inventory.

    A name that is like none is left alone: a library of checks may know more groups.
    """
    from pytest_sysaudit.inventory.select import Selector

    known = {*state.inventory.targets, *state.inventory.groups}
    for part in Selector.parse(expression).parts:
        if part.is_glob or part.text in known or part.text == "all" or ":" in part.text:
            continue
        for close in difflib.get_close_matches(part.text, known, 1, _LIKE):
            line = (
                f"@pytest.mark.targets({expression!r}): there is no '{part.text}' in the inventory"
            )
            line += f", so its checks may run nowhere. Did you mean '{close}'?"
            state.remarks += [line] if line not in state.remarks else []


def _hint(text: str, known: Mapping[str, object] | set[str]) -> str:
    close = difflib.get_close_matches(text, list(known), 1)
    return f". Did you mean '{close[0]}'?" if close else ""


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
