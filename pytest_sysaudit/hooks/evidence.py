"""Record what a run sees: open the journal, follow what each check uses, close it at the end."""

from __future__ import annotations

import os
import platform
import shlex
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.evidence.trail import Trail, collected, opened, passed_on
from pytest_sysaudit.hooks.keys import check_key, only_looks, state_of
from pytest_sysaudit.hooks.origin import operator, selection_of, versions
from pytest_sysaudit.record import Plain, Result, utc_text

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.writer import BundleJournal
    from pytest_sysaudit.hooks.state import State
    from pytest_sysaudit.inventory.load import LoadedInventory

trail_key = pytest.StashKey[Trail]()
"""In an item: the observations that its check used."""
_shared_key = pytest.StashKey[dict[int, tuple[object, Trail]]]()
"""In the config: what fixtures used that several checks share, by the result that pytest keeps."""
_OURS = "pytest_sysaudit."


def begin(config: pytest.Config) -> None:
    """Open the journal that ``--audit-evidence`` names, if this process is to record.

    Raises:
        SysauditError: it cannot be opened, or the inventory cannot be used.
    """
    if only_looks(config):
        return
    from pytest_sysaudit.evidence.writer import Limits, open_journal

    state = state_of(config)
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    limits = Limits(
        part=_size(config, "audit_evidence_part"), total=_size(config, "audit_evidence_total")
    )
    state.journal = open_journal(
        config.invocation_params.dir / Path(config.getoption("audit_evidence")).expanduser(),
        process=worker or "main",
        redactor=state.redactor,
        begin=None if worker else _begin(config, state),
        key=None if worker else _key(state),
        limits=limits,
    )


def _size(config: pytest.Config, name: str) -> int:
    text = str(config.getini(name)).strip()
    number, unit = text[:-1], text[-1:].upper()
    factors = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    if unit in factors and number.isdecimal():
        return int(number) * factors[unit]
    if text.isdecimal():
        return int(text)
    raise SysauditError(f"{name}: {text!r} is no size; write bytes, or 16M, 2G")


def _key(state: State) -> Any:
    """Return the key that the inventory's section ``evidence`` names; None: it names none."""
    section = getattr(state.inventory.model, "evidence", None)
    secret = section.signing_key if section else None
    if not secret:
        return None
    from pytest_sysaudit.evidence.signing import read_key

    base = state.inventory.path.parent if state.inventory.path else Path()
    text = state.secrets.get(secret, purpose="the signing key of the evidence", base=base)
    return read_key(text)


def _begin(config: pytest.Config, state: State) -> dict[str, Plain]:
    """Return who records what, and how it was started."""
    inventory = state.inventory
    return {
        "run": state.run_id,
        "started": utc_text(state.started),
        "operator": operator(),
        "command_line": shlex.join(["pytest", *config.invocation_params.args]),
        "versions": versions(),
        "machine": {"system": platform.system().lower(), "uid": os.geteuid()},
        "selection": selection_of(config),
        "inventory": {
            "path": str(inventory.path or ""),
            "sha256": inventory.sha256,
            "text": _text_of(inventory),
        },
    }


def _text_of(inventory: LoadedInventory) -> str:
    """Return the text of *inventory*; "" if there is none.

    One that a plugin gave need not have a file, or has it no more: JSON of it is YAML too.
    """
    if inventory.path is not None:
        with suppress(OSError):
            return inventory.path.read_text("utf-8", "backslashreplace")
    elif inventory == type(inventory).implicit():
        return ""
    return inventory.model.model_dump_json(by_alias=True, exclude_unset=True)


def described(state: State, results: Sequence[Result]) -> dict[str, Plain] | None:
    """Return what reports say of the observations that *results* name; None: nothing is kept."""
    if state.replay is not None:
        bundle = state.replay.bundle
    elif state.journal is not None:
        from pytest_sysaudit.evidence.bundle import open_bundle

        bundle = open_bundle(state.journal.folder)
    else:
        return None
    return bundle.describe_used(results)


def story(journal: BundleJournal) -> dict[str, Plain]:
    """Return what reports say about the recording of their run."""
    return {
        "folder": str(journal.folder),
        "signed": journal.signed,
        "problem": journal.problem,
    }


def trail_of(item: pytest.Item) -> Trail:
    """Return what the check of *item* used so far."""
    trail = item.stash.get(trail_key, None)
    if trail is None:
        trail = item.stash[trail_key] = Trail()
    return trail


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Follow the check from its fixtures to their end, in threads that it starts too."""
    trail, check = trail_of(item), item.stash.get(check_key, None)
    trail.targets = frozenset(target.name for target in check.targets) if check else frozenset()
    with opened(trail):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Follow a fixture that outlives its first check: the next one looks at the same."""
    if fixturedef.scope == "function" or fixturedef.func.__module__.startswith(_OURS):
        return (yield)
    trail = Trail()
    try:
        with collected() as trail:
            return (yield)
    finally:
        passed_on(trail)
        if trail.ids:
            kept = fixturedef.cached_result
            request.config.stash.setdefault(_shared_key, {})[id(kept)] = (kept, trail)


def pytest_fixture_post_finalizer(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> None:
    """Forget what a fixture used that is no more."""
    request.config.stash.get(_shared_key, {}).pop(id(fixturedef.cached_result), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Add what the fixtures used that were set up for another check."""
    try:
        return (yield)
    finally:
        _add_shared(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Add what those fixtures used that the check asked for while it ran."""
    try:
        return (yield)
    finally:
        _add_shared(item)


def _add_shared(item: pytest.Item) -> None:
    shared = item.config.stash.get(_shared_key, {})
    request = getattr(item, "_request", None)
    for definition in getattr(request, "_fixture_defs", {}).values() if shared else ():
        kept, trail = shared.get(id(definition.cached_result), (None, None))
        if trail is not None and kept is definition.cached_result:
            passed_on(trail)


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Keep what is to be carried out; workers of pytest-xdist tell it to the controller."""
    state = state_of(session.config)
    if state.journal is not None and not hasattr(session.config, "workerinput"):
        state.journal.plan(check.place for _, check in state.expected)
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close the journal; in a worker only its own part of it."""
    state = state_of(session.config)
    if state.journal is None:
        return
    if hasattr(session.config, "workerinput"):
        state.journal.close()
        return
    state.journal.finish({"ended": utc_text(time.time()), "exit_code": int(session.exitstatus)})
    if state.journal.problem and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the journal of a run that ended before its session did."""
    state = state_of(config)
    if state.journal is not None:
        state.journal.close()
