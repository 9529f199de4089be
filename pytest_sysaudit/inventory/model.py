"""The shape of inventory.yaml, as pydantic models.

Only `load` makes these. They are frozen, refuse unknown keys and convert nothing silently.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", description="letters, digits, '_', '-', '.'"),
]
SecretRef = Annotated[
    str,
    Field(
        pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|prompt)$",
        description="env:NAME, file:PATH or prompt; a secret itself is never in the inventory",
    ),
]
Seconds = Annotated[float, Field(gt=0, le=86400, description="seconds")]
Port = Annotated[int, Field(ge=1, le=65535)]
Strings = Annotated[tuple[str, ...], Field(strict=False)]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Vars = dict[str, Any]


class Model(BaseModel):
    """Frozen, strict, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Defaults(Model):
    """What holds for every target that does not say otherwise."""

    user: str | None = None
    connect_timeout: Seconds = 5
    auth_timeout: Seconds = 15
    open_timeout: Seconds = 10
    command_timeout: Seconds = 30
    total_timeout: Seconds | None = None
    max_output: Annotated[int, Field(gt=0, description="bytes of output of one command")] = 1 << 26


class Become(Model):
    """How to become another user on a host."""

    method: Literal["sudo"] = "sudo"
    user: str = "root"
    password: SecretRef | None = None


class Ssh(Model):
    """How to log in to a host."""

    key_file: str | None = None
    key_passphrase: SecretRef | None = None
    password: SecretRef | None = None
    agent: bool = True
    proxy_jump: str | None = Field(None, description="an inventory host, or user@host:port")
    known_hosts: str | None = None
    fingerprint: str | None = Field(
        None, pattern=r"^SHA256:[A-Za-z0-9+/]{43}=?$", description="of the host key: SHA256:..."
    )
    host_key_policy: Literal["strict", "accept-new"] = "strict"
    config_file: str | None = Field(None, description="default: ~/.ssh/config; 'none' for no file")


class TargetModel(Model):
    """What every kind of target has."""

    groups: Names = ()
    vars: Vars = {}
    inputs: dict[str, Vars] = {}
    embedded: bool = Field(False, description="start a stand-in on loopback for this target")


class Host(TargetModel):
    """A Linux host: this machine, or one reached over ssh."""

    connection: Literal["ssh", "local"] = "ssh"
    address: str | None = None
    port: Port | None = None
    user: str | None = None
    become: Become | None = None
    ssh: Ssh = Ssh()
    connect_timeout: Seconds | None = None
    auth_timeout: Seconds | None = None
    open_timeout: Seconds | None = None
    command_timeout: Seconds | None = None
    total_timeout: Seconds | None = None
    max_output: Annotated[int, Field(gt=0)] | None = None


class Aws(TargetModel):
    """An AWS account."""

    account_id: Annotated[str, Field(pattern=r"^\d{12}$", description="12 digits, quoted")] | None = None
    profile: str | None = None
    role_arn: Annotated[str, Field(pattern=r"^arn:[\w-]+:iam::\d{12}:role/.+$")] | None = None
    external_id: SecretRef | None = None
    regions: Strings = Field((), description="regions to audit; 'all' asks the account")
    endpoint_url: str | None = None
    allow_calls: Strings = Field((), description="further calls that count as reading: 's3:GetObject'")
    deny_calls: Strings = Field((), description="further calls to refuse")
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 4
    connect_timeout: Seconds | None = None
    read_timeout: Seconds = 30


class Basic(Model):
    """A user name and its password."""

    user: str
    password: SecretRef


class HttpAuth(Model):
    """How to log in to an HTTP endpoint: one of the two."""

    bearer: SecretRef | None = None
    basic: Basic | None = None


Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"]


class Http(TargetModel):
    """An HTTP endpoint."""

    base_url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    ca_file: str | None = None
    verify: bool = True
    client_cert: str | None = None
    client_key: str | None = None
    auth: HttpAuth | None = None
    headers: dict[str, str] = {}
    proxy: str | None = None
    allow_methods: Annotated[tuple[Method, ...], Field(strict=False)] = ("GET", "HEAD", "OPTIONS")
    allow_hosts: Strings = Field((), description="further hosts that redirects and checks may reach")
    connect_timeout: Seconds | None = None
    read_timeout: Seconds = 15
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    max_body: Annotated[int, Field(gt=0, description="bytes read of one response")] = 1 << 24


class Network(TargetModel):
    """A network that can be watched from one of its interfaces."""

    interface: str | None = None
    via: Name | None = Field(None, description="the inventory host that watches; default: this machine")
    pcap: str | None = Field(None, description="a recorded capture to judge instead of a live one")
    cidrs: Strings = ()
    active_probes: bool = False
    exercise: Names = Field((), description="http targets to request while watching, so there is traffic")
    snaplen: Annotated[int, Field(ge=64, le=262144)] = 262144
    max_packets: Annotated[int, Field(gt=0)] = 1_000_000
    max_seconds: Seconds = 300


class Group(Model):
    """A named set of targets."""

    children: Names = ()
    vars: Vars = {}
    inputs: dict[str, Vars] = {}


class Inventory(Model):
    """The whole file."""

    version: Literal[1]
    defaults: Defaults = Defaults()
    groups: dict[Name, Group] = {}
    hosts: dict[Name, Host] = {}
    aws: dict[Name, Aws] = {}
    http: dict[Name, Http] = {}
    networks: dict[Name, Network] = {}
    inputs: dict[str, Vars] = {}
