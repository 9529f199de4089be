"""The shape of inventory.yaml, as pydantic models.

Only `load` makes these. They are frozen, refuse unknown keys and convert nothing silently. The
descriptions are what an editor shows (see `schema`); an ``errorMessage`` is what both an editor
and `explain` say when a value does not fit.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
NAME_RULE = "expected a name of letters, digits, '_', '-' and '.'"
SECRET_PATTERN = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|prompt)$"  # noqa: S105 - not a secret
SECRET_RULE = "a secret is never written in the inventory; use env:NAME, file:PATH or prompt"  # noqa: S105 - the rule, not a secret

Name = Annotated[
    str,
    Field(
        pattern=NAME_PATTERN,
        json_schema_extra={"errorMessage": NAME_RULE},
    ),
]
SecretRef = Annotated[
    str,
    Field(pattern=SECRET_PATTERN, json_schema_extra={"errorMessage": SECRET_RULE}),
]
Seconds = Annotated[
    float,
    Field(
        gt=0,
        le=86400,
        json_schema_extra={"errorMessage": "expected seconds: a number above 0, up to 86400"},
    ),
]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, Field(min_length=1)]
User = Annotated[
    str,
    Field(
        pattern=r"^[^\s:-][^\s:]*$",
        json_schema_extra={"errorMessage": "expected a user name"},
    ),
]
Address = Annotated[
    str,
    Field(
        pattern=r"^[^\s@/,-][^\s@/,]*$",
        json_schema_extra={
            "errorMessage": "expected a host name or an IP address, without user and port"
        },
    ),
]
Url = Annotated[
    str,
    Field(
        pattern=r"^https?://[^\s@]+$",
        json_schema_extra={
            "errorMessage": "expected a URL as https://shop.example, without user and password"
        },
    ),
]
Region = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        json_schema_extra={"errorMessage": "expected a region as eu-west-1, or all"},
    ),
]
Call = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9-]+:[A-Za-z0-9*]+$",
        json_schema_extra={"errorMessage": "expected service:Operation, as s3:GetObject"},
    ),
]
Strings = Annotated[tuple[Text, ...], Field(strict=False)]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Calls = Annotated[tuple[Call, ...], Field(strict=False)]
Vars = dict[str, Any]
Inputs = dict[str, Vars]


class Model(BaseModel):
    """Frozen, strict, no unknown keys; an empty value is the same as leaving the key out."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: Any) -> Any:
        if data is None:
            return {}
        if isinstance(data, dict):
            fields = cls.model_fields
            return {k: value for k, value in data.items() if value is not None or k not in fields}
        return data


class Defaults(Model):
    """What holds for every target that does not say otherwise."""

    user: User | None = Field(default=None, description="who logs in; default: as ssh would choose")
    connect_timeout: Seconds = Field(default=5, description="seconds until a connection must stand")
    auth_timeout: Seconds = Field(default=15, description="seconds until the login must be done")
    open_timeout: Seconds = Field(default=10, description="seconds until a channel must be open")
    command_timeout: Seconds = Field(default=30, description="seconds that one command may take")
    total_timeout: Seconds | None = Field(
        default=None, description="seconds that one target may take in all; default: no limit"
    )
    max_output: Annotated[int, Field(gt=0)] = Field(
        default=1 << 26, description="bytes that one command may print"
    )


class Become(Model):
    """How to become another user on a host."""

    method: Literal["sudo"] = Field(default="sudo", description="the program that does it")
    user: User = Field(default="root", description="who to become")
    password: SecretRef | None = Field(
        default=None,
        description="what sudo asks for: env:NAME, file:PATH or prompt; default: nothing",
    )


