"""Keep testinfra's own hosts out of a replay: nothing of them is recorded."""

from __future__ import annotations

from functools import cache
from typing import Any, NoReturn

import pytest
import testinfra.backend
import testinfra.host

from pytest_sysaudit.backend import SCHEME
from pytest_sysaudit.errors import CannotAssess

_DOORS = ("run", "run_local")


def keep_out(config: pytest.Config) -> None:
    """Let all hosts of testinfra but ``sysaudit://`` refuse to be asked, until the run ends."""
    find, hosts = testinfra.backend.get_backend_class, testinfra.host.Host
    single, several = hosts._host_cache, hosts._hosts_cache  # noqa: SLF001 - no other door

    @cache
    def refusing(connection: str) -> type:
        found: type = find(connection)
        return found if connection == SCHEME else _refusing(found, connection)

    def undo() -> None:
        testinfra.backend.get_backend_class = find
        hosts._host_cache, hosts._hosts_cache = single, several  # noqa: SLF001 - as above

    testinfra.backend.get_backend_class = refusing
    hosts._host_cache, hosts._hosts_cache = {}, {}  # noqa: SLF001 - as above
    config.add_cleanup(undo)


def _refusing(backend: type, connection: str) -> type:
    def refuse(*_args: Any, **_options: Any) -> NoReturn:
        raise CannotAssess(
            f"{connection}: testinfra's own host is not in the recording, and a replay touches "
            "none: put it into the inventory and reach it over sysaudit://NAME"
        )

    return type(backend.__name__, (backend,), dict.fromkeys(_DOORS, refuse))
