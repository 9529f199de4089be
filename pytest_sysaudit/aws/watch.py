"""What a session learns from its calls: what is dead is not asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from pytest_sysaudit.aws.calls import Call, Exchange
from pytest_sysaudit.aws.outcomes import (
    EXPIRED,
    UNKNOWN_CREDENTIALS,
    code_of,
    explain,
    message_of,
)
from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable, SysauditError
from pytest_sysaudit.text import first_line

OnCall = Callable[[Exchange], None]
_UNREACHABLE = (EndpointConnectionError, ConnectTimeoutError, SSLError, ProxyConnectionError)
_WHOLE_ACCOUNT = ""


class Watch:
    """Stands beside every call of one session's clients.

    Args:
        session: the `AwsSession`; asked again whether its credentials are good.
        on_call: is told of every call that was made.
    """

    def __init__(self, session: Any, on_call: OnCall | None) -> None:
        self._session = session
        self._on_call = on_call
        self._dead: dict[str, SysauditError] = {}

    def before(self, call: Call) -> None:
        """Raise again what made the account, or this endpoint, unusable before."""
        if not self._dead:
            return
        for place in (_WHOLE_ACCOUNT, call.endpoint()):
            if (reason := self._dead.get(place)) is not None:
                raise type(reason)(str(reason))

    def after(self, call: Call, error: Exception) -> None:
        """Remember what makes further calls useless, so that they are not made."""
        reason, code = explain(error), code_of(error)
        if reason is None or isinstance(error, SysauditError):
            return
        if isinstance(error, _UNREACHABLE):
            self._dead[call.endpoint()] = reason
        elif code in EXPIRED or (code in UNKNOWN_CREDENTIALS and not self._still_known(call)):
            self._dead[_WHOLE_ACCOUNT] = reason
        elif code in UNKNOWN_CREDENTIALS:
            self._set_reason(error, self._refused_there(call, error))

    def record(self, exchange: Exchange) -> None:
        """Tell whoever asked to be told."""
        if self._on_call is not None:
            self._on_call(exchange)

    @staticmethod
    def _set_reason(error: Any, reason: SysauditError) -> None:
        error.audit_reason = reason

    def _still_known(self, refused: Call) -> bool:
        """Whether AWS takes our credentials at home: where a region is off, it does not."""
        if refused.service == "sts":
            return False
        try:
            self._session.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError, ResponseParserError, SysauditError):
            return False
        return True

    def _refused_there(self, call: Call, error: Exception) -> SysauditError:
        """Return why credentials that are good at home are refused by *call*."""
        home = self._session.region_name
        text = f"{call}: {code_of(error)}: {first_line(message_of(error))}"
        if call.region == home:
            return Denied(f"{text} (although STS takes the credentials)")
        try:
            answer = self._session.call(
                "ec2", "describe_regions", RegionNames=[call.region], AllRegions=True
            )
        except SysauditError as unknown:
            return CannotAssess(f"{text} (whether the region is enabled is unknown: {unknown})")
        if any(region["OptInStatus"] == "not-opted-in" for region in answer["Regions"]):
            return NotApplicable(
                f"{call.target}: region {call.region} is not enabled for the account"
            )
        return Denied(f"{text} (although AWS takes the credentials in {home})")
