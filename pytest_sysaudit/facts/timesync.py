"""Who keeps the clock right, from which servers, and whether that works."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.facts.reading import complete, script
from pytest_sysaudit.transport.base import Command, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Names of daemons as /proc/PID/comm has them, at most 15 characters: the shell reads them by
#: itself, as it does what the first process may do. Then each daemon that runs is asked by its own
#: tool. timedatectl would start a service of its own for the kernel's view of the clock, but
#: not for what timesyncd says.
_SCRIPT = Script("""cd /proc || exit
seen=
[ -r 1/comm ] && echo seen
for f in [0-9]*/comm; do
  read -r name 2>/dev/null <$f || continue
  case $name in
    chronyd|ntpd|ntpsec|openntpd|systemd-timesyn|ptp4l|phc2sys) seen="$seen $name " ;;
  esac
done
for name in $seen; do echo "daemon $name"; done
[ -r 1/status ] && while read -r key value; do
  [ "$key" != CapBnd: ] || echo "may $value"
done <1/status
for f in /run/systemd/container /run/host/container-manager /run/.containerenv /.dockerenv; do
  [ -e $f ] && echo container
done
case $seen in *" chronyd "*)
  if command -v chronyc >/dev/null; then
    echo @chrony
    chronyc -n -c tracking 2>&1
    echo @sources
    chronyc -N -c sources 2>/dev/null || chronyc -n -c sources 2>&1
    echo @
  else echo 'missing chronyc'; fi
esac
case $seen in *" systemd-timesyn "*)
  if [ -d /run/systemd/timesync ]; then
    told=$(find /run/systemd/timesync/synchronized -mmin -1440 2>/dev/null)
    echo "timesync ${told:+yes}"
  fi
  if command -v timedatectl >/dev/null; then
    echo @timesyncd
    timedatectl show-timesync --no-pager 2>&1
    echo @
  else echo 'missing timedatectl'; fi
esac
case $seen in *" ntpd "*|*" ntpsec "*|*" openntpd "*)
  if command -v ntpctl >/dev/null; then
    echo @ntpctl; ntpctl -s all 2>&1; echo @
  elif command -v ntpq >/dev/null; then
    echo @ntpq; ntpq -n -c 'rv 0 leap,refid,offset' 2>&1
    echo @peers; ntpq -n -c peers 2>&1; echo @
  else echo 'missing ntpq'; fi
esac
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_NAMES = {"systemd-timesyn": "systemd-timesyncd", "ntpsec": "ntpd", "openntpd": "ntpd"}
#: These look at a clock on the network card, beside a daemon that asks servers.
_HARDWARE = {"ptp4l", "phc2sys"}
#: chronyc -c tracking: reference id, name, stratum, ..., last offset, ..., leap status.
_REFERENCE, _OFFSET, _LEAP, _FIELDS = 0, 5, 13, 14
#: The reference of a daemon that takes its own clock as right: 127.127.1.x.
_LOCAL = re.compile(r"7F7F01[0-9A-F]{2}|127\.127\.1\.\d+|\.?LOC(?:L|AL\(\d*\))\.?")
_MAY_SET_TIME = 1 << 25  # CAP_SYS_TIME of capabilities(7)
_PEER = re.compile(r"[ *+#ox.-](\S+)\s+\S+\s+\d+ ")
_TIMESYNCD_LISTS = ("LinkNTPServers", "SystemNTPServers", "RuntimeNTPServers")


@dataclass(frozen=True, slots=True)
class Timesync:
    """How the clock is kept.

    Attributes:
        daemons: the names of the programs that keep it right, sorted; None if the host hides its
            processes from us.
        synchronized: whether one of them follows a server; None if none says.
        offset: by how many seconds the clock was off when that was last looked at; None: unknown.
        sources: the servers that are asked, sorted; None if nobody says.
        own_clock: whether this host could set its clock; most containers cannot.
        missing: the tools that could tell more, and are not there.
    """

    daemons: tuple[str, ...] | None
    synchronized: bool | None = None
    offset: float | None = None
    sources: tuple[str, ...] | None = None
    own_clock: bool = True
    missing: tuple[str, ...] = ()

    @property
    def network_daemons(self) -> tuple[str, ...] | None:
        """Those of the daemons of which there must be one."""
        if self.daemons is None or not set(self.daemons) - _HARDWARE:
            return self.daemons
        return tuple(name for name in self.daemons if name not in _HARDWARE)


