"""Plan what each host will be asked, from the source of the checks that are about to run."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from pytest_sysaudit.facts import TABLES
from pytest_sysaudit.facts.asks import Tables, keyed_table
from pytest_sysaudit.facts.plan import Plan
from pytest_sysaudit.foresight import NOTHING, Foreseen, foresee, make_plan
from pytest_sysaudit.hooks.check import Check
from pytest_sysaudit.hooks.early import own_fixtures
from pytest_sysaudit.hooks.keys import check_key, judges, state_of
from pytest_sysaudit.resources.needs import NEEDS

HOSTS = frozenset({"host", "ssh_host", "local_host"})
_NOT_RUN = frozenset({"skip", "skipif", "intrusive"})
"""Markers of checks that may be left out; what they ask is not read ahead."""
_Case = tuple[Callable[..., Any], tuple[object, ...]]
"""A check's function, and those of its parameters that say what it asks."""


class _Keyed(Container[str]):
    """The names of the keyed tables of *tables*; what nobody asks for is not imported for it."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._known: dict[object, bool] = {}

    def __contains__(self, name: object) -> bool:
        if name not in self._tables:
            return False
        if name not in self._known:
            self._known[name] = keyed_table(self._tables, str(name)) is not None
        return self._known[name]


class Planner:
    """Collects the checks of each target; equal sets of checks share one plan.

    Args:
        tables: where each fact table is read.
    """

    def __init__(self, tables: Tables) -> None:
        self._keyed = _Keyed(tables)
        self._foreseen: dict[Callable[..., Any], Foreseen] = {}
        self._numbers: dict[_Case, int] = {}
        self._cases: list[tuple[Foreseen, Mapping[str, Any]]] = []
        self._by_target: dict[str, dict[int, None]] = {}

    def add(self, item: pytest.Item, check: Check) -> None:
        """Note what *item* will ask of its targets."""
        function = getattr(item, "function", None)
        if function is None or not check.targets:
            return
        function = getattr(function, "__func__", function)
        foreseen = self._foreseen.get(function)
        if foreseen is None:
            foreseen = self._foreseen[function] = self._look(item, function)
        if not (foreseen.tables or foreseen.rows) or _may_be_left_out(item):
            return
        params = getattr(getattr(item, "callspec", None), "params", {})
        case = (function, _shown(foreseen, params))
        number = self._numbers.setdefault(case, len(self._cases))
        if number == len(self._cases):
            self._cases.append((foreseen, params))
        for target in check.targets:
            self._by_target.setdefault(target.name, {})[number] = None

    def plans(self) -> dict[str, Plan]:
        """Return the plan of each target by its name."""
        made: dict[tuple[int, ...], Plan] = {}
        found = {}
        for name, numbers in self._by_target.items():
            key = tuple(sorted(numbers))
            if key not in made:
                made[key] = self._make(key)
            found[name] = made[key]
        return found

    def _look(self, item: pytest.Item, function: Callable[..., Any]) -> Foreseen:
        hosts = HOSTS & own_fixtures(item)
        if not hosts:
            return NOTHING
        try:
            found = foresee(function, hosts, NEEDS, self._keyed)
        except Exception:  # noqa: BLE001 - a plan only saves time, whatever the source looks like
            return NOTHING
        if any(item.iter_markers("platform")):
            found = replace(found, tables=found.tables.union(NEEDS["system_info"].tables))
        if any(item.iter_markers("needs")):
            found = replace(found, tables=found.tables | {"uid"})
        return found

    def _make(self, numbers: Iterable[int]) -> Plan:
        cases = [self._cases[number] for number in numbers]
        tables = {table for foreseen, _ in cases for table in foreseen.tables}
        rows = {row for foreseen, params in cases for row in _rows(foreseen, params)}
        return make_plan(tables, rows)


def _rows(foreseen: Foreseen, params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(foreseen.keys(params))
    except Exception:  # noqa: BLE001 - a plan only saves time, whatever the parameters are
        return ()


def _shown(foreseen: Foreseen, params: Mapping[str, Any]) -> tuple[object, ...]:
    """Return those of *params* that may change what is asked, each as something hashable."""
    if not foreseen.rows or not params:
        return ()
    found = [(n, v) for n, v in params.items() if n in foreseen.params and n not in HOSTS]
    return tuple((name, value if isinstance(value, str) else id(value)) for name, value in found)


def _may_be_left_out(item: pytest.Item) -> bool:
    return any(mark.name in _NOT_RUN for mark in item.iter_markers())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """Make the plans before anything is connected."""
    config = session.config
    checks = [(item, item.stash[check_key]) for item in session.items if check_key in item.stash]
    if checks and judges(config):
        extra = [dict(part) for part in reversed(config.hook.pytest_sysaudit_facts())]
        planner = Planner({**TABLES, **{n: how for part in extra for n, how in part.items()}})
        for item, check in checks:
            planner.add(item, check)
        state_of(config).plans.update(planner.plans())
    return (yield)
