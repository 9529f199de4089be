"""What one pytest process knows of the audit that it carries out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_sysaudit.clock import set_now
from pytest_sysaudit.errors import CannotAssess, InventoryError, Problem, SysauditError
from pytest_sysaudit.evidence.redact import Redactor
from pytest_sysaudit.hooks.results import Keeper
from pytest_sysaudit.record import Control, Plain
from pytest_sysaudit.source import Doc, Source, read_doc, read_source

if TYPE_CHECKING:
    from pytest_sysaudit.connections import Connections
    from pytest_sysaudit.evidence.writer import BundleJournal
    from pytest_sysaudit.facts.plan import Plan
    from pytest_sysaudit.hooks.check import Check
    from pytest_sysaudit.hooks.profiles import Overlay
    from pytest_sysaudit.hooks.replay import Replay
    from pytest_sysaudit.inventory.load import LoadedInventory
    from pytest_sysaudit.inventory.secrets import Secrets
    from pytest_sysaudit.inventory.target import Target

T = TypeVar("T")


class State:
    """Loads the inventory when it is first asked for, and keeps what follows from it.

    Attributes:
        redactor: takes secrets out of everything that is stored or shown.
        started: when the run began, in seconds since the epoch.
        failure: why nothing can be audited, if so.
        controls: the controls of the collected checks, by id.
        keeper: makes results fit to be kept.
        expected: node id and check of all that is to be carried out in this process.
        calls: pytest's plan of the calls of a function, by its targets; see `hooks.targets`.
        overrides: what replaces entries of the inventory: the addresses of stand-ins.
        dead_standins: why the stand-in of a target could not be started.
        remarks: what looks like a mistake, to show at the end.
        notes: lines to show once, above the checks.
        plans: what each target will be asked, by its name.
        profile: what reports say about the profile; None without one.
        run_id: what tells this run from all others.
        journal: where all that is seen is recorded; None: nowhere.
        replay: the recording that is judged again; None: the targets are asked.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.redactor = Redactor()
        self.keeper = Keeper(self.redactor)
        self.begin(time.time())
        self.failure: SysauditError | None = None
        self.controls: dict[str, Control] = {}
        self.expected: list[tuple[str, Check]] = []
        self.calls: dict[tuple[str, ...], list[Any]] = {}
        self.overrides: dict[str, dict[str, Plain]] = {}
        self.dead_standins: dict[str, str] = {}
        self.notes: list[str] = []
        self.remarks: list[str] = []
        self.plans: dict[str, Plan] = {}
        self.profile: dict[str, Plain] | None = None
        self.run_id = str(uuid.uuid4())
        self.journal: BundleJournal | None = None
        self.replay: Replay | None = None
        self._texts: dict[Callable[..., Any], tuple[Doc, Source]] = {}
        self._connections: Connections | None = None

    def begin(self, started: float) -> None:
        """Take *started*, seconds since the epoch, for the time that this run judges by."""
        self.started = started
        set_now(datetime.fromtimestamp(started, UTC))

    @property
    def path(self) -> Path:
        """The inventory file that this run would read."""
        given = self.config.getoption("audit_inventory") or self.config.getini("audit_inventory")
        base = self.config.invocation_params.dir
        if not self.config.getoption("audit_inventory"):
            base = self.config.rootpath
        return base / Path(given or "inventory.yaml")

    @property
    def wanted(self) -> bool:
        """Whether somebody asked for an inventory: by option, by setting or by a file in place."""
        if self.replay is not None:
            return True
        asked = self.config.getoption("audit_inventory") or self.config.getini("audit_inventory")
        return bool(asked) or self.path.is_file()

    @cached_property
    def inventory(self) -> LoadedInventory:
        """The inventory; this machine alone if there is none.

        Raises:
            InventoryError: it cannot be used.
        """
        from pytest_sysaudit.inventory.load import LoadedInventory, load

        if self.replay is not None and not self.config.getoption("audit_inventory"):
            return self.replay.inventory
        found = self.config.hook.pytest_sysaudit_inventory(config=self.config)
        if found is None and not self.wanted:
            return LoadedInventory.implicit()
        loaded: LoadedInventory = load(self.path) if found is None else found
        if loaded.document is not None:
            base = loaded.path.parent if loaded.path else self.path.parent
            self.secrets.hide_named(loaded.document.data, base)
        return loaded

    @cached_property
    def selected(self) -> tuple[Target, ...]:
        """The targets of this run, in the order of the inventory.

        Raises:
            SysauditError: an expression of ``--audit-target`` matches nothing, or nothing is
                there to match.
        """
        from pytest_sysaudit.inventory.select import select

        inventory = self.inventory
        expressions = self.config.getoption("audit_target")
        if self.replay is not None:
            expressions = expressions or self.replay.expressions
        try:
            chosen = select(expressions, inventory.targets, inventory.groups)
        except SysauditError as error:
            if inventory.path is not None or self.wanted:
                raise
            where = f"no inventory was read: there is no {self.path}"
            raise SysauditError(f"{error}; {where}") from error
        if not chosen:
            raise InventoryError([Problem(str(inventory.path), 0, 0, "there is no target in it")])
        return tuple(chosen)

    @cached_property
    def overlay(self) -> Overlay | None:
        """The profile of this run, ready to be laid over controls; None without one.

        Raises:
            ProfileError: it cannot be used.
        """
        if not (self.config.getoption("audit_profile") or self.config.getini("audit_profile")):
            return None
        from pytest_sysaudit.hooks.profiles import overlay_of

        return overlay_of(self.config)

    @cached_property
    def longer_names(self) -> Mapping[str, Sequence[str]]:
        """By target, the names that begin with its own and a dash: for ``web``, ``web-1``."""
        found: dict[str, list[str]] = {}
        for name in self.inventory.targets:
            parts = name.split("-")
            for n in range(1, len(parts)):
                if (start := "-".join(parts[:n])) in self.inventory.targets:
                    found.setdefault(start, []).append(name)
        return found

    @property
    def targets(self) -> Mapping[str, Target]:
        """Every target of the inventory, stand-ins filled in."""
        return {name: self.live(target) for name, target in self.inventory.targets.items()}

    def asked_for(self, request: pytest.FixtureRequest) -> Target:
        """Return the target that a fixture of ours is to hand out, stand-ins filled in.

        Raises:
            CannotAssess: the inventory did not parametrize the fixture.
        """
        name = request.fixturename
        if not hasattr(request, "param"):
            raise CannotAssess(
                f"{name!r} has no target here: neither a unittest.TestCase nor what "
                "request.getfixturevalue() asks for can be run once for each target; name it among "
                "the arguments of a test function or of a fixture"
            )
        if not hasattr(request.param, "entry"):
            raise CannotAssess(
                f"{name!r} was given {request.param!r} as its parameter: the inventory does that; "
                "choose targets with @pytest.mark.targets(...)"
            )
        return self.live(request.param)

    def live(self, target: Target) -> Target:
        """Return *target* with the address of its stand-in, if one was started."""
        return target.changed(self.overrides.get(target.name, {}))

    @cached_property
    def secrets(self) -> Secrets:
        """Where passwords come from."""
        from pytest_sysaudit.inventory.secrets import Secrets, ask_terminal, stdin_is_terminal

        def prompt(question: str) -> str:
            return self._uncaptured(lambda: ask_terminal(question))

        return Secrets(self.redactor, prompt, lambda: self._uncaptured(stdin_is_terminal))

    def _uncaptured(self, ask: Callable[[], T]) -> T:
        """Call *ask* with standard input and output as they were before pytest captured them."""
        capture = self.config.pluginmanager.getplugin("capturemanager")
        if capture is None or not capture.is_globally_capturing():
            return ask()
        capture.suspend_global_capture(in_=True)
        try:
            return ask()
        finally:
            capture.resume_global_capture()

    @property
    def connections(self) -> Connections:
        """Every connection of this process."""
        if self._connections is None:
            from pytest_sysaudit.connections import Connections

            hook = self.config.hook
            self._connections = Connections(
                self.targets,
                self.secrets,
                transports=_joined(hook.pytest_sysaudit_transports()),
                facts=_joined(hook.pytest_sysaudit_facts()),
                plans=self.plans,
                journal=self.journal,
                player=self.replay.player if self.replay else None,
            )
            for name, reason in self.dead_standins.items():
                self._connections.bury(name, reason, told=False)
                self._connections.keep_dead(name, reason)
        return self._connections

    def texts(self, function: Callable[..., Any]) -> tuple[Doc, Source]:
        """Return what the docstring and the source of *function* say; each is read once."""
        function = getattr(function, "__func__", function)
        if function not in self._texts:
            self._texts[function] = (read_doc(function), read_source(function))
        return self._texts[function]

    def target_states(self) -> dict[str, dict[str, Plain]]:
        """Return what is known of the targets that were touched."""
        return self._connections.states() if self._connections else {}

    def close(self) -> None:
        """Close what was opened."""
        set_now(None)
        if self._connections is not None:
            self._connections.close()


def _joined(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in reversed(parts) for name, value in part.items()}
