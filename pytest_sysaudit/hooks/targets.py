"""Run every check once for each target that it asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.hooks.choice import doubt_names
from pytest_sysaudit.hooks.collector import spare
from pytest_sysaudit.hooks.early import FAMILIES, own_fixtures
from pytest_sysaudit.hooks.keys import check_key, only_looks, state_of

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.target import Target

#: What each fixture is parametrized over.
KINDS: dict[str, tuple[str, ...]] = {
    "host": ("local", "ssh"),
    "ssh_host": ("ssh",),
    "aws_session": ("aws",),
    "http_client": ("http",),
    "sniffer": ("network",),
}
_GIVING = (*FAMILIES, "target")
NO_TARGET = "no-target"
"""The id of a check that no selected target can answer; such items are deselected."""


class _Meaning:
    """Whether ``host`` in a test means our inventory or testinfra's own hosts."""

    def __init__(self, metafunc: pytest.Metafunc, own: frozenset[str]) -> None:
        self.metafunc = metafunc
        self.own = own

    def is_ours(self) -> bool:
        metafunc = self.metafunc
        if getattr(metafunc.config.option, "hosts", None) is not None:
            return False
        if hasattr(metafunc.module, "testinfra_hosts"):
            return False
        if state_of(metafunc.config).wanted:
            return True
        node = metafunc.definition
        marked = any(node.iter_markers("control")) or any(node.iter_markers("targets"))
        return marked or bool(self.own - {"host"})


def parametrize(metafunc: pytest.Metafunc, own: frozenset[str]) -> None:
    """Parametrize *own*, the fixtures of ours that a test function asks for.

    It comes last, to leave alone what the user parametrizes; the name of the target still comes
    first in the id.

    If the inventory cannot be used, the check gets no target: `early.pytest_collection` ends the
    run with the whole message and exit code 4, where an error raised here would be a traceback.
    """
    others = list(metafunc._calls)  # noqa: SLF001 - what is parametrized already
    given = {name for call in others for name in call.params}
    families = [name for name in FAMILIES if name in own - given]
    if "host" in families and not _Meaning(metafunc, own).is_ours():
        families.remove("host")
        _parametrize_testinfra(metafunc)
    if not families and "target" in own - given:
        families = ["target"]
    for family in families:
        try:
            targets = _asked_for(metafunc, family)
        except SysauditError as error:
            state = state_of(metafunc.config)
            state.failure = state.failure or error
            targets = []
        _parametrize(metafunc, family, targets, own - given)
    if others:
        _put_first(metafunc, others)
    if families and not state_of(metafunc.config).failure:
        _set_apart(metafunc)


