"""One target of an audit: an inventory entry with everything that flows into it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_sysaudit.inventory.model import Aws, Defaults, Host, Http, Network


class Kind(enum.StrEnum):
    """How a target is reached."""

    LOCAL = "local"
    SSH = "ssh"
    AWS = "aws"
    HTTP = "http"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target of an audit.

    Attributes:
        name: its key in the inventory; unique over all kinds.
        kind: how it is reached.
        groups: every group it is in, directly or through other groups, sorted.
        vars: its own vars over those of its groups, the nearest wins.
        inputs: parameters of checks by control id, the nearest wins.
        entry: the inventory's entry as it was written; an ssh host without an address has its
            name as the address, a target with a stand-in the address of that.
        defaults: the inventory's defaults.
        base: the folder that relative paths of the entry start from.
    """

    name: str
    kind: Kind
    groups: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    entry: Host | Aws | Http | Network
    defaults: Defaults = field(default_factory=Defaults)
    base: Path = Path()

    @property
    def is_host(self) -> bool:
        """Whether it is a Linux host, here or over ssh."""
        return self.kind in (Kind.LOCAL, Kind.SSH)

    def setting(self, name: str) -> Any:
        """Return the entry's own value of *name*, else the default's."""
        own = getattr(self.entry, name, None)
        return own if own is not None else getattr(self.defaults, name)

    def path(self, text: str) -> Path:
        """Return the path that *text* of this entry means, ~ expanded; it starts from `base`."""
        return self.base / Path(text).expanduser()

    def changed(self, changes: Mapping[str, Any]) -> Target:
        """Return it with *changes* of its entry, as a stand-in makes them; {} for none."""
        if not changes:
            return self
        data = _merged(self.entry.model_dump(), changes)
        return replace(self, entry=type(self.entry).model_validate(data, strict=False))

    def __str__(self) -> str:
        return self.name


def _merged(data: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(data.get(key), dict)
        data[key] = _merged(data[key], value) if both else value
    return data
