"""What was logged lately: lines of the journal, or of the files that syslog writes."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.facts.keyed import KeyedTable
from pytest_sysaudit.facts.outcome import Failure
from pytest_sysaudit.facts.reading import ABSENT, ROOT_ONLY, complete, script
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import CommandResult, Script

MOST = 20_000
"""How many lines of the journal are looked at, the newest ones."""
BYTES = 4_000_000
"""How much of the end of each file is looked at."""
_LONGEST = 1000
_KEY = re.compile(r"(\d{1,4}) (security|all)")
#: Messages of the kernel and about logins: the journal finds them by their fields.
_MATCHES = "_TRANSPORT=kernel + SYSLOG_FACILITY=4 + SYSLOG_FACILITY=10"
#: The same in files that hold all messages: by facility, as busybox writes it, or by program.
_WORDS = (
    r" kernel: | (kern|auth|authpriv)\.[a-z]+ "
    r"| (sshd|sshd-session|dropbear|sudo|su|login)(\[[0-9]+\])?: "
)
#: Sessions that begin and end are most of what is logged on a quiet host.
_NOISE = r"pam_unix\([^)]*\): session (opened|closed) for"
#: Journals that we may not read are left out by journalctl without a word. One that only lives in
#: memory does not go back beyond the last start, so files come before it. The file that was rotated
#: last may hold the beginning of the time that we look at; of a long one, only the end is read.
_SCRIPT = r"""disk= memory= hidden=
for f in /var/log/journal/*/system.journal /run/log/journal/*/system.journal; do
  [ -e "$f" ] || continue
  if [ ! -r "$f" ]; then hidden=1
  else case $f in /run/log/*) memory=1 ;; *) disk=1 ;; esac
  fi
done
set --
cd /var/log || exit
auth= kern= files= older=
if [ -z "$disk" ]; then
  for b in auth.log secure kern.log syslog messages; do
    [ -f $b ] || continue
    case $b in
      kern.log) [ SCOPE = security ] || continue; kern=1 ;;
      syslog|messages) [ SCOPE = all ] || [ -z "$auth" ] || [ -z "$kern" ] || continue ;;
      *) auth=1 ;;
    esac
    [ -r $b ] || hidden=1
    old= count=0
    for f in $b.1 $b-[0-9]* $b.[2-9]*; do
      [ -f "$f" ] || continue
      count=$((count + 1))
      case $f in *.gz|*.xz|*.zst|*.bz2|*.[2-9]) ;; *) old=$f ;; esac
    done
    files="$files $old $b"
    [ $count -lt 2 ] || older="$older ${old:-$b}"
  done
fi
[ -z "$hidden" ] || exit ROOT_ONLY
[ -n "$disk$memory$files" ] || exit ABSENT
date '+@now %s %z' || exit
if [ -z "$files" ]; then
  command -v journalctl >/dev/null || { echo "journalctl is not there" >&2; exit 1; }
  { journalctl -q --no-pager -o short-unix --since=-HOURSh -n MOST MATCHES; echo "@code $?"; } |
  awk '/^@code /{print; next} {n++} /NOISE/{next} {print "l " substr($0, 1, LONGEST)}
END {print "@lines", n + 0}' || exit
fi
for f in $older; do printf '@older %s\n' "$f"; done
for f in $files; do
  words=
  case $f in syslog*|messages*) [ SCOPE = all ] || words=1 ;; esac
  printf '@file %s\n' "$f"
  { tail -c BYTES "$f" || echo "@code $?"; } | awk -v words="$words" '/^@code /{print; next}
{n += length($0) + 1} NR == 2 {print "@first " substr($0, 1, 100)}
/NOISE/{next} words != "" && !/WORDS/{next} {print "l " substr($0, 1, LONGEST)}
END {print "@bytes", n + 0}' || exit
done
echo @end"""
_SHORT_UNIX = re.compile(r"(\d+\.\d+) \S+ (.*)")
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+(?:[+-]\d\d:?\d\d|Z)) \S+ (.*)")
_OLD = re.compile(r"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) \S+ (.*)")
_FACILITY = re.compile(r"[a-z0-9]+\.[a-z]+ ")
_WHO = re.compile(r"([^\s:\[]+)(?:\[\d+\])?: ?(.*)")
_REPEATED = re.compile(r"message repeated (\d+) times?(?:: \[ ?(.*?)\]?)?$")
_DAY = 86400


@dataclass(frozen=True, slots=True)
class LogLine:
    """One message.

    Attributes:
        when: seconds since the epoch; None: the line does not say.
        text: program, colon, message: ``sshd: Failed password for ...``.
        count: how often it came.
    """

    when: float | None
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class LogLines:
    """What was logged in the last hours.

    Attributes:
        lines: the messages, in the order of each source.
        sources: ``journal``, or names of files below /var/log.
        cut: what was too long to be read to its beginning.
    """

    lines: tuple[LogLine, ...]
    sources: tuple[str, ...]
    cut: tuple[str, ...] = ()


class RecentLines(KeyedTable[LogLines]):
    """``facts.log_lines["24 security"]``: hours, and what: ``security`` or ``all``.

    ``security`` is what the kernel says, and what is said about logins.
    """

    NAME = "log_lines"
    BATCH = 1

    @classmethod
    def command(cls, keys: Sequence[str]) -> Script:
        """Return the script that prints the lines."""
        match = _KEY.fullmatch(keys[0])
        if match is None:
            return Script("echo 'the key must be as: 24 security' >&2; exit 1")
        hours, scope = match.groups()
        values = {
            "ROOT_ONLY": str(ROOT_ONLY),
            "ABSENT": str(ABSENT),
            "SCOPE": scope,
            "HOURS": hours,
            "MATCHES": _MATCHES if scope == "security" else "",
            "MOST": str(MOST),
            "NOISE": _NOISE,
            "WORDS": _WORDS,
            "LONGEST": str(_LONGEST),
            "BYTES": str(BYTES),
        }
        text = re.sub("|".join(values), lambda found: values[found[0]], _SCRIPT)
        return Script(text)

    @classmethod
    def parse(cls, keys: Sequence[str], result: CommandResult) -> Mapping[str, LogLines | Failure]:
        """Parse its output.

        Raises:
            NotApplicable: this host keeps no log.
            Denied: we may not read one of them.
        """
        text = script(result, "log (journal, syslog)")
        hours = int(keys[0].split()[0])
        lines = complete("log_lines", text, "@end")
        _, now, zone = lines[0].split()
        clock = _Clock(int(now), _seconds(zone), int(now) - hours * 3600)
        if "ignoring" in result.err:  # journalctl on a file that is broken
            raise Incomplete(f"log_lines: {first_line(result.err)}")
        return {keys[0]: _read(lines[1:], clock)}


def _seconds(zone: str) -> int:
    """Return ``+0130`` as seconds."""
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60)


@dataclass(frozen=True, slots=True)
class _Clock:
    """The host's time, how far its zone is ahead, and since when we look at lines."""

    now: int
    zone: int
    since: int

    def when(self, line: str) -> tuple[float | None, str]:
        """Return when *line* was written, and what else it says but the host."""
        match = _SHORT_UNIX.match(line)
        if match is not None:
            return float(match[1]), match[2]
        match = _ISO.match(line)
        if match is not None:
            return datetime.fromisoformat(match[1]).timestamp(), match[2]
        match = _OLD.match(line)
        if match is not None:
            return self._without_year(match[1]), match[2]
        return None, line

    def _without_year(self, text: str) -> float:
        """Return the time in the last year that *text* means; clocks may differ by a day."""
        year = time.gmtime(self.now + _DAY).tm_year
        for each in (year, year - 1, year - 2, year - 3, year - 4):  # 29 February
            try:
                parts = time.strptime(f"{each} {text}", "%Y %b %d %H:%M:%S")
            except ValueError:
                continue
            found = calendar.timegm(parts) - self.zone
            if found <= self.now + _DAY:
                return found
        raise ValueError("no date")


class _Reader:
    """Goes through what was printed, source by source."""

    def __init__(self, clock: _Clock) -> None:
        self.lines: list[LogLine] = []
        self.sources: list[str] = []
        self.cut: list[str] = []
        self._clock = clock
        self._older: set[str] = set()
        self._first: float | None = None

    def see(self, word: str, rest: str) -> None:
        """Take one line, which begins with *word*."""
        if word == "l":
            self.lines += _line(rest, self._clock, self.lines[-1] if self.lines else None)
        elif word == "@code":
            self._code(rest)
        elif word == "@file":
            self._first = None
            self.sources.append(rest)
        elif word == "@first":
            self._first = self._clock.when(rest)[0]
        elif word == "@older":
            self._older.add(rest)
        elif word == "@bytes":
            self._ends(int(rest))
        elif word == "@lines":
            self.sources.append("journal")
            self.cut += ["journal"] if int(rest) >= MOST else []
        else:
            raise ValueError("not a line about logs")

    def _code(self, code: str) -> None:
        if code != "0":
            source = self.sources[-1] if self.sources else "the journal"
            raise Incomplete(f"log_lines: reading {source} ended with {code}")

    def _ends(self, size: int) -> None:
        """Note the end of a file: whether it, or one that we did not read, goes further back."""
        source = self.sources[-1]
        more = size >= BYTES - _LONGEST or source in self._older
        if more and (self._first is None or self._first > self._clock.since):
            self.cut.append(source)


def _read(lines: Sequence[str], clock: _Clock) -> LogLines:
    reader = _Reader(clock)
    for line in lines:
        word, _, rest = line.partition(" ")
        reader.see(word, rest)
    if not reader.sources:
        raise ValueError("no source")
    return LogLines(tuple(reader.lines), tuple(reader.sources), tuple(reader.cut))


def _line(line: str, clock: _Clock, before: LogLine | None) -> Iterator[LogLine]:
    """Yield what *line* says, if it is not too old; a line without a time belongs to *before*."""
    when, rest = clock.when(line)
    if when is None:
        when = before.when if before is not None else None
    elif when < clock.since:
        return
    facility = _FACILITY.match(rest)
    if facility is not None:
        rest = rest[facility.end() :]
    match = _WHO.match(rest)
    who, text = (match[1], match[2]) if match is not None else ("", rest)
    repeated = _REPEATED.search(text if match is not None else rest)
    if repeated is None:
        yield LogLine(when, f"{who}: {text}" if who else text)
    elif repeated[2] is not None:
        yield LogLine(when, f"{who}: {repeated[2].strip()}", int(repeated[1]))
    elif before is not None:
        yield replace(before, when=when, count=int(repeated[1]))
