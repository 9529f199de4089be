"""The platform and needs markers: where a check does not apply, and what it cannot do without."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sysaudit.errors import Denied, NotApplicable
from pytest_sysaudit.hooks.keys import state_of
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.host import Host


def _host_of(item: pytest.Function) -> Host | None:
    for name in ("host", "ssh_host", "local_host"):
        found: Any = item.funcargs.get(name)
        if found is not None and hasattr(found, "transport"):
            return found  # type: ignore[no-any-return]
    return None


def require(item: pytest.Function) -> None:
    """Raise unless the markers of *item* let it run on its host.

    Raises:
        NotApplicable: the host is not of a platform that they name.
        Denied: they name a privilege that we do not have there.
    """
    marks = [mark for mark in item.iter_markers() if mark.name in ("platform", "needs")]
    for mark in sorted(marks, key=lambda mark: mark.name == "needs"):
        (_require_platform if mark.name == "platform" else _require_privilege)(item, mark)


def _require_platform(item: pytest.Function, mark: pytest.Mark) -> None:
    host = _host_of(item)
    system = mark.args[0] if mark.args else "linux"
    wanted = mark.kwargs.get("distribution") or []
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    here = _machine(item.config)["system"]
    found = here if host is None else str(host.system_info.type)
    if found != system:
        raise NotApplicable(f"for {system}; this is {found}")
    if wanted and host is not None:
        distribution = str(host.system_info.distribution)
        if distribution not in wanted:
            raise NotApplicable(f"for {' or '.join(wanted)}; this is {distribution}")


def _machine(config: pytest.Config) -> Mapping[str, Plain]:
    """Return the ``system`` that audits and its user's ``uid``; in a replay those of the run."""
    replay = state_of(config).replay
    told = replay.bundle.begin.get("machine") if replay is not None else None
    return told or {"system": platform.system().lower(), "uid": os.geteuid()}


def _require_privilege(item: pytest.Function, mark: pytest.Mark) -> None:
    if "root" not in mark.args:
        raise Denied(f"@pytest.mark.needs{mark.args}: only 'root' is known")
    host = _host_of(item)
    uid = _machine(item.config)["uid"] if host is None else host.facts.uid
    if uid != 0:
        raise Denied(
            f"needs root, and we are uid {uid}: run as root, "
            "or give the host a `become:` in the inventory"
        )
