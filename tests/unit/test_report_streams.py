"""JSON in pieces is the JSON of the whole, whatever its texts hold; keys of results."""

from __future__ import annotations

import json

import pytest
from lab.report_sample import HOSTILE, NASTY

from pytest_sysaudit.reports.streams import Items, Members, compact, pieces
from pytest_sysaudit.reports.telling import keyed, seconds_of


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ({"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
        (Items([]), []),
        (Items(iter([1, {"a": 2}])), [1, {"a": 2}]),
        (Members([]), {}),
        (Members([("a", Items([])), ("b", 1)]), {"a": [], "b": 1}),
        (Members([("a", Items([], optional=True)), ("b", 1)]), {"b": 1}),
        (Members([("a", Items([3, 4], optional=True))]), {"a": [3, 4]}),
        (Items([Members([("a", Items([Members([("b", 0)])]))])]), [{"a": [{"b": 0}]}]),
    ],
)
def test_pieces_are_the_whole(value, same):
    assert json.loads(b"".join(pieces(value))) == same


@pytest.mark.parametrize("text", ["a", HOSTILE, "é 漢", "\n\t", "\\b \\u0007", "\u200d", "\u2028"])
def test_text_comes_back(text):
    assert json.loads(compact({"a": text})) == {"a": text}


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ("\x07", "\\x07"),
        ("\x08\x0c", "\\x08\\x0c"),
        ("\ud83d", "\\ud83d"),
        ("\u202ex", "\\u202ex"),
        (float("nan"), "nan"),
        ({"a": (1, float("inf"))}, {"a": [1, "inf"]}),
    ],
)
def test_what_no_reader_wants_is_made_printable(value, same):
    assert json.loads(compact(value)) == same


def test_one_record_is_one_line():
    assert compact({"a": NASTY}).count(b"\n") == 0


def row(**more):
    return {"control": "a", "target": "b", "params": {}, "resource": "", **more}


def test_keys_differ_by_what_a_row_is_about():
    rows = [row(), row(control="x"), row(target="x"), row(params={"a": "1"}), row(resource="x")]
    keys = [key for key, _ in keyed(rows)]
    assert len(set(keys)) == len(rows)
    assert keys[0] == next(keyed([row(message="other", check="moved")]))[0]


def test_rows_about_the_same_thing_have_keys_of_their_own():
    keys = [key for key, _ in keyed([row(), row(), row()])]
    assert len(set(keys)) == 3
    assert keys == [key for key, _ in keyed([row(), row(), row()])]


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("1970-01-01T00:00:01.500Z", 1.5), ("", 0.0), ("soon", 0.0), (None, 0.0)],
)
def test_seconds(time, seconds):
    assert seconds_of(time) == seconds
