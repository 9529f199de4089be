"""The `aws_session` of a check: a read-only boto3 session that remembers what it was told.

This module imports boto3; import it where it is used.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError
from botocore.parsers import ResponseParserError

from pytest_sysaudit.aws import reads
from pytest_sysaudit.aws.calls import watched
from pytest_sysaudit.aws.credentials import new_session
from pytest_sysaudit.aws.descriptions import policy_of
from pytest_sysaudit.aws.endpoints import configured_endpoints, without_account_host
from pytest_sysaudit.aws.guard import Policy, guard, mix_in
from pytest_sysaudit.aws.outcomes import explain
from pytest_sysaudit.aws.reads import read_out
from pytest_sysaudit.aws.recording import CallRecorder
from pytest_sysaudit.aws.watch import OnCall, Watch
from pytest_sysaudit.errors import (
    Denied,
    LoginRefused,
    SysauditError,
    Unreachable,
    WrongIdentity,
)
from pytest_sysaudit.inventory.model import Aws
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.lanes import Once
from pytest_sysaudit.text import first_line

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.observation import Journal
    from pytest_sysaudit.inventory.secrets import Secrets

_Boto3Session: Any = boto3.session.Session
_BOTO3_DEFAULTS = {"use_ssl": True}
#: Where a stand-in lives if the inventory names no region.
STANDIN_REGION = "us-east-1"


def open_session(
    target: Target,
    secrets: Secrets,
    *,
    on_call: OnCall | None = None,
    journal: Journal | None = None,
) -> AwsSession:
    """Log in to the account *target* and make sure that it is the one the inventory means.

    Args:
        target: the account.
        secrets: where the external id of its role comes from.
        on_call: is told of every call that was made, its answer not redacted.
        journal: keeps every call that is made; None: nobody does.

    Raises:
        LoginRefused: no credentials, or AWS does not take them.
        WrongIdentity: they belong to another account.
        Unreachable: no answer, no region to ask, or allow_calls and deny_calls name no calls.
        SecretError: the external id cannot be had.
    """
    entry = target.entry
    if not isinstance(entry, Aws):
        raise TypeError(f"{target.name} is no AWS account")
    secret = entry.external_id
    purpose = f"the external id of {target.name}"
    external_id = secrets.get(secret, purpose=purpose, base=target.base) if secret else None
    recorder = CallRecorder(journal, target.name) if journal is not None else None
    try:
        ground = _ground(target, entry, external_id)
        session = AwsSession(target, entry, ground, on_call=on_call, recorder=recorder)
        session.identify()
        if not entry.embedded:
            keys = session.get_credentials().get_frozen_credentials()
            secrets.hide(keys.secret_key, keys.token)
    except (BotoCoreError, ClientError, ResponseParserError, OSError, ValueError) as error:
        raise _refusal(target, error) from error
    if recorder is not None:
        recorder.opened(
            account_id=session.account_id,
            arn=session.arn,
            region=ground.region,
            endpoints=dict(ground.endpoints),
            endpoint_url=ground.endpoint_url,
        )
    return session


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a session stands on.

    Attributes:
        core: a botocore session that has credentials.
        config: timeouts and retries of its clients.
        endpoints: what replaces AWS's endpoints, by where it is configured.
        endpoint_url: what the inventory names in place of all of them; None: nothing.
        region: where calls go that name none.
    """

    core: Any
    config: Config
    endpoints: Mapping[str, str]
    endpoint_url: str | None
    region: str


