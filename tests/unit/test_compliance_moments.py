"""Times with their zones, and how long things hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pytest_sysaudit.compliance.moments import after, days_until, is_soon, moment, written


@pytest.mark.parametrize(
    ("text", "end", "expected"),
    [
        ("2027-01-31T00:00:00+01:00", True, "2027-01-30T23:00"),
        ("2027-01-31T18:00:00Z", True, "2027-01-31T18:00"),
        ("2027-01-31 18:00 Z", True, "2027-01-31T18:00"),
        ("2027-01-31T18:00-0500", True, "2027-01-31T23:00"),
        ("2027-01-31 Europe/Berlin", True, "2027-01-31T23:00"),
        ("2027-01-31 Europe/Berlin", False, "2027-01-30T23:00"),
        ("2027-07-31 Europe/Berlin", True, "2027-07-31T22:00"),
        ("2027-01-31 UTC", True, "2027-02-01T00:00"),
        ("2027-01-31+05:30", False, "2027-01-30T18:30"),
        ("2027-01-31T12:00 America/New_York", True, "2027-01-31T17:00"),
    ],
)
def test_a_time_with_its_zone(text, end, expected):
    assert moment(text, end=end) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2027-01-31", "says no time zone. Write 2027-01-31 Europe/Berlin, or 2027-01-31T18:00:00"),
        ("2027-01-31T09:30", "or 2027-01-31T09:30+01:00"),
        ("next year", "expected a date with its time zone, found 'next year'. Write 2027-01-31 "),
        ("31.01.2027 UTC", "expected a date with its time zone"),
        ("2027-02-30 UTC", "there is no such day or time"),
        ("2027-01-31T25:00Z", "there is no such day or time"),
        ("9999-12-31 UTC", "there is no such day or time"),
        ("0001-01-01T00:00+14:00", "there is no such day or time"),
        ("2027-01-31 Europe/Berlni", "unknown time zone 'Europe/Berlni'. Did you mean 'Europe/"),
        ("2027-01-31 Europe", "unknown time zone 'Europe'"),
        ("2027-01-31 +25:00", "no time zone is +25:00 from UTC"),
        ("2027-01-31 +01:75", "no time zone is +01:75 from UTC"),
        ("2027-03-28T02:30 Europe/Berlin", "the clocks change that night"),
        ("2026-10-25T02:30 Europe/Berlin", "the clocks change that night"),
    ],
)
def test_what_is_no_time_says_the_way_out(text, said):
    with pytest.raises(ValueError) as caught:
        moment(text, end=True)
    assert said in str(caught.value)


def test_without_a_data_base_of_time_zones_offsets_still_work(monkeypatch):
    import zoneinfo

    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(ValueError, match="knows no time zones; write the offset"):
        moment("2027-01-31 Mars/Olympus", end=True)


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("90d", "2026-05-01"), ("12w", "2026-04-25"), ("1m", "2026-02-28"), ("6m", "2026-07-31"),
        ("1y", "2027-01-31"), ("13m", "2027-02-28"), ("11m", "2026-12-31"),
    ],
)  # fmt: skip
def test_periods(period, expected):
    start = datetime(2026, 1, 31, 9, tzinfo=UTC)
    assert after(start, period).isoformat() == f"{expected}T09:00:00+00:00"


@pytest.mark.parametrize("period", ["90", "d", "0d", "-1d", "1.5y", "yearly", "99999y", "1D"])
def test_what_is_no_period(period):
    with pytest.raises(ValueError, match=r"expected 90d, 12w, 6m or 1y|is too long"):
        after(datetime(2026, 1, 31, tzinfo=UTC), period)


def test_whole_days_are_counted_from_now():
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    ends = [now + timedelta(hours=hours) for hours in (-25, -1, 0, 1, 24, 24 * 30, 24 * 30 + 1)]
    assert [days_until(end, now) for end in ends] == [-2, -1, 0, 0, 1, 30, 30]
    soon = [is_soon(end, now, 30) for end in ends]
    assert soon == [False, False, False, True, True, True, False]
    assert written(now) == "2026-11-23T12:00:00.000Z"
