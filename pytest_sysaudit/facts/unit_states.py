"""The state of single systemd units: one systemctl for all that are asked for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.facts.outcome import Failure
from pytest_sysaudit.facts.per_key import PerKey
from pytest_sysaudit.facts.reading import ABSENT, script
from pytest_sysaudit.facts.systemctl import BOOTED, END, FILES, LIST_FILES, SHOW, printed
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import CommandResult

_PROPERTIES = "Id,Names,LoadState,ActiveState,SubState,UnitFileState,SourcePath,WantedBy,RequiredBy"
#: systemd.unit(5)
SUFFIXES = (
    *("service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer"),
    *("slice", "scope"),
)
_DENIED = re.compile("permission denied|access denied|not permitted", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+")
#: is-active says yes of these.
_RUNNING = ("active", "reloading", "refreshing")


@dataclass(frozen=True, slots=True)
class UnitState:
    """One unit in the words of systemd, "" for what it does not say.

    Attributes:
        name: its main name.
        load_state: ``loaded``, ``not-found``, ``masked``, ``error``, ``bad-setting``.
        active_state: ``active``, ``inactive``, ``failed`` ...
        sub_state: what its kind of unit adds: ``running``, ``listening`` ...
        file_state: as ``systemctl is-enabled`` says it.
        source: the file that the unit was made from, as an init script.
        wanted: whether a target starts it.
        names: all its names, aliases too.
    """

    name: str
    load_state: str
    active_state: str = "inactive"
    sub_state: str = ""
    file_state: str = ""
    source: str = ""
    wanted: bool = False
    names: tuple[str, ...] = field(default=(), repr=False)

    @property
    def exists(self) -> bool:
        """Whether systemd knows more of it than a name."""
        return self.load_state != "not-found"

    @property
    def is_running(self) -> bool:
        """Whether it is active."""
        return self.active_state in _RUNNING


def unit_name(name: str) -> str:
    """Return the full name of a unit: a name without suffix is a service.

    Raises:
        CannotAssess: no unit can have the name; systemctl would take it for a pattern.
    """
    if not _NAME.fullmatch(name):
        raise CannotAssess(f"{name!r} is not the name of a unit")
    return name if name.rpartition(".")[2] in SUFFIXES else f"{name}.service"


class UnitStates(KeyedTable[UnitState]):
    """``facts.unit_states["ssh.service"]``, by full name as `unit_name` gives it.

    Every row is NotApplicable where systemd does not run the host. A unit that it does not know is
    a row with the load state ``not-found``; a template is looked for among the files.
    """

    NAME = "unit_states"

    @classmethod
    def command(cls, keys: Sequence[str]) -> str:
        """Return the shell lines."""
        units = [shlex.quote(key) for key in keys if not _is_template(key)]
        files = [shlex.quote(key) for key in keys if _is_template(key)]
        lines = [BOOTED]
        if units:
            lines.append(f"{SHOW} --property={_PROPERTIES} -- {' '.join(units)} || exit")
        lines.append(FILES)
        if files:
            lines.append(f"{LIST_FILES} -- {' '.join(files)} || [ $? = 1 ] || exit")
        return "\n".join([*lines, END])

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, UnitState | Failure]:
        """Parse its output: a block for each unit, a line for each template, the end mark."""
        if not result.ok and _DENIED.search(result.err):
            raise Denied(f"systemctl: {first_line(result.err)}")
        found = printed(script(result, "systemd"))
        files = [line.split()[:2] for line in found.files]
        if any(_is_template(key) for key in keys) and not files and result.err.strip():
            raise CannotAssess(f"systemctl: {result.err.strip()}")
        rows: dict[str, UnitState | Failure] = {}
        for unit in map(_unit, found.units):
            rows.update(dict.fromkeys((*unit.names, unit.name), unit))
        states = dict(files)
        for key in filter(_is_template, keys):
            load = "loaded" if key in states else "not-found"
            rows[key] = UnitState(key, load, file_state=states.get(key, ""))
        return rows


def _is_template(name: str) -> bool:
    """Whether *name* is that of a template, ``getty@.service``, which has no state of its own."""
    return name.rpartition(".")[0].endswith("@")


def _unit(fields: Mapping[str, str]) -> UnitState:
    return UnitState(
        name=fields["Id"],
        load_state=fields["LoadState"],
        active_state=fields["ActiveState"],
        sub_state=fields.get("SubState", ""),
        file_state=fields.get("UnitFileState", ""),
        source=fields.get("SourcePath", ""),
        wanted=bool(fields.get("WantedBy") or fields.get("RequiredBy")),
        names=tuple(fields.get("Names", "").split()),
    )


class UnitProperties(PerKey[Mapping[str, str]]):
    """``facts.unit_properties["ssh.service"]``: all that ``systemctl show`` says of a unit."""

    NAME = "unit_properties"

    @classmethod
    def line(cls, key: str) -> str:
        """Return the shell lines that show it."""
        return f"{BOOTED}\n{SHOW} -- {shlex.quote(key)}"

    @classmethod
    def row(cls, key: str, result: CommandResult) -> Mapping[str, str]:
        """Return its properties; a line without a name belongs to the value before it."""
        if result.exit_code == ABSENT:
            raise NotApplicable("there is no systemd on this host")
        found: dict[str, str] = {}
        name = ""
        for line in script(result, f"systemctl show {key}").splitlines():
            before, equals, value = line.partition("=")
            if equals and before.isalnum():
                name = before
                found[name] = value
            elif name:
                found[name] += f"\n{line}"
        if not found:
            raise Incomplete(f"systemctl show {key}: no properties")
        return found
