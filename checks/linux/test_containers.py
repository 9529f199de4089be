"""Docker and Podman: who may command them, and what their containers may do to the host."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

import pytest

from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

SOCKETS = (
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
)
#: What a container that has it can turn into root on the host.
HOST_PATHS = (
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/etc/cron.d",
    "/etc/ssh",
    "/etc/sudoers.d",
    "/etc/systemd/system",
    "/lib",
    "/proc",
    "/root",
    "/root/.ssh",
    "/sbin",
    "/usr",
    "/usr/bin",
    "/usr/local/bin",
    "/usr/sbin",
    "/var",
    "/var/lib",
    "/var/spool/cron",
    "/run",
    "/var/run",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/run/docker.sock",
    *SOCKETS,
)


#: Capabilities that are as much as all of them.
POWERS = ("ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF")


def _settings(host, audit):
    """Return what /etc/docker/daemon.json says."""
    text = host.facts.texts["/etc/docker/daemon.json"].get("/etc/docker/daemon.json", "")
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError:
        audit.cannot_assess("/etc/docker/daemon.json is no JSON")
    if not isinstance(found, dict):
        audit.cannot_assess("/etc/docker/daemon.json holds no settings")
    return found


@pytest.mark.control(
    "container.socket",
    severity="critical",
    inputs={"groups": ["docker", "root"]},
)
def test_runtime_sockets_are_private(host, audit):
    """Only root and the runtime's own group can talk to a container runtime.

    Why: who may start a container may start one with the whole host in it.

    Fix: `chown root:docker` and `chmod 0660` the socket, and SocketMode and SocketGroup of the
    unit that makes it.
    """
    host.facts.paths.ask(SOCKETS)
    bad, found = [], [path for path in SOCKETS if host.facts.paths[path].holds("S")]
    bad += [why for path in found if (why := _too_open(host, path, audit.inputs.groups))]
    assert not bad, f"expected: 0660 root:docker or stricter; found: {listed(bad)}"
    asked = [path for path in _own_sockets(host, audit) if path not in SOCKETS]
    host.facts.paths.ask(asked)
    more = [path for path in asked if host.facts.paths[path].holds("S")]
    if not audit.observe("sockets", [*found, *more]):
        audit.not_applicable("there is no socket of a container runtime here")
    bad = [why for path in more if (why := _too_open(host, path, audit.inputs.groups))]
    assert not bad, f"expected: 0660 root:docker or stricter; found: {listed(bad)}"


def _own_sockets(host, audit):
    """Return the sockets that Docker was told to listen on."""
    docker, settings = host.facts.containers.docker, _settings(host, audit)
    hosts = [*(docker.option("-H", "--host") if docker else ()), *settings.get("hosts", ())]
    paths = [each.removeprefix("unix://") for each in hosts if each.startswith("unix://")]
    return dict.fromkeys(path.replace("/var/run/", "/run/", 1) for path in paths if path)


def _too_open(host, path, groups):
    """Return mode and owners of a socket that others may write to; "" if none may."""
    file = host.facts.paths[path]
    if file.details is None:
        raise file.error
    known = file.details
    group = known.group if known.permissions & 0o070 else "root"
    if known.permissions & ~0o660 or known.uid or group not in groups:
        return f"{path}: {known.permissions:04o} {known.user}:{known.group}"
    return ""


@pytest.mark.control(
    "container.tcp",
    severity="critical",
    inputs={"plain_ports": [2375], "other_ports": [2377, 7946, 9323]},
)
def test_runtimes_are_not_open_to_the_network(host, audit):
    """No container runtime takes commands over TCP without client certificates.

    Why: whoever reaches the port is root on this host; on loopback, that is every local user.

    Fix: remove `tcp://` from `hosts` in /etc/docker/daemon.json and from the unit, and use
    `ssh://`; or set tlsverify. The input `other_ports` has those of swarms and metrics.
    """
    table, settings = host.facts.containers, _settings(host, audit)
    docker, bad = table.docker, []
    tls = settings.get("tlsverify") is True or bool(docker and docker.flag("--tlsverify"))
    hosts = [*(docker.option("-H", "--host") if docker else ()), *settings.get("hosts", ())]
    audit.observe("hosts", hosts)
    if docker and not tls:
        bad += [f"dockerd listens on {each}" for each in hosts if each.startswith("tcp:")]
    for item in host.facts.sockets:
        dockers = docker and not tls and "dockerd" in item.processes
        plain = docker and not item.processes and item.port in audit.inputs.plain_ports
        if item.protocol == "tcp" and (
            plain
            or "podman" in item.processes
            or (dockers and item.port not in audit.inputs.other_ports)
        ):
            bad.append(str(item))
    assert not bad, f"commands over TCP without TLS: {listed(bad)}"
    if docker is None and not table.podman:
        audit.not_applicable("neither docker nor podman runs here")


@pytest.mark.control(
    "container.daemon",
    severity="medium",
    inputs={
        "required": [
            "live-restore",
            "icc",
            "log-limits",
            "no-new-privileges",
            "insecure-registries",
            "user-namespaces",
        ]
    },
)
def test_docker_is_set_up_for_safety(host, audit):
    """Docker keeps containers apart from each other, from the host, and from its own restarts.

    Why: its defaults let containers talk to each other, fill the disk with logs, and be root.

    Fix: in /etc/docker/daemon.json set `"live-restore": true, "icc": false, "userns-remap":
    "default", "no-new-privileges": true, "log-opts": {"max-size": "10m"}`, remove
    `insecure-registries`, and restart it. Drop what you cannot have from the input `required`.
    """
    docker = host.facts.containers.docker
    if docker is None:
        audit.not_applicable("docker does not run here")
    settings = _settings(host, audit)
    log_options = [*settings.get("log-opts", {}), *docker.option("--log-opt")]
    unprivileged = docker.flag("--no-new-privileges") or settings.get("no-new-privileges")
    found = {
        "live-restore": docker.live_restore or docker.swarm,
        "icc": docker.bridge is None
        or docker.bridge.get("com.docker.network.bridge.enable_icc") == "false",
        "log-limits": docker.logging != "json-file"
        or any(option.startswith("max-size") for option in log_options),
        "no-new-privileges": "no-new-privileges" in docker.security or bool(unprivileged),
        "insecure-registries": not docker.insecure,
        "user-namespaces": bool({"userns", "rootless"} & docker.security),
    }
    audit.observe("in force", found)
    bad = [name for name in audit.inputs.required if not found[name]]
    wanted = {
        "live-restore": settings.get("live-restore") is True,
        "icc": settings.get("icc") is False,
        "user-namespaces": bool(settings.get("userns-remap")),
    }
    late = [name for name in bad if wanted.get(name)]
    hint = f"; daemon.json has {listed(late)}, but it is not in force" if late else ""
    assert not bad, f"not in force: {listed(bad)}{hint}"


@pytest.mark.control(
    "container.privileged",
    severity="high",
    inputs={"paths": list(HOST_PATHS), "powers": list(POWERS), "allowed": []},
)
def test_containers_are_kept_in(host, audit):
    """No container is privileged, or has the whole host or the runtime's socket in it.

    Why: who breaks into such a container owns the host.

    Fix: give it the one capability, device or folder that it needs. The inputs `paths` and `powers`
    are folders and capabilities that none may have, `allowed` patterns of names of containers that
    may.
    """
    table = host.facts.containers
    bad = []
    for one in table.containers:
        if any(fnmatchcase(one.name, pattern) for pattern in audit.inputs.allowed):
            continue
        if one.privileged:
            bad.append(f"{one.name} is privileged")
        sources = [mount for mount in one.mounts if mount.source in audit.inputs.paths]
        bad += [f"{one.name} has {mount}" for mount in sources]
        bad += [f"{one.name} has {power}" for power in sorted(one.powers & {*audit.inputs.powers})]
    audit.observe("containers", [one.name for one in table.containers])
    assert not bad, f"not kept in: {listed(bad)}"
    if table.docker is None and not table.podman:
        if table.others:
            audit.cannot_assess(f"only docker and podman can be asked, not {listed(table.others)}")
        audit.not_applicable("neither docker nor podman runs here")
