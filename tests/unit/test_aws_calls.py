"""The memory of calls: once for each, for values, errors and interruptions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from pytest_sysaudit.aws.calls import Call, Exchange, copied, key_of
from pytest_sysaudit.errors import Denied
from pytest_sysaudit.lanes import Once


def test_many_who_ask_at_once_cause_one_call():
    memo, calls, gate = Once(), [], threading.Event()

    def compute():
        gate.wait(10)
        calls.append(1)
        return len(calls)

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(memo.get, "key", compute) for _ in range(8)]
        gate.set()
        assert [job.result() for job in jobs] == [1] * 8
    assert memo.get("other", lambda: "new") == "new"


def test_an_error_is_remembered_and_does_not_grow():
    memo, calls = Once(), []

    def compute():
        calls.append(1)
        raise Denied("no")

    depths = []
    for _ in range(5):
        with pytest.raises(Denied, match="no") as error:
            memo.get("key", compute)
        depths.append(len(error.traceback))
    assert len(calls) == 1
    assert len(set(depths)) == 1


def test_what_was_interrupted_is_asked_again():
    memo = Once()

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memo.get("key", interrupted)
    assert memo.get("key", lambda: 7) == 7


def test_keys_do_not_depend_on_order():
    assert key_of("a", {"x": 1, "y": [1, 2]}) == key_of("a", {"y": [1, 2], "x": 1})
    assert key_of("a", {"y": [1, 2]}) != key_of("a", {"y": [2, 1]})
    assert key_of("a", datetime(2026, 1, 1, tzinfo=UTC))


def test_a_copy_shares_no_list_and_no_dict():
    original = {"a": [{"b": 1}], "when": datetime(2026, 1, 1, tzinfo=UTC)}
    copy = copied(original)
    assert copy == original
    copy["a"][0]["b"] = 2
    copy["a"].append(3)
    assert original["a"] == [{"b": 1}]


def test_an_exchange_is_plain_data():
    call = Call(target="payments", service="s3", operation="GetBucketPolicy", region="eu-west-1")
    exchange = Exchange(
        call=call,
        params={"Bucket": "ledger", "When": datetime(2026, 1, 1, tzinfo=UTC)},
        started=0.0,
        duration=0.5,
        error="",
        answer={"Body": b"\xff", "n": 1},
    )
    assert exchange.to_plain() == {
        "call": "s3:GetBucketPolicy",
        "region": "eu-west-1",
        "params": {"Bucket": "ledger", "When": "2026-01-01 00:00:00+00:00"},
        "started": "1970-01-01T00:00:00.000Z",
        "duration": 0.5,
        "error": "",
        "answer": {"Body": "\\xff", "n": 1},
    }