class Ssh(Model):
    """How to log in to a host."""

    key_file: Text | None = Field(
        default=None,
        description="the private key; ~ and paths relative to the inventory are understood",
    )
    key_passphrase: SecretRef | None = Field(
        default=None, description="what opens the key: env:NAME, file:PATH or prompt"
    )
    password: SecretRef | None = Field(
        default=None, description="the login's password: env:NAME, file:PATH or prompt"
    )
    agent: bool = Field(default=True, description="whether the keys of the ssh agent are tried")
    proxy_jump: Text | None = Field(
        default=None,
        description="the way in: a host of this inventory, or [user@]host[:port]; "
        "several with commas; 'none' to go directly",
    )
    known_hosts: Text | None = Field(
        default=None, description="the file of known host keys; default: ~/.ssh/known_hosts"
    )
    fingerprint: (
        Annotated[
            str,
            Field(
                pattern=r"^SHA256:[A-Za-z0-9+/]{43}=?$",
                json_schema_extra={
                    "errorMessage": "expected SHA256: and 43 characters, as ssh-keygen -lf prints"
                },
            ),
        ]
        | None
    ) = Field(default=None, description="of the host key, as SHA256:...; no other key is accepted")
    host_key_policy: Literal["strict", "accept-new"] = Field(
        default="strict", description="accept-new stores the key of a host that is not known yet"
    )
    config_file: Text | None = Field(
        default=None, description="the ssh configuration; default: ~/.ssh/config; 'none': no file"
    )


class TargetModel(Model):
    """What every kind of target has."""

    groups: Names = Field(
        default=(), description="the groups it is in; on equal terms the later wins"
    )
    vars: Vars = Field(
        default={}, description="facts for checks; they win over those of the groups"
    )
    inputs: Inputs = Field(
        default={}, description="parameters of checks on this target, by control id"
    )
    embedded: bool = Field(
        default=False, description="start a stand-in on loopback for this target"
    )


class Host(TargetModel):
    """A Linux host: this machine, or one reached over ssh."""

    connection: Literal["ssh", "openssh", "local"] = Field(
        default="ssh",
        description="openssh: by the ssh program of this machine; local: this machine, "
        "without a login",
    )
    address: Address | None = Field(
        default=None, description="host name or IP address; default: the name of this entry"
    )
    port: Port | None = Field(
        default=None, description="the ssh port; default: 22 or as ssh_config says"
    )
    user: User | None = Field(default=None, description="who logs in")
    become: Become | None = Field(
        default=None, description="how to get more rights after the login"
    )
    ssh: Ssh = Field(default=Ssh(), description="how to log in")
    connect_timeout: Seconds | None = Field(default=None, description="instead of the defaults'")
    auth_timeout: Seconds | None = Field(default=None, description="instead of the defaults'")
    open_timeout: Seconds | None = Field(default=None, description="instead of the defaults'")
    command_timeout: Seconds | None = Field(default=None, description="instead of the defaults'")
    total_timeout: Seconds | None = Field(default=None, description="instead of the defaults'")
    max_output: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="instead of the defaults'"
    )


class Aws(TargetModel):
    """An AWS account."""

    account_id: (
        Annotated[
            str,
            Field(
                pattern=r"^[0-9]{12}$",
                json_schema_extra={"errorMessage": "expected 12 digits in quotes"},
            ),
        ]
        | None
    ) = Field(default=None, description="12 digits in quotes; any other account is refused")
    profile: Text | None = Field(default=None, description="profile of ~/.aws/config")
    role_arn: (
        Annotated[
            str,
            Field(
                pattern=r"^arn:[A-Za-z0-9-]+:iam::[0-9]{12}:role/.+$",
                json_schema_extra={
                    "errorMessage": "expected a role as arn:aws:iam::123456789012:role/auditor"
                },
            ),
        ]
        | None
    ) = Field(default=None, description="the role to assume")
    external_id: SecretRef | None = Field(
        default=None, description="what the role's trust asks for: env:NAME, file:PATH or prompt"
    )
    regions: Annotated[tuple[Region, ...], Field(strict=False)] = Field(
        default=(), description="regions to audit; 'all' asks the account"
    )
    endpoint_url: Url | None = Field(default=None, description="instead of Amazon's own addresses")
    allow_calls: Calls = Field(default=(), description="further calls that count as reading")
    deny_calls: Calls = Field(default=(), description="further calls to refuse")
    max_attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        default=4, description="how often a throttled call is tried"
    )
    connect_timeout: Seconds | None = Field(default=None, description="instead of the defaults'")
    read_timeout: Seconds = Field(default=30, description="seconds until an answer must come")


class Basic(Model):
    """A user name and its password."""

    user: Text = Field(description="the user name")
    password: SecretRef = Field(description="env:NAME, file:PATH or prompt")


class HttpAuth(Model):
    """How to log in to an HTTP endpoint: one of the two."""

    bearer: SecretRef | None = Field(
        default=None, description="a token: env:NAME, file:PATH or prompt"
    )
    basic: Basic | None = Field(default=None, description="a user name and a password")


Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"]
HeaderValue = Annotated[
    str,
    Field(
        pattern=r"^[^\r\n]*$",
        json_schema_extra={"errorMessage": "expected text of one line"},
    ),
]


