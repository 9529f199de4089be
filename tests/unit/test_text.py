"""Words of messages."""

from __future__ import annotations

from pytest_sysaudit.text import listed


def test_a_list_is_cut_and_says_how_long_it_is():
    assert listed(["a", 2, "b\nc\x1b[1m"]) == "a, 2, b\\nc"
    assert listed(range(5), most=2) == "0, 1 and 3 more (5 in all)"
    assert listed([]) == ""
