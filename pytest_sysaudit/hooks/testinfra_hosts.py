"""Let ``sysaudit://`` in testinfra's own host lists mean targets of the inventory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess

if TYPE_CHECKING:
    from pytest_sysaudit.hooks.state import State
    from pytest_sysaudit.host import Host


class StateResolver:
    """Answers what ``sysaudit://EXPR`` means in this run."""

    def __init__(self, state: State) -> None:
        self._state = state

    def names(self, expression: str) -> Sequence[str]:
        """Return the names of the hosts that *expression* selects."""
        from pytest_sysaudit.inventory.select import select

        inventory = self._state.inventory
        found = select([expression or "all"], inventory.targets, inventory.groups)
        return [target.name for target in found if target.is_host]

    def host(self, name: str) -> Host:
        """Return the run's one connection to the host *name*."""
        target = self._state.targets.get(name)
        if target is None:
            raise CannotAssess(f"sysaudit://{name}: there is no such host in the inventory")
        return self._state.connections.host(target)


def bind(state: State) -> None:
    """Make testinfra resolve ``sysaudit://EXPR`` through *state* until the run ends."""
    from pytest_sysaudit import backend

    backend.register_backend(StateResolver(state))
    state.config.add_cleanup(backend.reset_backend)