class AwsSession(reads.AwsSession, _Boto3Session):  # type: ignore[misc]
    """A `boto3.Session` for one account that can only read.

    Everything of `boto3.Session` works, and clients are shared: ``client("ec2", "eu-west-1")`` is
    made once. Errors of a client are boto3's own. `call` is the better way to read: it asks AWS
    once for each thing, merges pages, and raises our errors.

    Attributes:
        target: the inventory's entry with what flows into it.
        account_id: twelve digits, as AWS says.
        arn: who we are there.
        partition: ``aws``, ``aws-cn``, ``aws-us-gov``: taken from `arn`.
    """

    def __init__(  # noqa: PLR0913 - three are optional
        self,
        target: Target,
        entry: Aws,
        ground: Ground,
        *,
        on_call: OnCall | None = None,
        recorder: CallRecorder | None = None,
        bases: Callable[[Policy], Iterable[type]] | None = None,
    ) -> None:
        self.target = target
        self._entry = entry
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._memo: Once[str] = Once()
        self._config = ground.config
        self._endpoints, self._endpoint_url = ground.endpoints, ground.endpoint_url
        if self._endpoints:
            self._config = self._config.merge(Config(s3={"addressing_style": "path"}))
            ground.core.register("before-call.s3-control", without_account_host)
        super().__init__(botocore_session=ground.core, region_name=ground.region)
        policy = policy_of(target, entry)
        own = (watched(Watch(self, on_call), target.name, recorder),)
        for base in bases(policy) if bases is not None else own:
            mix_in(self, base)
        guard(self, policy)

    def client(self, service_name: str, region_name: str | None = None, **options: Any) -> Any:
        """Return a client, as `boto3.Session.client` does; the same one for the same arguments.

        Args:
            service_name: as ``ec2``.
            region_name: None: the first region of the inventory, else the profile's.
            **options: as in boto3; what is given gets a client of its own. A ``config`` is merged
                into the inventory's timeouts and retries.
        """
        region = region_name or str(self.region_name)
        with self._lock:
            if any(value is not _BOTO3_DEFAULTS.get(name) for name, value in options.items()):
                return self._new_client(service_name, region, **options)
            key = service_name, region
            if key not in self._clients:
                self._clients[key] = self._new_client(service_name, region)
            return self._clients[key]

    def resource(self, service_name: str, region_name: str | None = None, **options: Any) -> Any:
        """Return a resource, as `boto3.Session.resource` does; a new one for every call."""
        with self._lock:
            return super().resource(service_name, region_name=region_name, **options)

    def _new_client(self, service: str, region: str, **options: Any) -> Any:
        own = options.pop("config", None)
        options["config"] = self._config.merge(own) if own is not None else self._config
        options["endpoint_url"] = options.get("endpoint_url") or self._endpoint_url
        client = super().client(service, region_name=region, **options)
        client.audit_region = region
        return client

    def _ask(self, service: str, name: str, region: str, params: dict[str, Any]) -> Any:
        client = self.client(service, region)
        method = getattr(client, name)
        if client.can_paginate(name):
            return client.get_paginator(name).paginate(**params).build_full_result()
        return read_out(method(**params))

    def identify(self) -> None:
        """Ask AWS who we are. Nothing else may be called before.

        Raises:
            WrongIdentity: the credentials belong to another account than the inventory names.
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: no answer.
        """
        answer = self.client("sts").get_caller_identity()
        self.account_id, self.arn = answer["Account"], answer["Arn"]
        self.partition = self.arn.split(":")[1]
        wanted = self._entry.account_id
        if wanted not in (None, self.account_id):
            raise WrongIdentity(
                f"{self.target.name}: the credentials belong to account {self.account_id} "
                f"({self.arn}), the inventory means {wanted}; check profile and role_arn"
            )

    def close(self) -> None:
        """Close the connections of its clients; may be called twice."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()


def _ground(target: Target, entry: Aws, external_id: str | None) -> Ground:
    config = config_of(target, entry)
    core = new_session(entry, external_id, config)
    return Ground(
        core=core,
        config=config,
        endpoints=configured_endpoints(entry, core),
        endpoint_url=entry.endpoint_url,
        region=_home_region(target, entry, core),
    )


def config_of(target: Target, entry: Aws) -> Config:
    """Return timeouts and retries as the inventory has them."""
    return Config(
        retries={"mode": "standard", "total_max_attempts": entry.max_attempts},
        connect_timeout=target.setting("connect_timeout"),
        read_timeout=entry.read_timeout,
        max_pool_connections=16,
        user_agent_extra="pytest-sysaudit",
    )


def _home_region(target: Target, entry: Aws, core: Any) -> str:
    """Return the region of calls that name none."""
    for region in (*entry.regions, core.get_config_variable("region")):
        if region and region != "all":
            return str(region)
    if entry.embedded:
        return STANDIN_REGION
    raise Unreachable(
        f"{target.name}: no region to ask; set regions in the inventory, region in the profile, "
        "or AWS_DEFAULT_REGION"
    )


def _refusal(target: Target, error: Exception) -> SysauditError:
    """Return what it means that *error* came in place of our identity."""
    reason = explain(error)
    text = str(reason or f"{type(error).__name__}: {first_line(str(error))}")
    if not text.startswith(f"{target.name}: "):
        text = f"{target.name}: {text}"
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if isinstance(error, SSLError) and bundle:
        text += f" (AWS_CA_BUNDLE is {bundle})"
    if isinstance(reason, LoginRefused | Denied):
        return LoginRefused(text)
    return Unreachable(text)
