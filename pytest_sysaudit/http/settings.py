"""What the inventory says about one HTTP endpoint, made ready for use."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.evidence.redact import MASK, Redactor
from pytest_sysaudit.http.adapter import Limits
from pytest_sysaudit.http.policy import Origin, Policy
from pytest_sysaudit.http.trust import default_store, load_store
from pytest_sysaudit.inventory.model import Http
from pytest_sysaudit.inventory.secrets import is_reference
from pytest_sysaudit.inventory.target import Target

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.secrets import Secrets

Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]

#: What only the endpoint itself may see, besides the headers that the inventory names.
_CREDENTIALS = frozenset({"authorization", "cookie", "x-api-key", "x-auth-token"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the inventory says about one endpoint, ready for use. ``timeout``: connect, read."""

    target: str
    base_url: str
    policy: Policy
    limits: Limits
    timeout: tuple[float, float]
    verify: bool
    store: str
    cert: tuple[str, str] | str | None
    proxy: str
    headers: Mapping[str, str]
    auth: Auth | None
    redact: Callable[[str], str]


def read_settings(target: Target, secrets: Secrets) -> Settings:
    """Return what the inventory says about *target*, secrets resolved; errors as in open_client."""
    entry = _entry(target)
    vault = _Vault(target, secrets)
    return _settings(
        target,
        entry,
        store=_store(target),
        cert=_client_cert(target),
        headers=_headers(entry, vault.get),
        auth=_auth(entry, vault),
        redact=vault.redactor.text,
    )


def settings_without_secrets(target: Target) -> Settings:
    """Return the same for who sends nothing: no secret is asked for, and no file is read.

    Raises:
        CannotAssess: the inventory gives no base_url.
    """
    entry = _entry(target)
    return _settings(
        target,
        entry,
        store="",
        cert=None,
        headers=_headers(entry, lambda *_: MASK),
        auth=_unchanged if entry.auth is not None else None,
        redact=Redactor().text,
    )


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _entry(target: Target) -> Http:
    entry = target.entry
    if not isinstance(entry, Http):
        raise TypeError(f"{target.name} is no http target")
    if entry.base_url is None:
        raise CannotAssess(f"{target.name}: the inventory gives no base_url")
    return entry


def _settings(target: Target, entry: Http, **made: Any) -> Settings:
    timeout = (float(target.setting("connect_timeout")), float(entry.read_timeout))
    return Settings(
        target=target.name,
        base_url=str(entry.base_url),
        policy=_policy(target.name, entry),
        limits=Limits(
            seconds=max(sum(timeout), target.defaults.command_timeout),
            retries=entry.retries,
            max_body=entry.max_body,
        ),
        timeout=timeout,
        verify=entry.verify,
        proxy=entry.proxy or "",
        **made,
    )


def _policy(name: str, entry: Http) -> Policy:
    try:
        base = Origin.of(entry.base_url or "")
    except ValueError as error:
        raise CannotAssess(
            f"{name}: base_url {entry.base_url!r} cannot be used: {error}"
        ) from error
    return Policy(
        target=name,
        base=base,
        methods=tuple(entry.allow_methods),
        hosts=tuple(entry.allow_hosts),
        secret_headers=_CREDENTIALS | {header.lower() for header in entry.headers},
        own_host=next((v for name, v in entry.headers.items() if name.lower() == "host"), ""),
        proxy=entry.proxy or "",
    )


def _file(target: Target, key: str) -> str:
    """Return the path that the entry names as *key*; "" if it names none."""
    text = getattr(target.entry, key)
    if not text:
        return ""
    path = target.path(text)
    if not path.exists():
        raise CannotAssess(f"{target.name}: {key} {path} does not exist")
    return str(path)


def _store(target: Target) -> str:
    """Return the file or folder of the CAs to trust."""
    named = _file(target, "ca_file")
    try:
        if named:
            load_store(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), named)
    except OSError as error:
        raise CannotAssess(f"{target.name}: ca_file {named} cannot be used: {error}") from error
    return named or default_store()


def _client_cert(target: Target) -> tuple[str, str] | str | None:
    cert, key = _file(target, "client_cert"), _file(target, "client_key")
    if cert and "ENCRYPTED" in Path(key or cert).read_text("utf-8", "replace"):
        raise CannotAssess(
            f"{target.name}: the client key in {key or cert} is encrypted; OpenSSL would ask for "
            "its password on the terminal, so give a key that is not, in a file of mode 0600"
        )
    return (cert, key) if cert and key else cert or None


class _Vault:
    """Gets the secrets of one target, and redacts them wherever they come up."""

    def __init__(self, target: Target, secrets: Secrets) -> None:
        self.redactor = Redactor()
        self._target, self._secrets = target, secrets

    def get(self, ref: str, what: str) -> str:
        purpose = f"{what} of {self._target.name}"
        value = self._secrets.get(ref, purpose=purpose, base=self._target.base)
        self.redactor.add(value)
        return value


def _auth(entry: Http, vault: _Vault) -> Auth | None:
    if entry.auth is None:
        return None
    if entry.auth.bearer:
        return _Bearer(vault.get(entry.auth.bearer, "bearer token"))
    if entry.auth.basic:
        password = vault.get(entry.auth.basic.password, f"password of {entry.auth.basic.user}")
        return HTTPBasicAuth(entry.auth.basic.user.encode(), password.encode())
    return None


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _headers(entry: Http, get: Callable[[str, str], str]) -> dict[str, str]:
    """Return the headers to send; a value may be the reference of a secret, which *get* gets."""
    return {
        name: get(value, f"header {name}") if is_reference(value) else value
        for name, value in entry.headers.items()
    }
