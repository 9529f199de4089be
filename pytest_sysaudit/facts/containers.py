"""What Docker and Podman run, and how Docker itself is set up; those of root only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_sysaudit.errors import Denied, Incomplete
from pytest_sysaudit.facts.reading import ROOT_ONLY, script
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_INFO = (
    '{"live_restore":{{json .LiveRestoreEnabled}},"security":{{json .SecurityOptions}},'
    '"registry":{{json .RegistryConfig}},"logging":{{json .LoggingDriver}},'
    '"swarm":{{json .Swarm.LocalNodeState}}}'
)
_CONTAINER = (
    '{"name":{{json .Name}},"privileged":{{json .HostConfig.Privileged}},"mounts":{{json .Mounts}},'
    '"caps":{{json .HostConfig.CapAdd}}}'
)
#: Nothing is started by being asked: Docker only where its daemon runs, Podman only where something
#: of it ran since the host was started. A snap keeps Docker's pid elsewhere. Environments of
#: containers, which hold secrets, stay there.
_SCRIPT = Script(f"""p=
[ ! -r /run/docker.pid ] || read -r p </run/docker.pid || :
[ -n "$p" ] && [ -e "/proc/$p/cmdline" ] || {{
p=
[ ! -S /run/docker.sock ] || for f in /proc/[0-9]*/comm; do
n=
{{ read -r n <"$f"; }} 2>/dev/null
[ "$n" != dockerd ] || {{ p=${{f%/comm}}; p=${{p#/proc/}}; }}
done
}}
if [ -n "$p" ]; then
echo @arguments
tr '\\0\\n' '\\n ' <"/proc/$p/cmdline" || exit
command -v docker >/dev/null || {{ echo 'docker: not found, but its daemon runs' >&2; exit 1; }}
d='docker -H unix:///run/docker.sock'
echo @info
$d info --format '{_INFO}' || exit
echo @bridge
m=$($d network inspect bridge --format '{{{{json .Options}}}}' 2>&1) || case $m in
*'No such network'*|*'not found'*) m=null;;
*) echo "$m" >&2; exit 1;;
esac
echo "$m"
echo @docker
l=$($d ps -q --no-trunc) || exit
[ -z "$l" ] || $d inspect --type container --format '{_CONTAINER}' $l || [ $? = 1 ] || exit
fi
[ ! -d /run/libpod ] || [ -x /run/libpod ] || exit {ROOT_ONLY}
if [ -e /run/libpod/alive ]; then
command -v podman >/dev/null || {{ echo 'podman: not found, but it was in use' >&2; exit 1; }}
echo @podman
l=$(podman ps -q --no-trunc) || exit
[ -z "$l" ] || podman inspect --type container --format '{_CONTAINER}' $l || [ $? = 1 ] || exit
fi
echo @others
for s in /run/containerd/containerd.sock /run/crio/crio.sock; do
[ ! -S $s ] || echo $s
done
echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
#: A container that ended while we looked.
_GONE = re.compile("no such", re.IGNORECASE)
_REFUSED = ("permission denied", "must be root", "rootless")


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host that a container sees."""

    source: str
    target: str
    writable: bool

    def __str__(self) -> str:
        return f"{self.source} on {self.target}{'' if self.writable else ' (read-only)'}"


@dataclass(frozen=True, slots=True)
class Container:
    """A container that runs; ``runtime`` is docker or podman.

    ``powers`` are capabilities that it was given beyond the usual ones: ``SYS_ADMIN``, ``ALL``.
    """

    name: str
    runtime: str
    privileged: bool
    mounts: tuple[Mount, ...]
    powers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Docker:
    """Docker's daemon, as it says itself.

    Attributes:
        arguments: its command line.
        live_restore: containers outlive it.
        security: ``apparmor``, ``seccomp``, ``userns``, ``rootless``, ``no-new-privileges`` ...
        insecure: registries that it asks without TLS.
        logging: where the output of containers goes: ``json-file``.
        swarm: it is a node of a swarm.
        bridge: options of its default network; None: it has none.
    """

    arguments: tuple[str, ...]
    live_restore: bool
    security: frozenset[str]
    insecure: tuple[str, ...]
    logging: str
    swarm: bool
    bridge: Mapping[str, str] | None

    def option(self, *names: str) -> tuple[str, ...]:
        """Return the values that its arguments give an option: ``option("--host", "-H")``."""
        found = []
        for place, word in enumerate(self.arguments):
            name, equals, value = word.partition("=")
            if name in names and equals:
                found.append(value)
            elif name in names:
                found.append("".join(self.arguments[place + 1 : place + 2]))
            elif any(word.startswith(n) for n in names if not n.startswith("--")):
                found.append(word[2:])
        return tuple(found)

    def flag(self, name: str) -> bool:
        """Whether its arguments switch on what needs no value: ``flag("--tlsverify")``."""
        words = [word for word in self.arguments if word.partition("=")[0] == name]
        return bool(words) and words[-1].partition("=")[2] not in ("false", "0")


@dataclass(frozen=True, slots=True)
class Containers:
    """What runs.

    Attributes:
        docker: None if no daemon of Docker runs.
        podman: Podman was used since the host was started.
        containers: those of Docker and Podman.
        others: sockets of runtimes that are not asked: containerd, CRI-O.
    """

    docker: Docker | None = None
    podman: bool = False
    containers: tuple[Container, ...] = ()
    others: tuple[str, ...] = ()


def parse(result: CommandResult) -> Containers:
    """Parse the output of the reading script.

    Raises:
        Denied: the daemon does not talk to us.
        Incomplete: it is cut.
        ValueError: it has an unknown format.
    """
    if not result.ok and any(word in result.err.lower() for word in _REFUSED):
        raise Denied("containers: only root may ask docker and podman")
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in script(result, "containers").splitlines():
        if line.startswith("@"):
            lines = sections.setdefault(line, [])
        else:
            lines.append(line)
    if any(line.startswith("Error") and not _GONE.search(line) for line in result.err.splitlines()):
        raise Incomplete("containers: not all of them could be asked")
    if "@end" not in sections or "@others" not in sections:
        raise Incomplete("containers: the output is not whole (its end mark is missing)")
    found = [*_containers("docker", sections), *_containers("podman", sections)]
    docker = _docker(sections) if "@arguments" in sections else None
    return Containers(docker, "@podman" in sections, tuple(found), tuple(sections["@others"]))


def _docker(sections: Mapping[str, Sequence[str]]) -> Docker:
    info = json.loads("\n".join(sections["@info"]))
    options = [part for text in info["security"] or () for part in text.split(",")]
    return Docker(
        arguments=tuple(sections["@arguments"]),
        live_restore=info["live_restore"],
        security=frozenset(x.removeprefix("name=") for x in options),
        insecure=tuple(_insecure(info["registry"] or {})),
        logging=info["logging"],
        swarm=info["swarm"] == "active",
        bridge=json.loads("\n".join(sections["@bridge"])),
    )


def _insecure(registry: Mapping[str, Any]) -> Iterable[str]:
    """Return the registries without TLS; this host's own are always among them."""
    own = ("127.0.0.0/8", "::1/128")
    networks = [x for x in registry.get("InsecureRegistryCIDRs") or () if x not in own]
    indexes = (registry.get("IndexConfigs") or {}).items()
    return [*networks, *(name for name, index in indexes if not index["Secure"])]


def _containers(runtime: str, sections: Mapping[str, Sequence[str]]) -> Iterable[Container]:
    for line in sections.get(f"@{runtime}", ()):
        if line.strip():
            row = json.loads(line)
            mounts = (
                Mount(one.get("Source") or "", one["Destination"], bool(one.get("RW")))
                for one in row["mounts"] or ()
            )
            name = row["name"].removeprefix("/")
            powers = frozenset(x.upper().removeprefix("CAP_") for x in row.get("caps") or ())
            yield Container(name, runtime, bool(row["privileged"]), tuple(mounts), powers)


def read(facts: Facts) -> Containers:
    """Ask those that run."""
    return parse(facts.run(_SCRIPT))
