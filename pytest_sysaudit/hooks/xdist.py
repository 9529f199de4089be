"""Work well with pytest-xdist: a target's checks on one worker, its results in one report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.hooks.keys import only_looks, state_key, state_of
from pytest_sysaudit.hooks.recorder import recorder_key
from pytest_sysaudit.hooks.standins import announce, start_for

if TYPE_CHECKING:
    from xdist.remote import Producer

    from pytest_sysaudit.hooks.scheduling import TargetScheduling


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TargetScheduling | None:
    state = state_of(config)
    if config.getoption("dist") not in ("load", "loadgroup", "worksteal") or not state.wanted:
        return None
    from pytest_sysaudit.hooks.scheduling import TargetScheduling

    try:
        return TargetScheduling(config, log, state.inventory.targets)
    except SysauditError:
        return None  # the workers' collection tells why


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    state = state_of(config)
    if hasattr(config, "workerinput"):
        given = config.workerinput.get("sysaudit", {})
        state.overrides.update(given.get("overrides", {}))
        state.dead_standins.update(given.get("dead", {}))
        if "started" in given and state.replay is None:
            state.begin(given["started"])
        return
    distributed = getattr(config.option, "dist", "no") != "no"
    if not distributed or only_looks(config) or not state.wanted:
        return
    try:
        start_for(config, state.selected)
        announce(config)
    except SysauditError as error:
        if config.getoption("audit_inventory") or config.getoption("audit_target"):
            raise pytest.UsageError(str(error)) from error
        # else it is perhaps not our file: only a check that needs it makes it an error


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    state = state_of(node.config)
    node.workerinput["sysaudit"] = {
        "overrides": state.overrides,
        "dead": state.dead_standins,
        "started": state.started,
    }


class Herald:
    """In a worker: tells with its first report what all is to be carried out.

    So the report has no gap where workers die and never come to their end.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._config.pluginmanager.unregister(self)
        state = state_of(self._config)
        redact = state.redactor.plain
        report.sysaudit_run = {  # type: ignore[attr-defined]
            # unredacted, as the places of results: what is told apart here is redacted when kept
            "expected": [[nodeid, check.place.to_plain()] for nodeid, check in state.expected],
            "controls": {id_: redact(c.to_plain()) for id_, c in state.controls.items()},
            "profile": state.profile,
        }


def pytest_collection_finish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Herald(session.config), "sysaudit-herald")


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is None or state_key not in session.config.stash:
        return
    state = state_of(session.config)
    output["sysaudit"] = {
        "targets": state.redactor.plain(state.target_states()),
        "failure": str(state.failure) if state.failure else "",
    }


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    output = getattr(node, "workeroutput", {}).get("sysaudit")
    recorder = node.config.stash.get(recorder_key, None)
    if output is None or recorder is None:
        return
    recorder.add_targets(output["targets"])
    if output["failure"]:
        recorder.state.failure = SysauditError(output["failure"])
