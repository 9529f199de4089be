"""What errors of boto3 mean for an audit: the one border between its errors and ours."""

from __future__ import annotations

import re
from typing import Any

from pytest_sysaudit.aws.operations import iam_action
from pytest_sysaudit.errors import (
    CannotAssess,
    Denied,
    Incomplete,
    LoginRefused,
    NotApplicable,
    SysauditError,
    TimedOut,
)
from pytest_sysaudit.text import first_line

#: Error codes that say the credentials have run out.
EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
#: Error codes that say the credentials are not known; a region that is switched off says so too.
UNKNOWN_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
#: Error codes that ask us to be slower.
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
#: Error codes that say the service or the region is not there for this account.
SWITCHED_OFF = frozenset(
    {"OptInRequired", "RegionDisabledException", "SubscriptionRequiredException"}
)
_DENIED = re.compile(
    r"AccessDenied|Unauthorized(Operation|Access|Exception)|Forbidden|NotAuthorized"
    r"|AuthorizationError|InsufficientPrivileges|^403$"
)
#: Names of boto3's exceptions: what fetches credentials, and what loses a connection.
_CREDENTIAL_ERRORS = frozenset(
    {
        "ConfigNotFound",
        "ConfigParseError",
        "CredentialRetrievalError",
        "InvalidConfigError",
        "LoginError",
        "MetadataRetrievalError",
        "MissingDependencyException",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "RefreshWithMFAUnsupportedError",
        "SSOError",
        "TokenRetrievalError",
        "UnknownCredentialError",
    }
)
_TIMEOUTS = frozenset({"ConnectTimeoutError", "ReadTimeoutError"})
_NO_CONNECTION = frozenset({"ConnectionError", "HTTPClientError", "IncompleteReadError"})
_PARTS = frozenset({"ChecksumError", "FlexibleChecksumError", "PaginationError"})
_OTHERS = frozenset(
    {
        "BaseEndpointResolverError",
        "ClientError",
        "EndpointProviderError",
        "ResponseParserError",
        "WaiterError",
    }
)
_SSO_ADVICE = "log in again: aws sso login --profile NAME"
_ADVICE = {
    "SSOError": _SSO_ADVICE,
    "TokenRetrievalError": _SSO_ADVICE,
    "NoAuthTokenError": _SSO_ADVICE,
    "LoginError": "log in again: aws login --profile NAME",
    "ProfileNotFound": "name a profile of ~/.aws/config in the inventory",
}
_CODE_ADVICE = {"RequestTimeTooSkewed": "set this machine's clock"}
SERVER_ERROR = 500


def explain(error: BaseException) -> SysauditError | None:
    """Return what *error* of boto3 means for a check, None if it is no error of boto3's calls.

    An error that tells nothing about compliance comes back as a `CannotAssess`, or as
    `NotApplicable` where AWS says that the service or region is switched off for the account.
    Errors of a check itself, as a parameter that does not exist, are None. Raise the result
    ``from`` *error*.
    """
    reason = getattr(error, "audit_reason", None)
    if isinstance(reason, SysauditError):
        return type(reason)(str(reason))
    names = _names(error)
    if not names:
        return None
    where = place_of(error)
    if "ClientError" in names:
        return _explain_answer(error, where)
    return _explain_silence(error, names, f"{where}{first_line(str(error))}")


def _explain_silence(
    error: BaseException, names: frozenset[str], text: str
) -> SysauditError | None:
    """Return what an error that boto3 raised without an answer of AWS means."""
    if names & _CREDENTIAL_ERRORS:
        return LoginRefused(f"{text} ({way_in(error)})")
    if names & _TIMEOUTS:
        return TimedOut(text)
    if names & _NO_CONNECTION:
        # Not ConnectionLost: that one endpoint of many is away does not end the account's audit.
        return CannotAssess(f"{text} (no connection)")
    if names & _PARTS:
        return Incomplete(text)
    return CannotAssess(text) if names & _OTHERS else None


def _explain_answer(error: Any, where: str) -> SysauditError:
    """Return what an error that AWS answered with means."""
    code, status = code_of(error), status_of(error)
    text = f"{where}{code or status}: {first_line(message_of(error))}"
    if code in EXPIRED or code in UNKNOWN_CREDENTIALS:
        return LoginRefused(f"{text} ({way_in(error)})")
    if code in THROTTLED:
        return CannotAssess(f"{text} (AWS throttled it until all attempts were used up)")
    if code in SWITCHED_OFF:
        return NotApplicable(text)
    if _DENIED.search(code) or status == 403:  # noqa: PLR2004 - HTTP's number
        return _explain_denial(error, text)
    if status >= SERVER_ERROR:
        return CannotAssess(f"{text} (the service failed)")
    return CannotAssess(text)


def _explain_denial(error: Any, text: str) -> CannotAssess:
    call = getattr(error, "audit_call", None)
    if error.operation_name.startswith("AssumeRole"):
        return LoginRefused(
            f"{text} (the role's trust policy must name who we are, and its external id, if it "
            "asks for one, is external_id in the inventory)"
        )
    needed = iam_action(call.service, call.operation) if call else f"*:{error.operation_name}"
    return Denied(f"{text} (it needs the permission {needed})")


def _names(error: BaseException) -> frozenset[str]:
    """Return the names of boto3's classes that *error* is an instance of."""
    ours = ("boto3", "botocore", "s3transfer")
    kinds = type(error).__mro__
    return frozenset(k.__name__ for k in kinds if k.__module__.partition(".")[0] in ours)


def place_of(error: BaseException) -> str:
    """Return ``target: service:Operation in region: ``, as much of it as is known."""
    call = getattr(error, "audit_call", None)
    if call is not None:
        return f"{call}: "
    operation = getattr(error, "operation_name", "")
    return f"{operation}: " if operation else ""


def code_of(error: BaseException) -> str:
    """Return AWS's error code, "" if *error* is not an answer of AWS."""
    return str(_response(error).get("Error", {}).get("Code", ""))


def message_of(error: BaseException) -> str:
    """Return AWS's own words, else those of *error*."""
    return str(_response(error).get("Error", {}).get("Message") or error)


def status_of(error: BaseException) -> int:
    """Return the HTTP status of AWS's answer, 0 if it is not known."""
    return int(_response(error).get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def _response(error: BaseException) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return response if isinstance(response, dict) else {}


def way_in(error: BaseException) -> str:
    """Return what a user can do to get credentials that work."""
    code = code_of(error)
    if code in EXPIRED:
        return "they have run out: get new ones, or use a profile or role_arn that renews itself"
    if code:
        return _CODE_ADVICE.get(code, "check the keys and the profile that the inventory names")
    advice = (text for name, text in _ADVICE.items() if name in _names(error))
    return next(advice, "set profile in the inventory, or AWS_PROFILE, or log in: aws sso login")
