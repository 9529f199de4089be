"""Times that others wrote into a json report: the same wherever it is converted, never a fault."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from lab.report_sample import RUN, controls, results, targets

from pytest_sysaudit.reports import WRITERS, document, write
from pytest_sysaudit.reports.html_data import milliseconds
from pytest_sysaudit.reports.telling import seconds_of
from pytest_sysaudit.reports.xccdf_names import time_of


@pytest.fixture(params=["UTC", "America/New_York"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("text", "seconds", "xsd"),
    [
        ("2026-11-23T08:00:00.000Z", 1_795_420_800, "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T08:00:00", 1_795_420_800, "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T09:00:00+01:00", 1_795_420_800, "2026-11-23T08:00:00.000Z"),
        ("2026-11-23", 1_795_392_000, "2026-11-23T00:00:00.000Z"),
        ("9999-12-31T23:59:59", 253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ("0001-01-01T00:00:00+12:00", None, "1970-01-01T00:00:00Z"),
        ("soon", None, "1970-01-01T00:00:00Z"),
        ("", None, "1970-01-01T00:00:00Z"),
        (None, None, "1970-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_the_same_everywhere(text, seconds, xsd):
    assert seconds_of(text) == (seconds or 0)
    assert milliseconds(text) == (None if seconds is None else seconds * 1000)
    assert time_of(text) == xsd


@pytest.mark.parametrize("name", sorted(WRITERS))
@pytest.mark.parametrize("odd", ["9999-12-31T23:59:59.999", "0001-01-01T00:00:00+12:00", "soon"])
def test_every_format_can_be_made_of_odd_times(tmp_path, name, odd):
    rows = [replace(result, started=odd, duration=1e9) for result in results()[:3]]
    made = document.build({**RUN, "started": odd, "ended": odd}, targets(), controls(), rows)
    write(name, made, tmp_path / name)
    assert (tmp_path / name).stat().st_size