def parse(text: str) -> Timesync:
    """Parse the output of the reading script.

    Raises:
        CannotAssess: it is cut.
        ValueError: it is of an unknown format.
    """
    lines, sections = _sections(complete("time", text, "@end"))
    daemons = {_NAMES.get(n, n) for n in _values(lines, "daemon ")}
    says: list[bool | None] = []
    offset: float | None = None
    sources: set[str] | None = None
    for one, gap, some in _told(_values(lines, "timesync"), sections):
        says.append(one)
        offset = gap if gap is not None else offset
        sources = sources if some is None else (sources or set()) | set(some)
    known = [each for each in says if each is not None]
    rights = _values(lines, "may ")
    bound = not rights or bool(int(rights[0], 16) & _MAY_SET_TIME)
    return Timesync(
        daemons=tuple(sorted(daemons)) if "seen" in lines else None,
        synchronized=any(known) if known else None,
        offset=offset,
        sources=None if sources is None else tuple(sorted(sources)),
        own_clock=bound and not ("container" in lines and not daemons),
        missing=tuple(_values(lines, "missing ")),
    )


_Told = tuple[bool | None, float | None, Iterable[str] | None]


def _told(timesync: Sequence[str], found: Mapping[str, Sequence[str]]) -> Iterable[_Told]:
    if "chrony" in found:
        yield (*_chrony(found["chrony"]), _chrony_sources(found.get("sources", ())))
    if timesync or "timesyncd" in found:
        # it touches a file whenever it hears from a server; old ones have no folder for it
        follows = timesync[0].strip() == "yes" if timesync else None
        yield follows, None, _timesyncd(found.get("timesyncd", ()))
    if "ntpq" in found:
        yield (*_ntpq(found["ntpq"]), _peers(found.get("peers", ())))
    if "ntpctl" in found:
        yield _ntpctl(found["ntpctl"])


def _values(lines: Iterable[str], word: str) -> list[str]:
    return [line.removeprefix(word) for line in lines if line.startswith(word)]


def _sections(text: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the lines outside of sections, and those of each section by its name."""
    outside: list[str] = []
    found: dict[str, list[str]] = {}
    current = outside
    for line in text:
        if line.startswith("@"):
            current = found.setdefault(line[1:], []) if line != "@" else outside
        else:
            current.append(line)
    return outside, found


def _chrony(lines: Sequence[str]) -> tuple[bool | None, float | None]:
    fields = lines[0].split(",") if lines else []
    if len(fields) < _FIELDS:  # a message: it cannot talk to the daemon
        return None, None
    follows = fields[_LEAP] != "Not synchronised" and not _LOCAL.fullmatch(fields[_REFERENCE])
    return follows, float(fields[_OFFSET])


def _chrony_sources(lines: Sequence[str]) -> Iterable[str] | None:
    rows = [line.split(",") for line in lines]
    if not rows or any(len(row) < 3 or len(row[0]) != 1 for row in rows):  # noqa: PLR2004
        return () if not rows else None
    return [row[2] for row in rows if row[0] in "^="]  # not a clock of this host


def _timesyncd(lines: Sequence[str]) -> Iterable[str] | None:
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    if "ServerName" not in pairs and "FallbackNTPServers" not in pairs:
        return None  # a message: there is no bus
    used = [pairs[name] for name in _TIMESYNCD_LISTS if pairs.get(name)]
    return " ".join(used or [pairs.get("FallbackNTPServers", "")]).split()


def _ntpq(lines: Sequence[str]) -> tuple[bool | None, float | None]:
    fields = dict(re.findall(r"(\w+)=(\S+?)(?:,|\s|$)", " ".join(lines)))
    if "leap" not in fields:
        return None, None
    follows = fields["leap"] not in ("11", "3") and not _LOCAL.fullmatch(fields.get("refid", ""))
    return follows, float(fields["offset"]) / 1000 if "offset" in fields else None


def _peers(lines: Sequence[str]) -> Iterable[str] | None:
    if not any(line.startswith("===") for line in lines):
        return None
    found = (_PEER.match(line) for line in lines)
    names = [match[1] for match in found if match is not None]
    return [name for name in names if not _LOCAL.fullmatch(name)]


def _ntpctl(lines: Sequence[str]) -> _Told:
    text = "\n".join(lines)
    if "clock" not in text:
        return None, None, None
    peers = [line for line in lines if line and line[0] not in " \t" and "," not in line]
    names = [line.split()[0] for line in peers if not line.startswith(("peer", "sensor"))]
    return "clock synced" in text, None, names


def read(facts: Facts) -> Timesync:
    """Ask the daemon that runs."""
    return parse(script(facts.run(_SCRIPT), "time daemon"))
