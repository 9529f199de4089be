"""Values of boto3 there and back, through JSON whose keys are sorted and the door for secrets."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from botocore.response import StreamingBody
from dateutil.tz import tzlocal, tzutc

from pytest_sysaudit.aws.typed import LARGEST_BODY, Whole, from_plain, to_plain, whole
from pytest_sysaudit.errors import Incomplete
from pytest_sysaudit.evidence.redact import Redactor

ROWS = {
    "nothing": None,
    "words": "ä\u2028'",
    "truth": [True, False, 0, 1, -(2**70)],
    "order": {"b": 1, "a": {"z": [], "y": {}}},
    "odd-keys": {"$datetime": "no date", "$order": 1, "x": 2},
    "numbers-as-keys": {1: "one", (2): b"two"},
    "utc": datetime(2026, 1, 2, 3, 4, 5, 600, tzutc()),
    "local": datetime(2026, 1, 2, 3, 4, 5, tzinfo=tzlocal()),
    "standard-library": datetime(2026, 1, 2, tzinfo=UTC),
    "elsewhere": datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "naive": datetime(2026, 1, 2),  # noqa: DTZ001 - boto3 may give one
    "text-bytes": b"plain",
    "bytes": b"\0\xff\xfe",
    "no-bytes": b"",
    "decimal": Decimal("1.10"),
    "float": [1.5, float("inf"), -0.0],
    "set": {"a", "b"},
    "binary-set": {b"\xff", b"a"},
}


@pytest.mark.parametrize("value", ROWS.values(), ids=ROWS)
def test_there_and_back(value):
    plain = Redactor(["planted-secret"]).plain(to_plain(value))
    found = from_plain(json.loads(json.dumps(plain, sort_keys=True, allow_nan=False)))
    assert found == value
    assert isinstance(value, set) or repr(found) == repr(value)


def test_what_boto3_never_gives_stands_as_its_text():
    assert from_plain(to_plain({"x": object})) == {"x": "<class 'object'>"}
    assert from_plain(to_plain(("a", ("b",)))) == ["a", ["b"]]
    assert str(from_plain(to_plain(float("nan")))) == "nan"


def test_a_body_is_read_once_and_can_be_read_again():
    answer = whole({"Body": StreamingBody(io.BytesIO(b"x\xff"), 2), "ContentLength": 2})
    plain = to_plain(answer)
    again = from_plain(plain)
    assert [each["Body"].read() for each in (answer, again)] == [b"x\xff"] * 2
    assert again["Body"].read() == b""
    assert isinstance(again["Body"], Whole)
    assert whole(None) is None


def test_a_body_that_is_too_large_stays_a_stream_and_is_not_kept():
    answer = whole(
        {"Body": StreamingBody(io.BytesIO(b"xy"), None), "ContentLength": LARGEST_BODY + 1}
    )
    with pytest.raises(Incomplete, match="not in the recording"):
        from_plain(to_plain(answer))
    assert answer["Body"].read(1) == b"x"


def test_pages_are_told_apart_by_digests():
    first, second = to_plain({"NextToken": "secret-1"}), to_plain({"NextToken": "secret-2"})
    assert first != second
    assert "secret" not in repr((first, second))
    assert to_plain(from_plain(first)) == first
    kept = {"SessionToken": "x", "nextToken": None}  # one is a secret, one is no page
    assert to_plain(kept) == kept


def test_content_from_which_a_secret_was_taken_is_not_whole():
    redactor = Redactor(["planted-secret"])
    plain = redactor.plain(to_plain(b"\xffplanted-secret"))
    with pytest.raises(Incomplete, match="secret"):
        from_plain(plain)
    assert b"planted" not in from_plain(redactor.plain(to_plain(b"a planted-secret")))


def test_secrets_are_found_by_the_names_of_keys():
    plain = Redactor().plain(to_plain({"Z": 1, "SecretAccessKey": "abcdefgh12345", "A": 2}))
    found = from_plain(plain)
    assert list(found) == ["Z", "SecretAccessKey", "A"]
    assert found["SecretAccessKey"] == "[redacted]"