class Http(TargetModel):
    """An HTTP endpoint."""

    base_url: Url | None = Field(default=None, description="where it is, as https://shop.example")
    ca_file: Text | None = Field(
        default=None, description="PEM file of the authorities to trust; default: the usual ones"
    )
    verify: bool = Field(default=True, description="whether its certificate must be valid")
    client_cert: Text | None = Field(default=None, description="PEM file of our certificate")
    client_key: Text | None = Field(
        default=None, description="PEM file of our key; default: in client_cert"
    )
    auth: HttpAuth | None = Field(default=None, description="how to log in")
    headers: dict[str, HeaderValue] = Field(
        default={},
        description="sent with each request; secret ones as env:NAME, file:PATH or prompt",
    )
    proxy: Url | None = Field(default=None, description="the proxy to go through; default: none")
    allow_methods: Annotated[tuple[Method, ...], Field(strict=False)] = Field(
        default=("GET", "HEAD", "OPTIONS"), description="the only methods that are sent"
    )
    allow_hosts: Strings = Field(
        default=(), description="further hosts that redirects and checks may reach"
    )
    connect_timeout: Seconds | None = Field(default=None, description="instead of the defaults'")
    read_timeout: Seconds = Field(default=15, description="seconds until an answer must come")
    retries: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2, description="how often a failed connection is tried again"
    )
    max_body: Annotated[int, Field(gt=0)] = Field(
        default=1 << 24, description="bytes read of one response"
    )


class Network(TargetModel):
    """A network that can be watched from one of its interfaces."""

    interface: (
        Annotated[
            str,
            Field(
                pattern=r"^[^\s/-][^\s/]{0,14}$",
                json_schema_extra={
                    "errorMessage": "expected the name of an interface, as `ip link` shows it"
                },
            ),
        ]
        | None
    ) = Field(default=None, description="the interface that is watched")
    via: Name | None = Field(
        default=None, description="the inventory host that watches; default: this machine"
    )
    pcap: Text | None = Field(
        default=None, description="a recorded capture to judge instead of a live one"
    )
    cidrs: Strings = Field(
        default=(), description="the addresses that belong to it, as 192.0.2.0/24"
    )
    active_probes: bool = Field(
        default=False, description="whether checks may send packets into it"
    )
    exercise: Names = Field(
        default=(), description="http targets to request while watching, so there is traffic"
    )
    snaplen: Annotated[int, Field(ge=64, le=262144)] = Field(
        default=262144, description="bytes kept of one packet"
    )
    max_packets: Annotated[int, Field(gt=0)] = Field(
        default=1_000_000, description="packets kept of one capture"
    )
    max_seconds: Seconds = Field(default=300, description="seconds that one capture may take")


class Group(Model):
    """A named set of targets; the group ``all``, if there is one, holds every target."""

    children: Names = Field(default=(), description="groups whose targets are also in this one")
    vars: Vars = Field(default={}, description="facts for checks on its targets")
    inputs: Inputs = Field(
        default={}, description="parameters of checks on its targets, by control id"
    )


class Evidence(Model):
    """How recordings of a run (``--audit-evidence``) are made."""

    signing_key: SecretRef | None = Field(
        default=None,
        description="the ed25519 key that signs them, as PEM: env:NAME, file:PATH or prompt; "
        "default: nothing signs them",
    )


class Inventory(Model):
    """What pytest-sysaudit audits."""

    version: Annotated[
        int,
        Field(ge=1, le=1, description="of this format", json_schema_extra={"const": 1}),
    ]
    defaults: Defaults = Field(
        default=Defaults(), description="for targets that do not say otherwise"
    )
    evidence: Evidence = Field(default=Evidence(), description="how recordings of a run are made")
    groups: dict[Name, Group] = Field(default={}, description="named sets of targets, by name")
    hosts: dict[Name, Host] = Field(default={}, description="Linux hosts, by name")
    aws: dict[Name, Aws] = Field(default={}, description="AWS accounts, by name")
    http: dict[Name, Http] = Field(default={}, description="HTTP endpoints, by name")
    networks: dict[Name, Network] = Field(default={}, description="networks to watch, by name")
    inputs: Inputs = Field(
        default={}, description="parameters of checks on all targets, by control id"
    )
