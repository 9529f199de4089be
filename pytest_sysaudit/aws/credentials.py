"""From an inventory entry to credentials: profile, role, or the stand-in's own."""

from __future__ import annotations

import json
import os
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
)

from pytest_sysaudit.aws.descriptions import service_descriptions
from pytest_sysaudit.aws.guard import CREDENTIALS_ONLY, guard
from pytest_sysaudit.aws.operations import iam_action
from pytest_sysaudit.inventory.model import Aws

#: What a role is cut down to while we use it, in the role's own partition.
SESSION_POLICIES = ("SecurityAudit", "job-function/ViewOnlyAccess")
ROLE_SESSION = "pytest-sysaudit"
#: Keys that only a stand-in takes for good; AWS knows no such key.
STANDIN_KEYS = ("AKIASYSAUDITEMBEDDED", "not-a-secret")


class Fixed:
    """Gives a botocore session the credentials that were found elsewhere."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Any:
        """Return them; the name is botocore's."""
        return self._credentials


def new_session(entry: Aws, external_id: str | None, config: Config) -> Any:
    """Return a botocore session that has the credentials *entry* asks for.

    They are fetched by another session, which can do nothing else, so that a check cannot use this
    one to get further credentials.

    Args:
        entry: the account.
        external_id: the secret that the role's trust policy asks for.
        config: timeouts and retries of the calls that fetch credentials.

    Raises:
        botocore.exceptions.BotoCoreError: no such profile, no token, no credentials in it.
    """
    session = _bare_session(entry)
    session.register_component("credential_provider", Fixed(_find(entry, external_id, config)))
    return session


def _bare_session(entry: Aws) -> Any:
    """Return a session with the configuration of the profile, for a stand-in with none at all."""
    nothing = (None, None, None, None)
    nowhere = (None, None, os.devnull, None)
    hermetic = {
        "profile": nothing,
        "region": nothing,
        "config_file": nowhere,
        "credentials_file": nowhere,
    }
    if entry.embedded:
        session = botocore.session.Session(session_vars=hermetic)
    else:
        session = botocore.session.Session(profile=entry.profile)
    session.register_component("data_loader", service_descriptions())
    return session


def _find(entry: Aws, external_id: str | None, config: Config) -> Any:
    if entry.embedded:
        return Credentials(*STANDIN_KEYS)
    source = _bare_session(entry)
    guard(source, CREDENTIALS_ONLY)
    credentials = source.get_credentials()
    if entry.role_arn is None or credentials is None:
        return credentials
    return _assumed(entry, source, external_id, config)


def _assumed(entry: Aws, source: Any, external_id: str | None, config: Config) -> Any:
    """Return the credentials of the entry's role; they are fetched on first use and renewed."""
    region = next((r for r in entry.regions if r != "all"), None)

    def create_client(service: str, **keys: Any) -> Any:
        return source.create_client(
            service, region_name=region, endpoint_url=entry.endpoint_url, config=config, **keys
        )

    fetcher = AssumeRoleCredentialFetcher(
        client_creator=create_client,
        source_credentials=source.get_credentials(),
        role_arn=str(entry.role_arn),
        extra_args=role_request(entry, external_id),
    )
    return DeferredRefreshableCredentials(
        method="sysaudit-assume-role", refresh_using=fetcher.fetch_credentials
    )


def role_request(entry: Aws, external_id: str | None) -> dict[str, Any]:
    """Return what is sent with sts:AssumeRole besides the role.

    The session policies are the second line behind the guard: AWS itself then refuses whatever
    neither SecurityAudit nor ViewOnlyAccess allows, even if the role could do it. They take away
    and never add; what ``allow_calls`` names is let through as well.
    """
    partition = str(entry.role_arn).split(":")[1]
    arns = [f"arn:{partition}:iam::aws:policy/{name}" for name in SESSION_POLICIES]
    request: dict[str, Any] = {
        "RoleSessionName": ROLE_SESSION,
        "PolicyArns": [{"arn": arn} for arn in arns],
    }
    if entry.allow_calls:
        actions = sorted({iam_action(*call.split(":", 1)) for call in entry.allow_calls})
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        request["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    if external_id is not None:
        request["ExternalId"] = external_id
    return request
