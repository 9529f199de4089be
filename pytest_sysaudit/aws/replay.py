"""An account as it was recorded: the same session, whose clients answer from the recording."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.credentials import Credentials

from pytest_sysaudit.aws.calls import Call, call_of
from pytest_sysaudit.aws.credentials import STANDIN_KEYS, Fixed, service_descriptions
from pytest_sysaudit.aws.guard import Policy
from pytest_sysaudit.aws.recording import SESSION, asked_of, told_again
from pytest_sysaudit.aws.session import AwsSession, Ground, config_of
from pytest_sysaudit.errors import CannotAssess, Unreachable
from pytest_sysaudit.inventory.model import Aws
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.text import shorten

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.observation import Player

_LONGEST = 200
#: Endpoints that variables of the environment name are not those of the recorded run.
_OWN: Any = {"ignore_configured_endpoint_urls": True}


def replay_session(target: Target, player: Player) -> AwsSession:
    """Return the session of *target* as it was recorded; no credentials and no network are used.

    Raises:
        Unreachable: the recording does not say who we were.
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
    ground = Ground(
        core=_lifeless(),
        config=config_of(target, entry).merge(Config(**_OWN)),
        endpoints=facts["endpoints"],
        endpoint_url=facts["endpoint_url"],
        region=facts["region"],
    )

    def answers(policy: Policy) -> type:
        return _replayed(player, target.name, policy)

    session = AwsSession(target, entry, ground, answers=answers)
    session.account_id, session.arn = facts["account_id"], facts["arn"]
    session.partition = session.arn.split(":")[1]
    return session


def _lifeless() -> Any:
    """Return a botocore session that reads no file and no variable, and asks nobody for keys."""
    nothing = {
        name: (None, None, *rest)
        for name, (_, _, *rest) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    session = botocore.session.Session(session_vars={**nothing, **nowhere})
    session.register_component("data_loader", service_descriptions())
    session.register_component("credential_provider", Fixed(Credentials(*STANDIN_KEYS)))
    return session


def _replayed(player: Player, target: str, policy: Policy) -> type:
    """Return a base class for boto3's clients that answer from *player*."""

    class ReplayedClient:
        """Stands where calls leave boto3: events, endpoints, signing and sending are below it."""

        def _make_api_call(self, operation_name: str, api_params: dict[str, Any]) -> Any:
            call = call_of(self, operation_name, target)
            policy.check(call.service, call.operation)
            known = player.find("api", target, asked_of(call, api_params))
            if known is None:
                raise CannotAssess(_missing(call, api_params))
            return told_again(known, self, str(call))

        def get_waiter(self, waiter_name: str) -> Any:
            """Return a waiter that does not wait: what it waited for has happened, or never did."""
            parent: Any = super()
            waiter = parent.get_waiter(waiter_name)
            wait = waiter.wait

            def at_once(**params: Any) -> Any:
                return wait(
                    **{**params, "WaiterConfig": {**params.get("WaiterConfig", {}), "Delay": 0}}
                )

            waiter.wait = at_once
            return waiter

    return ReplayedClient


def _missing(call: Call, params: dict[str, Any]) -> str:
    told = ", ".join(f"{name}={value!r}" for name, value in params.items())
    return f"{call} ({shorten(told, _LONGEST) or 'no parameters'}) is not in the recording"
