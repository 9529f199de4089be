"""The whole session of a recorded account: its clients answer from the recording.

This module imports boto3; import it where it is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.credentials import Credentials

from pytest_sysaudit.aws.calls import Watcher, call_of, watched
from pytest_sysaudit.aws.credentials import STANDIN_KEYS, Fixed
from pytest_sysaudit.aws.descriptions import service_descriptions
from pytest_sysaudit.aws.recording import recalled
from pytest_sysaudit.aws.session import AwsSession, Ground, config_of
from pytest_sysaudit.inventory.model import Aws
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.record import Plain

if TYPE_CHECKING:
    from pytest_sysaudit.aws.guard import Policy
    from pytest_sysaudit.evidence.observation import Player

#: Endpoints that variables of the environment name are not those of the recorded run.
_OWN: Any = {"ignore_configured_endpoint_urls": True}


def whole_session(
    target: Target, entry: Aws, facts: Mapping[str, Plain], player: Player, watcher: Watcher
) -> AwsSession:
    """Return a session of boto3 that opens nothing: no credentials and no network are used.

    Args:
        target: the account.
        entry: its entry.
        facts: what was recorded of the session when it was opened.
        player: the recording.
        watcher: asked before, told after each call.
    """
    ground = Ground(
        core=_lifeless(),
        config=config_of(target, entry).merge(Config(**_OWN)),
        endpoints=facts["endpoints"],
        endpoint_url=facts["endpoint_url"],
        region=facts["region"],
    )

    def bases(policy: Policy) -> tuple[type, type]:
        return _replayed(player, target.name, policy), watched(watcher, target.name, send=_at_once)

    return AwsSession(target, entry, ground, bases=bases)


def _at_once(call: Callable[..., Any], *args: Any) -> Any:
    return call(*args)


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
            return recalled(player, policy, call_of(self, operation_name, target), api_params, self)

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
