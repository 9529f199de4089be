"""Work well with pytest-xdist: a target's checks on one worker, its results in one report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.hooks.keys import only_looks, state_key, state_of
from pytest_sysaudit.hooks.recorder import recorder_key
from pytest_sysaudit.hooks.standins import start_for

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    state = state_of(config)
    if config.getoption("dist") not in ("load", "loadgroup") or not state.wanted:
        return None
    from xdist.scheduler import LoadScopeScheduling

    try:
        names = sorted((t.name for t in state.selected), key=len, reverse=True)
    except SysauditError:
        return None  # the workers' collection tells why

    class TargetScheduling(LoadScopeScheduling):  # type: ignore[misc]
        """Run all checks of one target on one worker, over one connection."""

        def _split_scope(self, nodeid: str) -> str:
            params = nodeid.partition("[")[2]
            return next((n for n in names if params.startswith((f"{n}]", f"{n}-"))), nodeid)

    return TargetScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    state = state_of(config)
    if hasattr(config, "workerinput"):
        given = config.workerinput.get("sysaudit", {})
        state.overrides.update(given.get("overrides", {}))
        state.dead_standins.update(given.get("dead", {}))
        return
    distributed = getattr(config.option, "dist", "no") != "no"
    if not distributed or only_looks(config) or not state.wanted:
        return
    try:
        start_for(config, state.selected)
    except SysauditError as error:
        if config.getoption("audit_inventory") or config.getoption("audit_target"):
            raise pytest.UsageError(str(error)) from error
        # else it is perhaps not our file: only a check that needs it makes it an error


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    state = state_of(node.config)
    node.workerinput["sysaudit"] = {"overrides": state.overrides, "dead": state.dead_standins}


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is None or state_key not in session.config.stash:
        return
    state = state_of(session.config)
    redact = state.redactor.plain
    output["sysaudit"] = {
        "expected": redact(state.expected),
        "controls": {id_: redact(c.to_plain()) for id_, c in state.controls.items()},
        "targets": redact(state.target_states()),
        "failure": str(state.failure) if state.failure else "",
    }


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    from pytest_sysaudit.record import Control

    output = getattr(node, "workeroutput", {}).get("sysaudit")
    recorder = node.config.stash.get(recorder_key, None)
    if output is None or recorder is None:
        return
    recorder.add_expected(output["expected"])
    recorder.add_targets(output["targets"])
    for id_, plain in output["controls"].items():
        recorder.controls.setdefault(id_, Control.from_plain(plain))
    if output["failure"]:
        recorder.state.failure = SysauditError(output["failure"])
