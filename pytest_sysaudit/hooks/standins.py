"""Start a stand-in for each target that the inventory marks ``embedded``, and stop it again."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.evidence.observation import Observation
from pytest_sysaudit.hooks.check import Check
from pytest_sysaudit.hooks.keys import check_key, only_looks, state_of

if TYPE_CHECKING:
    from pytest_sysaudit.hooks.state import State
    from pytest_sysaudit.inventory.target import Target

STANDINS = {
    "ssh": "pytest_sysaudit.embedded.sshd:EmbeddedSshd",
    "aws": "pytest_sysaudit.embedded.moto:EmbeddedMoto",
    "http": "pytest_sysaudit.embedded.web:EmbeddedWeb",
}
PREFIX = "sysaudit-run-"
"""How the folder of a run begins; its process id follows."""


class Standins:
    """The stand-ins of a run: started before its first check, stopped after its last."""

    def __init__(self) -> None:
        self._running: list[Any] = []
        self._folder: Path | None = None

    def start(self, target: Target) -> tuple[dict[str, Any], str]:
        """Start the stand-in of *target*; return its changes of the entry, and a line on it."""
        module, _, name = STANDINS[target.kind].partition(":")
        if self._folder is None:
            sweep()
            self._folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        folder = self._folder / target.name
        folder.mkdir(mode=0o700)
        standin = getattr(import_module(module), name)(target, folder)
        self._running.append(standin)
        overrides = standin.start()
        return overrides, standin.describe()

    def stop(self) -> None:
        """Stop all of them and remove their files."""
        while self._running:
            with contextlib.suppress(Exception):
                self._running.pop().stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of runs that were killed: they hold the keys of their stand-ins."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        number = folder.name.removeprefix(PREFIX).partition("-")[0]
        alive = not number.isdigit() or Path("/proc", number).exists()
        with contextlib.suppress(OSError):
            if not alive and folder.lstat().st_uid == os.geteuid():
                shutil.rmtree(folder, ignore_errors=True)


def start_for(config: pytest.Config, targets: Iterable[Target]) -> None:
    """Start what *targets* need; a stand-in that does not start leaves its target dead."""
    state = state_of(config)
    wanted = {t.name: t for t in targets if t.entry.embedded and t.kind in STANDINS}
    if state.replay is not None:
        state.overrides.update({name: state.replay.change(name) for name in wanted})
        return
    if not wanted:
        return
    standins = Standins()
    config.add_cleanup(standins.stop)
    for name, target in wanted.items():
        try:
            state.overrides[name], line = standins.start(target)
            _keep(state, name)
            state.notes.append(f"{name}: {line}")
        except (SysauditError, OSError, ImportError) as error:
            state.dead_standins[name] = f"{name}: its stand-in did not start: {error}"
            state.notes.append(state.dead_standins[name])


def _keep(state: State, name: str) -> None:
    """Record where the stand-in of *name* is, for a replay to read the same inventory."""
    if state.journal is not None:
        state.journal.note(
            Observation(
                kind="target",
                target=name,
                asked={"standin": True},
                started=time.time(),
                answer=state.overrides[name],
            )
        )


def announce(config: pytest.Config) -> None:
    """Tell what was started."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    for note in state_of(config).notes if reporter else ():
        reporter.write_line(f"started for {note}" if "did not start" not in note else note)


def _needed(checks: Iterable[Check], known: dict[str, Target]) -> dict[str, Target]:
    """Return every target that *checks* touch, those that networks watch or exercise included."""
    found: dict[str, Target] = {}
    queue = [target for check in checks for target in check.targets]
    while queue:
        target = queue.pop()
        if target.name in found:
            continue
        found[target.name] = target
        names = [getattr(target.entry, "via", None), *getattr(target.entry, "exercise", ())]
        names.append(getattr(getattr(target.entry, "ssh", None), "proxy_jump", None))
        queue += [known[name] for name in names if name in known]
    return {name: found[name] for name in known if name in found}


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """Open what the checks need. Workers of pytest-xdist are given the controller's stand-ins."""
    config = session.config
    if only_looks(config) or not any(check_key in item.stash for item in session.items):
        return (yield)
    state = state_of(config)
    checks = [item.stash[check_key] for item in session.items if check_key in item.stash]
    needed = _needed(checks, dict(state.inventory.targets))
    if not hasattr(config, "workerinput"):
        start_for(config, needed.values())
        announce(config)
        state.connections.dial([state.live(target) for target in needed.values()])
    return (yield)
