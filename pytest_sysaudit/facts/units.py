"""What systemd knows about its units: loaded ones, and what starts with the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import script
from pytest_sysaudit.facts.systemctl import BOOTED, END, FILES, SHOW, printed
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_PROPERTIES = "Id,Names,LoadState,ActiveState,SubState,UnitFileState,Result"
#: Those that checks ask for. Of the others, as mounts, sessions and hundreds of devices, only what
#: has failed counts: systemd takes a millisecond for each unit that it tells of.
_KINDS = ("service", "socket", "timer", "path")
#: What is enabled is linked from the folder of what wants it; a link whose file is gone does not
#: count, nor one to a unit that is masked by an empty file or /dev/null. systemctl list-unit-files
#: would say it too, but makes systemd read every unit file, for half a second on small hosts.
_SCRIPT = Script(rf"""{BOOTED}
{SHOW} --property={_PROPERTIES} {" ".join(f"'*.{kind}'" for kind in _KINDS)} || exit
failed=$(systemctl list-units --state=failed --plain --full --no-legend --no-pager) || exit
set -f
IFS='
'
for line in $failed; do
  IFS=' '
  set -- $line
  case $1 in *.*) ;; *) shift ;; esac
  case $1 in {"|".join(f"*.{kind}" for kind in _KINDS)}) continue ;; esac
  printf '\nId=%s\nLoadState=%s\nActiveState=%s\nSubState=%s\n' "$1" "$2" "$3" "$4"
done
unset IFS
set +f
{FILES}
for f in /run/systemd/system/*.wants/* /run/systemd/system/*.requires/* \
  /etc/systemd/system/*.wants/* /etc/systemd/system/*.requires/*; do
  [ -e "$f" ] || continue
  state=enabled
  case $f in /run/systemd/*) state=enabled-runtime ;; esac
  for d in /run/systemd/system /etc/systemd/system; do
    [ -e "$d/${{f##*/}}" ] && [ ! -s "$d/${{f##*/}}" ] && state=masked
  done
  printf '%s %s\n' "${{f##*/}}" $state
done
{END}""")
ASKS: tuple[Command, ...] = (_SCRIPT,)


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit in the words of systemd; "" for what it does not say.

    ``names`` are all its names, aliases too.
    """

    name: str
    load_state: str
    active_state: str
    sub_state: str
    file_state: str
    result: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Units:
    """The loaded units, and the state of those that are to start with the host, by name.

    Loaded ones are services, sockets, timers, paths, and whatever else has failed.
    """

    units: tuple[Unit, ...]
    files: Mapping[str, str]

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.units)

    def get(self, name: str) -> Unit | None:
        """Return the loaded unit *name* (``ssh.service``), which may be an alias; else None."""
        return next((unit for unit in self.units if name in (unit.name, *unit.names)), None)

    def is_on(self, name: str) -> bool:
        """Whether the unit *name* runs, or will at the next start.

        An init script that a removed package left behind is not enough: a unit must have been
        loaded, or have a file of its own. One that runs is on, though it was masked, or its file
        removed, after its start.
        """
        unit = self.get(name)
        if unit is not None and unit.active_state not in ("inactive", "failed"):
            return True
        if unit is not None and unit.load_state != "loaded":
            return False
        names = (name, *(unit.names if unit is not None else ()))
        states = [self.files.get(each, "") for each in names]
        states += [unit.file_state] if unit is not None else []
        return any(state in ("enabled", "enabled-runtime") for state in states)

    def failed(self) -> tuple[Unit, ...]:
        """Return the units that have failed, by name; ``load_state`` tells those that are gone."""
        bad = (unit for unit in self.units if unit.active_state == "failed")
        return tuple(sorted(bad, key=lambda unit: unit.name))


def parse(text: str) -> Units:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut, or no unit is loaded, which no systemd can be.
    """
    found = printed(text)
    units = tuple(map(_unit, found.units))
    if not units:
        raise CannotAssess("systemctl show: no unit is loaded")
    files = parse_lines("units that are enabled", "\n".join(found.files), _file)
    return Units(units, dict(files))


def _unit(fields: Mapping[str, str]) -> Unit:
    return Unit(
        name=fields["Id"],
        load_state=fields["LoadState"],
        active_state=fields["ActiveState"],
        sub_state=fields.get("SubState", ""),
        file_state=fields.get("UnitFileState", ""),
        result=fields.get("Result", ""),
        names=tuple(fields.get("Names", "").split()),
    )


def _file(line: str) -> tuple[str, str]:
    name, state = line.split()[:2]
    return name, state


def read(facts: Facts) -> Units:
    """Ask systemd.

    Raises:
        NotApplicable: systemd does not run this host.
        CannotAssess: systemctl could not talk to it.
    """
    return parse(script(facts.run(_SCRIPT), "systemd"))
