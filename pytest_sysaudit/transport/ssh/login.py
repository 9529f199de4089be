"""How to log in to a host: the inventory's word, then ssh_config's, then what ssh itself does."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.inventory.model import Host, Ssh
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport.ssh.config import HostConfig, expand, read_host

_JUMP = re.compile(
    r"^(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:@\[\]]+)(?::(?P<port>\d+))?$"
)
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Everything that one connection needs; secrets are references, as in the inventory.

    Attributes:
        name: how messages call it: the target's name, or ``web1: jump host bastion``.
        known_as: the name that known_hosts files have it under.
        named_keys: whether the inventory or ssh_config names the key files.
        only_named: whether the inventory says how to log in, so that nothing else is tried.
        agent: whether to ask ssh-agent for more keys.
        record_to: where an accepted new host key is written.
        jumps: the logins on the way, the first one first.
    """

    name: str
    host: str
    port: int
    user: str
    known_as: str
    key_files: tuple[Path, ...] = ()
    named_keys: bool = False
    only_named: bool = False
    agent: bool = True
    identities_only: bool = False
    key_passphrase: str | None = None
    password: str | None = None
    base: Path = Path()
    known_hosts: tuple[Path, ...] = ()
    record_to: Path | None = None
    fingerprint: str | None = None
    accept_new: bool = False
    connect_timeout: float = 5
    auth_timeout: float = 15
    jumps: tuple[Login, ...] = ()

    @property
    def place(self) -> str:
        """``address:port``, as messages show it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def resolve(target: Target, targets: Mapping[str, Target]) -> Login:
    """Return how to log in to *target*.

    Raises:
        Unreachable: the settings cannot work: a jump circle, no such file, an unsupported option.
    """
    try:
        return _resolve(target, targets, (target.name,))
    except Unreachable as error:
        text = str(error)
        if text.startswith(f"{target.name}: "):
            raise
        raise Unreachable(f"{target.name}: {text}") from error


def _resolve(target: Target, targets: Mapping[str, Target], trail: tuple[str, ...]) -> Login:
    entry = target.entry
    if target.kind is not Kind.SSH or not isinstance(entry, Host):
        raise Unreachable(f"{target.name} is not a host reached over ssh")
    typed = entry.address or target.name
    login, config = _plain_login(target, entry.ssh, typed, target.setting("user"), entry.port)
    jump = entry.ssh.proxy_jump or config.get("proxyjump") or "none"
    if jump.lower() == "none":
        _refuse_proxy_command(config)
        return login
    return replace(login, jumps=_jumps(jump, target, targets, trail))


def _plain_login(
    target: Target, ssh: Ssh, typed: str, user: str | None, port: int | None
) -> tuple[Login, HostConfig]:
    """Return the login without jumps, and what ssh_config says about the host."""
    config = read_host(_config_files(target, ssh), typed, user)
    host = expand(config.get("hostname") or typed, {"h": typed})
    me = pwd.getpwuid(os.getuid()).pw_name
    user = user or config.get("user") or me
    number = port or _port(config)
    tokens = {"h": host, "n": typed, "p": str(number), "r": user, "u": me, "d": str(Path.home())}
    keys, named = _key_files(target, ssh, config, tokens)
    known, record_to = _known_hosts(target, ssh, config, tokens)
    login = Login(
        name=target.name,
        host=host,
        port=number,
        user=user,
        known_as=config.get("hostkeyalias") or host,
        key_files=keys,
        named_keys=named,
        agent=_agent(ssh, config),
        identities_only=config.flag("identitiesonly"),
        base=target.base,
        known_hosts=known,
        record_to=record_to,
        connect_timeout=target.setting("connect_timeout"),
        auth_timeout=target.setting("auth_timeout"),
        **_own_word(ssh),
    )
    return login, config


def _own_word(ssh: Ssh) -> dict[str, Any]:
    """Return what only the inventory can say."""
    return {
        "only_named": bool(ssh.key_file or ssh.password),
        "key_passphrase": ssh.key_passphrase,
        "password": ssh.password,
        "fingerprint": ssh.fingerprint,
        "accept_new": ssh.host_key_policy == "accept-new",
    }


def _agent(ssh: Ssh, config: HostConfig) -> bool:
    """Return whether more keys may come from the agent: what is named in the inventory is all."""
    if config.get("identityagent") == "none":
        return False
    named = ssh.key_file or ssh.password
    return ssh.agent and (not named or "agent" in ssh.model_fields_set)


def _config_files(target: Target, ssh: Ssh) -> list[Path]:
    if ssh.config_file == "none":
        return []
    if ssh.config_file is None:
        usual = (Path.home() / ".ssh" / "config", Path("/etc/ssh/ssh_config"))
        return [path for path in usual if path.is_file()]
    path = target.path(ssh.config_file)
    if not path.is_file():
        raise Unreachable(f"there is no file {path} (ssh.config_file)")
    return [path]


def _port(config: HostConfig) -> int:
    text = config.get("port") or "22"
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise Unreachable(f"the ssh configuration has a port {text!r}, which is none")
    return int(text)


def _key_files(
    target: Target, ssh: Ssh, config: HostConfig, tokens: Mapping[str, str]
) -> tuple[tuple[Path, ...], bool]:
    if ssh.key_file is not None:
        return (target.path(ssh.key_file),), True
    names = [name for name in config.identity_files if name.lower() != "none"]
    if names:
        return tuple(Path(expand(name, tokens)).expanduser() for name in names), True
    if config.identity_files or ssh.password is not None:
        return (), False
    return tuple(Path.home() / ".ssh" / name for name in _DEFAULT_KEYS), False


def _known_hosts(
    target: Target, ssh: Ssh, config: HostConfig, tokens: Mapping[str, str]
) -> tuple[tuple[Path, ...], Path | None]:
    """Return the files to look into, and the one to write to."""
    if ssh.known_hosts is not None:
        path = target.path(ssh.known_hosts)
        return (path,), path
    text = config.get("userknownhostsfile") or "~/.ssh/known_hosts ~/.ssh/known_hosts2"
    own = [Path(expand(name, tokens)).expanduser() for name in text.split() if name != "none"]
    text = config.get("globalknownhostsfile") or "/etc/ssh/ssh_known_hosts"
    shared = [Path(name) for name in text.split() if name != "none"]
    return (*own, *shared), own[0] if own else None


def _refuse_proxy_command(config: HostConfig) -> None:
    command = config.get("proxycommand") or "none"
    if command.lower() != "none":
        raise Unreachable(
            f"the ssh configuration asks for ProxyCommand {command!r}, and audits run no commands "
            "to log in; set ssh.proxy_jump in the inventory, or 'none' there to go directly"
        )


def _jumps(
    text: str, target: Target, targets: Mapping[str, Target], trail: tuple[str, ...]
) -> tuple[Login, ...]:
    """Return the logins of ``a,b``: first a (by its own way), through it b."""
    found: list[Login] = []
    for item in (part.strip() for part in text.split(",")):
        known = targets.get(item)
        if known is None:
            found.append(_stranger(item, target))
            continue
        if item in trail:
            raise Unreachable(f"proxy_jump goes in a circle: {' -> '.join((*trail, item))}")
        login = _resolve(known, targets, (*trail, item))
        found += [] if found else login.jumps
        found.append(replace(login, jumps=()))
    names = [f"{trail[0]}: jump host {hop.name.rpartition(' ')[2]}" for hop in found]
    return tuple(replace(hop, name=name) for hop, name in zip(found, names, strict=True))


def _stranger(text: str, target: Target) -> Login:
    """Return the login of a jump host that is not in the inventory: our key, never our password."""
    match = _JUMP.match(text)
    if match is None or not isinstance(target.entry, Host):
        raise Unreachable(
            f"proxy_jump {text!r} is neither a host of the inventory nor [user@]host[:port]"
        )
    ssh = target.entry.ssh.model_copy(
        update={"password": None, "fingerprint": None, "proxy_jump": None}
    )
    port = int(match["port"]) if match["port"] else None
    user = match["user"] or target.defaults.user
    login, _ = _plain_login(target, ssh, match["host"].strip("[]"), user, port)
    return replace(login, name=text)
