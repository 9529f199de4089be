"""How the ssh program is called: its arguments, and the files that it reads, host by host.

What the inventory says stands on the command line, where it wins, and does not reach the jump hosts
of the user's own configuration. What we merely prefer stands in a file after that configuration.
"""

from __future__ import annotations

import functools
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.inventory.model import Host, Ssh
from pytest_sysaudit.inventory.target import Kind, Target

_JUMP = re.compile(
    r"^(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:@\[\]]+)(?::(?P<port>\d+))?$"
)
_VERSION = re.compile(r"OpenSSH_(\d+)\.(\d+)")
_CARET = (8, 1)  # the first release that puts algorithms first without naming all others
_KEY_COMMAND = (8, 5)
#: Half as dear for us as what ssh itself prefers, or a tenth (sntrup761), and as sound.
_KEX = "curve25519-sha256"

#: An audit asks nobody, forwards nothing, leaves nothing behind and records nothing by itself.
_ALWAYS = (
    "BatchMode=yes",
    "RequestTTY=no",
    "RemoteCommand=none",
    "EscapeChar=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "AddKeysToAgent=no",
    "UpdateHostKeys=no",
    "ControlMaster=no",
    "ControlPersist=no",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
)
#: KnownHostsCommand: %f %H %t %K are fingerprint, name, type and key of the server.
_PIN = """[ "$1" != "$0" ] || printf '%s %s %s\\n' "$2" "$3" "$4"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One login on the way, to the host itself or to a jump host of the inventory.

    Attributes:
        name: how messages call it: the target's name, or ``web1: jump host bastion``.
        host: the name or address as it is typed.
        argv: the ssh program and its options, without host and command.
        log: the file where ssh tells what it does.
        fingerprint: what the inventory pins.
        known_hosts: the file that the inventory names.
    """

    name: str
    host: str
    argv: tuple[str, ...]
    log: Path
    fingerprint: str | None
    known_hosts: Path | None

    def option(self, *words: str) -> tuple[str, ...]:
        """Return `argv` with the further options *words*, which win."""
        return (self.argv[0], *words, *self.argv[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to one host.

    Attributes:
        target: the last step.
        hops: the jump hosts that the inventory names, the first one first.
        user: who logs in, if the inventory says so.
        connect_timeout, auth_timeout: seconds for each step.
        open_timeout: seconds until a shell answers.
    """

    target: Step
    hops: tuple[Step, ...]
    user: str | None
    connect_timeout: float
    auth_timeout: float
    open_timeout: float


@functools.lru_cache(maxsize=4)  # one question for all hosts
def version(program: str) -> tuple[int, int]:
    """Return the version of OpenSSH that *program* is; (0, 0) if it does not say so."""
    try:
        done = subprocess.run(
            [program, "-V"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return 0, 0
    found = _VERSION.search(done.stderr + done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class Router:
    """Finds the route to a target.

    Args:
        targets: every target by name.
        folder: a private one, for the files that ssh reads and writes.
    """

    def __init__(self, targets: Mapping[str, Target], folder: Path) -> None:
        self._targets = targets
        self._folder = folder
        self._steps = 0

    def route(self, target: Target) -> Route:
        """Return the way to *target*.

        Raises:
            Unreachable: the inventory asks for what cannot be, or there is no ssh program.
        """
        program = shutil.which("ssh")
        if program is None:
            raise Unreachable(
                f"{target.name}: there is no ssh program in PATH, which connection: openssh needs; "
                "install OpenSSH's client, or use connection: ssh"
            )
        self._program, self._version = program, version(program)
        try:
            steps = self._way(target, (target.name,))
        except Unreachable as error:
            if str(error).startswith(f"{target.name}: "):
                raise
            raise Unreachable(f"{target.name}: {error}") from error
        first = f"{target.name}: jump host "
        hops = [replace(step, name=first + step.name) for step in steps[:-1]]
        return Route(
            target=steps[-1],
            hops=tuple(hops),
            user=target.setting("user"),
            connect_timeout=target.setting("connect_timeout"),
            auth_timeout=target.setting("auth_timeout"),
            open_timeout=target.setting("open_timeout"),
        )

    def _way(self, target: Target, trail: tuple[str, ...]) -> list[Step]:
        """Return the steps to *target*, which is the last one."""
        entry = target.entry
        if target.kind is not Kind.SSH or not isinstance(entry, Host):
            raise Unreachable(f"{trail[0]}: {target.name} is not a host reached over ssh")
        jump = entry.ssh.proxy_jump
        if jump is None:
            return [self._step(target, entry.ssh, entry.address or target.name, ())]
        if jump.lower() == "none":
            direct = ("ProxyJump=none", "ProxyCommand=none")
            return [self._step(target, entry.ssh, entry.address or target.name, direct)]
        steps: list[Step] = []
        for item in (part.strip() for part in jump.split(",")):
            known = self._targets.get(item)
            if known is not None and item in trail:
                circle = " -> ".join((*trail, item))
                raise Unreachable(f"{trail[0]}: proxy_jump goes in a circle: {circle}")
            if known is not None and not steps:
                steps = self._way(known, (*trail, item))
            elif known is not None:
                way = self._way(known, (*trail, item))
                argv = way[-1].option(*_options(_proxy(steps[-1])))
                steps.append(replace(way[-1], argv=argv))
            else:
                steps.append(self._stranger(item, target, trail[0], steps))
        last = self._step(target, entry.ssh, entry.address or target.name, _proxy(steps[-1]))
        return [*steps, last]

    def _stranger(self, text: str, target: Target, name: str, before: Sequence[Step]) -> Step:
        """Return the step to a jump host that is not in the inventory: our key, and known hosts."""
        match = _JUMP.match(text)
        if match is None or not isinstance(target.entry, Host):
            raise Unreachable(
                f"{name}: proxy_jump {text!r} is neither a host of the inventory nor "
                "[user@]host[:port]"
            )
        ssh = target.entry.ssh.model_copy(update={"fingerprint": None, "proxy_jump": None})
        entry = Host(
            address=match["host"].strip("[]"),
            port=int(match["port"]) if match["port"] else None,
            user=match["user"] or target.defaults.user,
            ssh=ssh,
            connect_timeout=target.setting("connect_timeout"),
        )
        stranger = Target(
            name=text, kind=Kind.SSH, entry=entry, defaults=target.defaults, base=target.base
        )
        proxy = _proxy(before[-1]) if before else ()
        return self._step(stranger, ssh, entry.address or "", proxy)

    def _step(self, target: Target, ssh: Ssh, host: str, proxy: Sequence[str]) -> Step:
        self._refuse_secrets(target, ssh)
        self._steps += 1
        stem = self._folder / f"{self._steps}"
        known = target.path(ssh.known_hosts) if ssh.known_hosts is not None else None
        user, port = target.setting("user"), getattr(target.entry, "port", None)
        options = [
            *_ALWAYS,
            f"ConnectTimeout={ceil(target.setting('connect_timeout') * self._steps)}",
            *([f"User={user}"] if user else []),
            *([f"Port={port}"] if port else []),
            *self._keys(target, ssh),
            *self._host_keys(target, ssh, known, stem),
            *proxy,
        ]
        config = stem.with_suffix(".conf")
        config.write_text(self._config(target, ssh), "utf-8")
        log = stem.with_suffix(".log")
        level = "-vv" if ssh.fingerprint else "-v"
        program = (self._program, "-T", level, "-E", str(log))
        return Step(
            name=target.name,
            host=host,
            argv=(*program, "-F", str(config), *_options(options)),
            log=log,
            fingerprint=ssh.fingerprint,
            known_hosts=known,
        )

    @staticmethod
    def _refuse_secrets(target: Target, ssh: Ssh) -> None:
        for key in ("password", "key_passphrase"):
            if getattr(ssh, key) is not None:
                raise Unreachable(
                    f"{target.name}: ssh.{key} cannot be given to the ssh program (connection: "
                    "openssh), which asks a person for it; use a key of the ssh agent, or "
                    "connection: ssh"
                )

    @staticmethod
    def _keys(target: Target, ssh: Ssh) -> list[str]:
        options = [] if ssh.agent else ["IdentityAgent=none"]
        if ssh.key_file is None:
            return options
        path = target.path(ssh.key_file)
        if not path.is_file():
            raise Unreachable(f"{target.name}: there is no key file {path}")
        others = ssh.agent and "agent" in ssh.model_fields_set
        only = f"IdentitiesOnly={'no' if others else 'yes'}"
        return [*options, f"IdentityFile={_word(path)}", only]

    def _host_keys(self, target: Target, ssh: Ssh, known: Path | None, stem: Path) -> list[str]:
        """Return what decides about host keys."""
        if ssh.fingerprint is not None:
            return self._pin(target, ssh.fingerprint, stem)
        policy = "accept-new" if ssh.host_key_policy == "accept-new" else "yes"
        options = [f"StrictHostKeyChecking={policy}"]
        if known is None:
            return options
        if policy == "accept-new":
            known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return [
            *options,
            f"UserKnownHostsFile={_word(known)}",
            "GlobalKnownHostsFile=/dev/null",
        ]

    def _pin(self, target: Target, fingerprint: str, stem: Path) -> list[str]:
        """Let ssh ask a script that knows the one fingerprint, and nothing else."""
        if self._version < _KEY_COMMAND:
            raise Unreachable(
                f"{target.name}: this ssh program is older than OpenSSH 8.5 and cannot pin a host "
                "key (ssh.fingerprint); name a file in ssh.known_hosts, or use connection: ssh"
            )
        script = stem.with_suffix(".pin")
        script.write_text(_PIN)
        pinned = fingerprint.rstrip("=")
        shell = f'/bin/sh -c ". {script}" {pinned} %f %H %t %K'
        return [
            "StrictHostKeyChecking=yes",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "VerifyHostKeyDNS=no",
            f"KnownHostsCommand={shell}",
        ]

    def _config(self, target: Target, ssh: Ssh) -> str:
        """Return the configuration: the user's own, and after it what we prefer."""
        if ssh.config_file is None:
            usual = (Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config"))
            files = [path for path in usual if path.is_file()]
        elif ssh.config_file == "none":
            files = []
        else:
            files = [target.path(ssh.config_file)]
            if not files[0].is_file():
                raise Unreachable(f"{target.name}: there is no file {files[0]} (ssh.config_file)")
        lines = [f'Include "{path}"' for path in files]
        if self._version >= _CARET:
            lines += ["Host *", f"KexAlgorithms ^{_KEX}"]
        return "".join(f"{line}\n" for line in lines)


def _options(options: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for option in options for word in ("-o", option))


def _word(path: Path) -> str:
    """Return *path* as ssh's options take it."""
    text = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _proxy(hop: Step) -> tuple[str, ...]:
    """Return the options for what is reached through *hop*."""
    command = shlex.join([*hop.argv, "-W", "[HOST]:PORT", "--", hop.host])
    command = command.replace("%", "%%").replace("[HOST]:PORT", "[%h]:%p")
    return (f"ProxyCommand={command}",)