def _put_first(metafunc: pytest.Metafunc, others: list[Any]) -> None:
    """Put our part of each id before the user's, and the user's parameters inside each target."""
    calls: list[Any] = metafunc._calls  # noqa: SLF001 - no public name
    each = len(calls) // len(others)
    for n, call in enumerate(calls):
        theirs, ids = len(others[n // each]._idlist), list(call._idlist)  # noqa: SLF001
        calls[n] = dataclasses.replace(call, _idlist=[*ids[theirs:], *ids[:theirs]])
    metafunc._calls = [call for n in range(each) for call in calls[n::each]]  # noqa: SLF001


def _set_apart(metafunc: pytest.Metafunc) -> None:
    """Write ``web--1``, not ``web-1``, for ``web`` with the parameter 1 if that is a target too.

    So an id means one check, also to pytest-xdist, which knows nothing else of it.
    """
    longer = state_of(metafunc.config).longer_names
    if not longer:
        return
    calls: list[Any] = metafunc._calls  # noqa: SLF001 - no public name
    for n, call in enumerate(calls):
        name, *rest = call._idlist  # noqa: SLF001
        others = longer.get(name, ()) if rest else ()
        if any(f"{call.id}-".startswith(f"{other}-") for other in others):
            calls[n] = dataclasses.replace(call, _idlist=[name, "", *rest])


def _parametrize(
    metafunc: pytest.Metafunc, family: str, targets: list[Target], own: frozenset[str]
) -> None:
    arguments, values, ids = [family], [(target,) for target in targets], [t.name for t in targets]
    if family == "aws_session" and "aws_region" in own:
        arguments.append("aws_region")
        pairs = [(t, region) for t in targets for region in _regions(metafunc.config, t)]
        values = list(pairs)  # type: ignore[arg-type]
        ids = [f"{t.name}-{region or 'default'}" for t, region in pairs]
    if not values:
        values, ids = [(None,) * len(arguments)], [NO_TARGET]  # type: ignore[list-item]
    _plan(metafunc, arguments, values, ids)


def _plan(
    metafunc: pytest.Metafunc, arguments: list[str], values: list[Any], ids: list[str]
) -> None:
    """Parametrize; functions that are asked for the same targets share pytest's plan of the calls.

    That spares hundreds of bytes an item. Whether the plan is the same, pytest's own answer for the
    first target tells.
    """
    if metafunc._calls:  # noqa: SLF001 - no public name
        metafunc.parametrize(arguments, values, ids=ids, indirect=True)
        return
    spare(metafunc.config)
    metafunc.parametrize(arguments, values[:1], ids=ids[:1], indirect=True)
    plans = state_of(metafunc.config).calls
    key = (*arguments, *ids)
    plan = plans.get(key, [])
    if plan[:1] != metafunc._calls:  # noqa: SLF001
        metafunc._calls = []  # noqa: SLF001
        metafunc.parametrize(arguments, values, ids=ids, indirect=True)
        plan = plans[key] = metafunc._calls  # noqa: SLF001
    metafunc._calls = list(plan)  # noqa: SLF001


def _asked_for(metafunc: pytest.Metafunc, family: str) -> list[Target]:
    """Return the selected targets of *family* that the check's markers let through."""
    from pytest_sysaudit.inventory.select import matches

    state = state_of(metafunc.config)
    chosen: Sequence[Target] = state.selected
    if family != "target":
        chosen = [target for target in chosen if target.kind in KINDS[family]]
    for mark in metafunc.definition.iter_markers("targets"):
        expression, kind = _targets_marker(mark, metafunc.definition.nodeid)
        if expression is not None:
            doubt_names(expression, state)
        chosen = [
            target
            for target in chosen
            if (kind is None or target.kind == kind or (kind == "host" and target.is_host))
            and (expression is None or matches(expression, target))
        ]
    return list(chosen)


def _targets_marker(mark: pytest.Mark, nodeid: str) -> tuple[str | None, str | None]:
    def read(expression: str | None = None, *, kind: str | None = None) -> tuple[Any, Any]:
        return expression, kind

    try:
        expression, kind = read(*mark.args, **mark.kwargs)
    except TypeError as error:
        raise SysauditError(f"{nodeid}: @pytest.mark.targets: {error}") from error
    known = ("host", *dict.fromkeys(name for names in KINDS.values() for name in names))
    if kind is not None and kind not in known:
        why = f"kind: expected one of {', '.join(known)}, found {kind!r}"
        raise SysauditError(f"{nodeid}: @pytest.mark.targets: {why}")
    return expression, kind


def _regions(config: pytest.Config, target: Target) -> Sequence[str | None]:
    """Return the regions of an account; None stands for the session's own."""
    regions: tuple[str, ...] = getattr(target.entry, "regions", ())
    if "all" not in regions:
        return regions or (None,)
    if only_looks(config):
        return ("all",)
    try:
        state = state_of(config)
        return tuple(state.connections.aws(state.live(target)).regions)
    except SysauditError:
        return (None,)  # the check's own set-up tells why


def _parametrize_testinfra(metafunc: pytest.Metafunc) -> None:
    """Do what testinfra's plugin does for its own ``host`` fixture, which ours stands in for."""
    import testinfra

    option = metafunc.config.option
    given = getattr(option, "hosts", None)
    hosts = given.split(",") if given else getattr(metafunc.module, "testinfra_hosts", [None])
    names = (
        "connection",
        "ssh_config",
        "ssh_identity_file",
        "sudo",
        "sudo_user",
        "ansible_inventory",
        "force_ansible",
    )
    if any(str(host).startswith("sysaudit://") for host in hosts):
        _bind_backend(metafunc.config)
    found = testinfra.get_hosts(hosts, **{name: getattr(option, name, None) for name in names})
    found = sorted(found, key=lambda host: str(host.backend.get_pytest_id()))
    ids = [host.backend.get_pytest_id() for host in found]
    metafunc.parametrize("host", found, ids=ids, indirect=True)


def _bind_backend(config: pytest.Config) -> None:
    from pytest_sysaudit.hooks.testinfra_hosts import bind

    bind(state_of(config))


def targets_of(item: pytest.Item, own: frozenset[str] | None = None) -> dict[str, Target]:
    """Return the targets that *item* runs against, by fixture, the judged one first.

    Args:
        item: a test.
        own: the fixtures of ours that it asks for, if they are known.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return {}
    params = callspec.params
    if own is None:
        own = own_fixtures(item)
    found = {}
    for family in _GIVING:
        value: Any = params.get(family)
        if value is None or family not in own:
            continue
        if family == "host" and hasattr(value, "backend"):
            value = _named(item.config, value.backend)
        if hasattr(value, "entry"):  # else the user's own parameter
            found[family] = value
    return found


def _named(config: pytest.Config, backend: Any) -> Target | None:
    """Return the target behind ``testinfra_hosts = ["sysaudit://..."]``, without opening it."""
    if getattr(backend, "NAME", "") != "sysaudit":
        return None
    return state_of(config).inventory.targets.get(backend.hostname)


def sort_by_target(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the checks of one target together; leave out those that no target can answer."""
    unanswerable = [item for item in items if _lacks_target(item)]
    if unanswerable:
        config.hook.pytest_deselected(items=unanswerable)
        dropped = set(map(id, unanswerable))
        items[:] = [item for item in items if id(item) not in dropped]
    judged = (item.stash[check_key].target for item in items if check_key in item.stash)
    if any(judged):
        order = {t.name: n for n, t in enumerate(state_of(config).selected)}
        items.sort(key=lambda item: _rank(item, order))


def _rank(item: pytest.Item, order: dict[str, int]) -> int:
    """Return the place of an item's target: none comes first, one not selected last."""
    check = item.stash.get(check_key, None)
    if check is None or check.target is None:
        return -1
    return order.get(check.target.name, len(order))


def _lacks_target(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    if callspec is None or None not in callspec.params.values():
        return False
    names = own_fixtures(item).intersection((*FAMILIES, "target"))
    return any(callspec.params.get(name, names) is None for name in names)
