"""Errors of boto3 and of HTTP there and back: a check, and `explain`, cannot tell them apart."""

from __future__ import annotations

import json

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from pytest_sysaudit.aws.calls import Call
from pytest_sysaudit.aws.outcomes import explain
from pytest_sysaudit.aws.recording import CallRecorder, told_again
from pytest_sysaudit.errors import (
    CannotAssess,
    ConnectionLost,
    Denied,
    Incomplete,
    TimedOut,
    Unreachable,
)
from pytest_sysaudit.evidence.observation import Stored
from pytest_sysaudit.evidence.trail import collected
from pytest_sysaudit.http import failures
from pytest_sysaudit.http.failures import NotListening, TlsFailed, Untrusted
from pytest_sysaudit.http.trust import Trust

CALL = Call(target="payments", service="s3", operation="GetBucketPolicy", region="eu-west-1")


class Exceptions:
    """As a client's: codes of its service have classes of their own."""

    class NoSuchBucketPolicy(boto.ClientError):
        pass

    def from_code(self, code):
        return {"NoSuchBucketPolicy": self.NoSuchBucketPolicy}.get(code, boto.ClientError)


class Client:
    exceptions = Exceptions()


class Journal:
    def note(self, seen):
        self.seen = seen


def answered(code, status=403, **more):
    response = {"Error": {"Code": code, "Message": f"no {code}", **more},
                "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 2}}  # fmt: skip
    kind = Client.exceptions.from_code(code)
    return kind(response, CALL.operation)


def stored(failure, /, **changes):
    """What a recording holds of *failure*, read from its JSON."""
    journal = Journal()
    CallRecorder(journal, "payments").begin(CALL, {})(failure, None)
    seen = journal.seen
    parts = {} if seen.value is None else {"value": json.dumps(seen.value, sort_keys=True).encode()}
    given = {"answer": seen.answer, "error": seen.error, "parts": parts, **changes}
    return Stored(kind="api", target="payments", asked={}, started=0.0, id="0" * 16, **given)


BOTO = {
    "denied": answered("AccessDenied"),
    "no-such-thing": answered("NoSuchBucketPolicy", 404),
    "throttled": answered("Throttling", 400),
    "expired": answered("ExpiredToken", 400),
    "more-in-it": answered("Odd", 400, Resource="/x", BucketName="b"),
    "endpoint": boto.EndpointConnectionError(endpoint_url="https://x", error="refused"),
    "read-timeout": boto.ReadTimeoutError(endpoint_url="https://x", error=OSError("slow")),
    "connect-timeout": boto.ConnectTimeoutError(endpoint_url="https://x"),
    "ssl": boto.SSLError(endpoint_url="https://x", error="bad"),
    "lost": boto.ConnectionClosedError(endpoint_url="https://x", request=object()),
    "client": boto.HTTPClientError(error="odd"),
    "credentials": boto.NoCredentialsError(),
    "parameters": boto.ParamValidationError(report="unknown parameter"),
    "parser": ResponseParserError("no XML"),
    "value": ValueError("Invalid endpoint: x"),
    "key": KeyError("x"),
    "os": OSError(2, "No such file"),
    "ours": Denied("payments: no"),
    "ours-with-more": ConnectionLost("gone", final=False),
}


@pytest.mark.parametrize("error", BOTO.values(), ids=BOTO)
def test_errors_of_boto3(error):
    with pytest.raises(type(error)) as caught:
        told_again(stored(error), Client, str(CALL))
    again = caught.value
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert getattr(again, "response", None) == getattr(error, "response", None)
    assert getattr(again, "final", None) == getattr(error, "final", None)
    for each in (error, again):
        each.audit_call = CALL
    told = [explain(each) for each in (error, again)]
    assert [type(each) for each in told] == [type(told[0])] * 2
    assert str(told[0]) == str(told[1])


def test_what_is_not_there_is_an_answer_and_no_failure():
    assert stored(BOTO["no-such-thing"]).error is None
    assert stored(answered("404", 404)).error is None
    assert stored(BOTO["no-such-thing"]).answer["code"] == "NoSuchBucketPolicy"
    assert stored(BOTO["denied"]).error["message"] == str(BOTO["denied"])


def test_an_answer_whose_body_was_not_kept_is_incomplete_and_its_reader_is_known():
    value = {"answer": {"Body": {"$left_out": None}}}
    known = stored(Foreign("x"), parts={"value": json.dumps(value).encode()})
    with collected() as trail, pytest.raises(Incomplete, match=r"payments: s3:Get.*: its body"):
        told_again(known, Client, str(CALL))
    assert trail.redacted


class Foreign(Exception):  # noqa: N818 - a check may name it so
    pass


def test_classes_that_are_not_boto3s_are_not_looked_for():
    with pytest.raises(CannotAssess, match="Foreign: odd"):
        told_again(stored(Foreign("odd")), Client, str(CALL))
    value = {"raised": ["os", "system"], "message": "x", "settings": {}}
    planted = stored(Foreign("x"), parts={"value": json.dumps(value).encode()})
    with pytest.raises(CannotAssess, match="system: x"):
        told_again(planted, Client, str(CALL))
    value["raised"] = ["builtins", "SystemExit"]
    planted = stored(Foreign("x"), parts={"value": json.dumps(value).encode()})
    with pytest.raises(CannotAssess, match="SystemExit: x"):
        told_again(planted, Client, str(CALL))


def test_an_answer_that_was_cut_is_incomplete():
    with (
        collected() as trail,
        pytest.raises(Incomplete, match=r"payments: s3:GetBucketPolicy .* only a part"),
    ):
        told_again(stored(BOTO["denied"], cut=("value",)), Client, str(CALL))
    assert trail.redacted
    with pytest.raises(CannotAssess, match="no answer"):
        told_again(stored(BOTO["denied"], parts={}, error=None), Client, str(CALL))


HTTP = [
    Untrusted("shop:443", Trust(verified=False, code=10, reason="expired", detail="has expired")),
    TlsFailed("shop:443: no version in common"),
    NotListening("shop:80: refused"),
    TimedOut("too late"),
    Unreachable("gone"),
    ConnectionLost("broke off"),
    Incomplete("half"),
    CannotAssess("odd"),
]


@pytest.mark.parametrize("error", HTTP, ids=[type(error).__name__ for error in HTTP])
def test_errors_of_http(error):
    again = failures.from_plain(json.loads(json.dumps(failures.to_plain(error))))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert getattr(again, "trust", None) == getattr(error, "trust", None)
    assert getattr(again, "place", None) == getattr(error, "place", None)
