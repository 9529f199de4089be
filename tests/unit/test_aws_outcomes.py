"""What errors of boto3 mean: one row an error, as boto3 itself raises them."""

from __future__ import annotations

import botocore.exceptions as boto
import pytest
from botocore.parsers import ResponseParserError

from pytest_sysaudit.aws.calls import Call
from pytest_sysaudit.aws.outcomes import explain
from pytest_sysaudit.errors import (
    CannotAssess,
    Denied,
    Incomplete,
    LoginRefused,
    NotApplicable,
    TimedOut,
)

CALL = Call(target="payments", service="ec2", operation="DescribeVpcs", region="eu-west-1")


def answer(code, status=400, operation="DescribeVpcs", message="words"):
    body = {"Error": {"Code": code, "Message": message}}
    body["ResponseMetadata"] = {"HTTPStatusCode": status}
    return boto.ClientError(body, operation)


ANSWERS = [
    ("UnauthorizedOperation", 403, Denied),
    ("AccessDenied", 403, Denied),
    ("AccessDeniedException", 400, Denied),
    ("NotAuthorizedException", 400, Denied),
    ("403", 403, Denied),
    ("Strange", 403, Denied),
    ("Throttling", 400, CannotAssess),
    ("RequestLimitExceeded", 503, CannotAssess),
    ("SlowDown", 503, CannotAssess),
    ("ExpiredToken", 400, LoginRefused),
    ("ExpiredTokenException", 403, LoginRefused),
    ("InvalidClientTokenId", 403, LoginRefused),
    ("UnrecognizedClientException", 400, LoginRefused),
    ("AuthFailure", 401, LoginRefused),
    ("RequestTimeTooSkewed", 403, LoginRefused),
    ("OptInRequired", 403, NotApplicable),
    ("SubscriptionRequiredException", 400, NotApplicable),
    ("InternalFailure", 500, CannotAssess),
    ("ServiceUnavailable", 503, CannotAssess),
    ("NoSuchBucketPolicy", 404, CannotAssess),
    ("404", 404, CannotAssess),
    ("ValidationError", 400, CannotAssess),
]


@pytest.mark.parametrize(("code", "status", "kind"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_what_aws_answers(code, status, kind):
    error = answer(code, status)
    error.audit_call = CALL
    explained = explain(error)
    assert type(explained) is kind
    assert str(explained).startswith(f"payments: ec2:DescribeVpcs in eu-west-1: {code}: words")


SILENCE = [
    (boto.NoCredentialsError(), LoginRefused, "aws sso login"),
    (boto.PartialCredentialsError(provider="env", cred_var="x"), LoginRefused, "aws sso login"),
    (boto.ProfileNotFound(profile="nope"), LoginRefused, "~/.aws/config"),
    (boto.UnauthorizedSSOTokenError(), LoginRefused, "aws sso login"),
    (boto.SSOTokenLoadError(error_msg="x"), LoginRefused, "aws sso login"),
    (boto.TokenRetrievalError(provider="sso", error_msg="x"), LoginRefused, "aws sso login"),
    (boto.CredentialRetrievalError(provider="p", error_msg="x"), LoginRefused, "x"),
    (boto.ConnectTimeoutError(endpoint_url="http://e"), TimedOut, "http://e"),
    (boto.ReadTimeoutError(endpoint_url="http://e"), TimedOut, "http://e"),
    (boto.EndpointConnectionError(endpoint_url="http://e"), CannotAssess, "no connection"),
    (boto.ConnectionClosedError(endpoint_url="http://e"), CannotAssess, "no connection"),
    (boto.SSLError(endpoint_url="https://e", error="bad"), CannotAssess, "no connection"),
    (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), CannotAssess, "no connection"),
    (boto.PaginationError(message="same token"), Incomplete, "same token"),
    (boto.NoRegionError(), CannotAssess, "region"),
    (boto.WaiterError(name="w", reason="r", last_response={}), CannotAssess, "r"),
    (ResponseParserError("no XML"), CannotAssess, "no XML"),
]


@pytest.mark.parametrize(
    ("error", "kind", "text"), SILENCE, ids=[type(row[0]).__name__ for row in SILENCE]
)
def test_what_boto3_raises_without_an_answer(error, kind, text):
    explained = explain(error)
    assert type(explained) is kind
    assert text in str(explained)


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("no"),
        ValueError("no"),
        ConnectionError("python's own"),
        CannotAssess("ours"),
        boto.ParamValidationError(report="a mistake of the check"),
        boto.UnknownServiceError(service_name="s4", known_service_names=""),
        boto.StubAssertionError(operation_name="o", reason="r"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_of_a_call_is_left_alone(error):
    assert explain(error) is None


def test_a_denial_names_the_permission_even_without_a_place():
    assert "permission *:DescribeVpcs" in str(explain(answer("AccessDenied")))


def test_a_refused_role_is_a_login():
    explained = explain(answer("AccessDenied", 403, "AssumeRole"))
    assert type(explained) is LoginRefused
    assert "external_id" in str(explained)


def test_what_the_session_found_out_about_an_error_wins():
    error = answer("AuthFailure")
    error.audit_reason = NotApplicable("region is off")
    assert type(explain(error)) is NotApplicable
    assert str(explain(error)) == "region is off"


def test_an_answer_without_a_code_has_its_status():
    error = boto.ClientError({"ResponseMetadata": {"HTTPStatusCode": 502}}, "ListBuckets")
    assert str(explain(error)).startswith("ListBuckets: 502: ")
