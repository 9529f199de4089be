"""Words of messages, and times."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

import pytest

from pytest_sysaudit.record import utc_text
from pytest_sysaudit.text import listed


def test_a_list_is_cut_and_says_how_long_it_is():
    assert listed(["a", 2, "b\nc\x1b[1m"]) == "a, 2, b\\nc"
    assert listed(range(5), most=2) == "0, 1 and 3 more (5 in all)"
    assert listed([]) == ""


@pytest.mark.parametrize("start", [0, 1764187200, 4102444799, -86400])
def test_a_time_is_what_datetime_says_of_it(start):
    chance = random.Random(start)
    rests = [0, 0.5, 0.9995, 0.9999995, 0.99999949, 0.0005, 0.0000005, math.nextafter(1, 0)]
    rests += [chance.random() for _ in range(500)]
    rests += [(chance.randrange(10**6) + 0.5) / 1e6 for _ in range(500)]
    for seconds in [start, *(start + rest for rest in rests)]:
        told = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
        assert utc_text(seconds) == told.replace("+00:00", "Z"), seconds
