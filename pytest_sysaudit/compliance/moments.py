"""Times as people write them in files: always with their time zone; and how long things hold."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from pytest_sysaudit.inventory.build import quoted
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.record import utc_text

_MOMENT = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?"
    r" ?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2}|[A-Za-z][A-Za-z0-9_+/-]*)?"
)
_PERIOD = re.compile(r"([1-9][0-9]{0,4}) ?([dwmy])")
_FORMS = "2027-01-31 Europe/Berlin, or 2027-01-31T18:00:00+01:00"
_DECEMBER = 12


def moment(text: str, *, end: bool) -> datetime:
    """Return the time that *text* says, in UTC.

    Args:
        text: a date, or a date and a time of day, and the time zone: ``Z``, an offset, or a name
            as ``Europe/Berlin``.
        end: whether a date alone means the end of that day; else it means its beginning.

    Raises:
        ValueError: it is no time, or says no time zone; the message has the way out.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"expected a date with its time zone, found {quoted(text)}. Write {_FORMS}"
        )
    if match["zone"] is None:
        hour = "T18:00:00" if match["time"] is None else f"T{match['time']}"
        forms = f"{match['date']} Europe/Berlin, or {match['date']}{hour}+01:00"
        raise ValueError(f"{quoted(text)} says no time zone. Write {forms}")
    try:
        local = datetime.fromisoformat(f"{match['date']}T{match['time'] or '00:00'}")
        if match["time"] is None and end:
            local += timedelta(days=1)
    except (ValueError, OverflowError):
        raise ValueError(f"{quoted(text)}: there is no such day or time") from None
    return _in_zone(local, _zone(match["zone"]), text)


def _in_zone(local: datetime, zone: tzinfo, text: str) -> datetime:
    """Return *local*, a time on the clocks of *zone*, in UTC."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        raise ValueError(
            f"{quoted(text)}: the clocks change that night, so this time is there twice or never. "
            "Write its offset, as +01:00"
        )
    try:
        return first.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{quoted(text)}: there is no such day or time") from None


def _zone(name: str) -> tzinfo:
    """Return the time zone *name*."""
    if name in ("Z", "UTC"):
        return UTC
    if name[0] in "+-":
        hours, minutes = int(name[1:3]), int(name[-2:])
        offset = timedelta(hours=hours, minutes=minutes)
        if minutes > 59 or offset >= timedelta(hours=24):  # noqa: PLR2004 - as on a clock
            raise ValueError(f"no time zone is {name} from UTC")
        return timezone(offset if name[0] == "+" else -offset)
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        known = available_timezones()
    if not known:
        raise ValueError(f"this machine knows no time zones; write the offset of {name}, as +01:00")
    hint = did_you_mean(name, sorted(known)) or " Write its offset, as +01:00"
    raise ValueError(f"unknown time zone {quoted(name)}.{hint}")


def after(start: datetime, period: str) -> datetime:
    """Return when *period* ends that begins at *start*.

    Args:
        start: in UTC.
        period: ``90d``, ``12w``, ``6m`` or ``1y``; of a month that is too short, the last day.

    Raises:
        ValueError: it is no period, or too long.
    """
    match = _PERIOD.fullmatch(period)
    if match is None:
        raise ValueError(f"expected 90d, 12w, 6m or 1y, found {quoted(period)}")
    count, unit = int(match[1]), match[2]
    try:
        if unit in "dw":
            return start + timedelta(days=count * (7 if unit == "w" else 1))
        months = start.month - 1 + count * (_DECEMBER if unit == "y" else 1)
        year, month = start.year + months // _DECEMBER, months % _DECEMBER + 1
        return start.replace(year=year, month=month, day=min(start.day, _days(year, month)))
    except (ValueError, OverflowError):
        raise ValueError(f"{quoted(period)} is too long") from None


def _days(year: int, month: int) -> int:
    import calendar

    return calendar.monthrange(year, month)[1]


def days_until(end: datetime, now: datetime) -> int:
    """Return the whole days from *now* to *end*; negative if it is over."""
    return math.floor((end - now) / timedelta(days=1))


def is_soon(end: datetime, now: datetime, days: int) -> bool:
    """Whether *end* is to come, and no more than *days* days away."""
    return now < end <= now + timedelta(days=days)


def written(moment: datetime) -> str:
    """Return *moment* as reports have it: UTC ISO 8601."""
    return utc_text(moment.timestamp())
