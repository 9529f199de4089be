"""An account as it was recorded: the same session, which answers from the recording.

What `AwsSession.call` and its like say is told without a client of boto3, which takes longer to
make than all that a check asks of it. The rest of a session is made when somebody looks at it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError, DataNotFoundError
from botocore.paginate import Paginator

from pytest_sysaudit.aws import reads
from pytest_sysaudit.aws.calls import Call, watch_over
from pytest_sysaudit.aws.descriptions import paginators, policy_of
from pytest_sysaudit.aws.outcomes import code_of
from pytest_sysaudit.aws.reads import read_out
from pytest_sysaudit.aws.recording import SESSION, asked_of, recalled
from pytest_sysaudit.aws.watch import Watch
from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.inventory.model import Aws
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.lanes import Once
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.aws.session import AwsSession
    from pytest_sysaudit.evidence.observation import Player

#: Stands for a client where an error of AWS is raised: `_complete` puts its own class in.
_NO_CLIENT: Any = SimpleNamespace(exceptions=SimpleNamespace(from_code=lambda _: ClientError))
#: Who has one of these loaded may ask whether a session is an instance of their classes.
_WHOLE = ("boto3.session", "pytest_sysaudit.aws.session")


def replay_session(target: Target, player: Player) -> AwsSession:
    """Return the session of *target* as it was recorded; no credentials and no network are used.

    Raises:
        Unreachable: the recording does not say who we were, or the inventory's allow_calls or
            deny_calls name no calls.
    """
    entry = target.entry
    if not isinstance(entry, Aws):
        raise TypeError(f"{target.name} is no AWS account")
    known = player.find("api", target.name, SESSION)
    if known is None:
        raise Unreachable(f"{target.name}: its session is not in the recording")
    facts = known.answer
    # the run began by asking who it was: what asks the same again gets the next answer
    who = Call(
        target=target.name, service="sts", operation="GetCallerIdentity", region=facts["region"]
    )
    player.find("api", target.name, asked_of(who, {}))
    session: Any = RecordedSession(target, entry, facts, player)
    return session  # type: ignore[no-any-return]  # it says so of itself


class RecordedSession(reads.AwsSession):
    """An `AwsSession` that makes itself whole when it is asked for more than answers.

    Args:
        target: the account.
        entry: its entry.
        facts: what was recorded of the session when it was opened.
        player: the recording.

    Raises:
        Unreachable: allow_calls or deny_calls name no calls.
    """

    def __init__(
        self, target: Target, entry: Aws, facts: Mapping[str, Plain], player: Player
    ) -> None:
        self._lock = threading.RLock()
        self._made: AwsSession | None = None
        self.target = target
        self.region_name = facts["region"]
        self.account_id, self.arn = facts["account_id"], facts["arn"]
        self.partition = self.arn.split(":")[1]
        self._entry, self._facts, self._player = entry, facts, player
        self._endpoints = facts["endpoints"]
        self._memo = Once()
        self._policy = policy_of(target, entry)
        self._watch = Watch(self, None)

    def _ask(self, service: str, name: str, region: str, params: dict[str, Any]) -> Any:
        try:
            operation, pages = paginators(service).get(name) or (_spelled(name), None)
        except DataNotFoundError:
            return self._ask_client(service, name, region, params)
        call = Call(
            target=self.target.name,
            service=service,
            operation=operation,
            region=region,
            endpoint=lambda: str(self._whole().client(service, region).meta.endpoint_url),
        )
        known = self._player.every("api", call.target, asked_of(call, params))
        # one is in a recording where a client was given it by mistake; pages need its model then
        if not known or "PaginationConfig" in params:
            return self._ask_client(service, name, region, params)
        page = partial(self._page, call)
        if pages is not None:
            return Paginator(page, pages, None).paginate(**params).build_full_result()
        return read_out(page(**params))

    def _ask_client(self, *asked: Any) -> Any:
        """Return what a client of boto3 gives or raises, which knows all of the service."""
        return self._whole()._ask(*asked)  # noqa: SLF001 - of the same family

    def _page(self, call: Call, /, **params: Any) -> Any:
        recall = partial(recalled, self._player, self._policy, call, params, _NO_CLIENT)
        return watch_over(self._watch, call, params, recall)

    def _complete(self, error: Exception, service: str, region: str) -> None:
        if type(error) is ClientError:  # the class that only the service's client knows
            kinds = self._whole().client(service, region).exceptions
            error.__class__ = kinds.from_code(code_of(error))

    def _whole(self) -> AwsSession:
        """Return the same account as a session of boto3."""
        with self._lock:
            if self._made is None:
                from pytest_sysaudit.aws.replay_clients import whole_session

                made = whole_session(
                    self.target, self._entry, self._facts, self._player, self._watch
                )
                made.account_id, made.arn = self.account_id, self.arn
                made.partition = self.partition
                made._memo = self._memo  # noqa: SLF001 - of the same family
                self._made = made
            return self._made

    def close(self) -> None:
        """Close the connections of its clients; may be called twice."""
        if self._made is not None:
            self._made.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python's own, looked for on every object
            raise AttributeError(f"'AwsSession' object has no attribute {name!r}")
        return getattr(self._whole(), name)

    def __dir__(self) -> list[str]:
        return dir(self._whole())

    def __repr__(self) -> str:
        return f"AwsSession(region_name={self.region_name!r})"

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What `isinstance` looks at besides the type: the session of boto3 that it can become."""
        if not any(name in sys.modules for name in _WHOLE):
            return RecordedSession
        from pytest_sysaudit.aws.session import AwsSession

        return AwsSession


def _spelled(name: str) -> str:
    """Return what AWS calls the operation *name*, as ``get_bucket_policy``, if it is that simple.

    Where it is not, as with ``get_sms_attributes``, nothing is found, and a client has to know.
    """
    spelled = "".join(word.capitalize() for word in name.split("_"))
    return spelled if xform_name(spelled) == name else ""
