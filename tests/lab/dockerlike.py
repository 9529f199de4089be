"""What looks like Docker: a socket, a process with its pid file, a command that answers."""

from __future__ import annotations

from lab.plant import unit, write

_COMMAND = """#!/bin/sh
if [ "$(id -u)" != 0 ]; then
echo 'permission denied while trying to connect to the Docker daemon socket' >&2
exit 1
fi
case "$*" in
*' network '*) cat /etc/lab/docker-bridge ;;
*' info '*) cat /etc/lab/docker-info ;;
*' ps '*) echo 1f2e3d4c5b6a ;;
*' inspect '*) cat /etc/lab/docker-containers ;;
*) exit 1 ;;
esac"""
_WEAK = {
    "info": (
        '{"live_restore":false,"security":["name=seccomp,profile=builtin"],"registry":'
        '{"InsecureRegistryCIDRs":["127.0.0.0/8"],"IndexConfigs":{"registry.example.org:5000":'
        '{"Secure":false}}},"logging":"json-file","swarm":"inactive"}'
    ),
    "bridge": '{"com.docker.network.bridge.enable_icc":"true"}',
    "containers": (
        '{"name":"/mighty","privileged":true,"mounts":'
        '[{"Type":"bind","Source":"/","Destination":"/host","RW":true}]}'
    ),
}
_HARDENED = {
    "info": (
        '{"live_restore":true,"security":["name=seccomp,profile=builtin","name=userns",'
        '"name=no-new-privileges"],"registry":{"InsecureRegistryCIDRs":["127.0.0.0/8"],'
        '"IndexConfigs":{"docker.io":{"Secure":true}}},"logging":"local","swarm":"inactive"}'
    ),
    "bridge": '{"com.docker.network.bridge.enable_icc":"false"}',
    "containers": (
        '{"name":"/meek","privileged":false,"mounts":'
        '[{"Type":"volume","Source":"/srv/data","Destination":"/data","RW":true}]}'
    ),
}


def docker(*, weak: bool) -> str:
    """Return the lines that make it, safe or as unsafe as it can be."""
    mode = "SocketMode=0666" if weak else "SocketMode=0660\nSocketGroup=docker"
    words = "dockerd -H tcp://0.0.0.0:2375" if weak else "dockerd -H fd://"
    loop = f"echo $$$$ >/run/docker.pid; while :; do sleep 1000; done' {words}"
    answers = _WEAK if weak else _HARDENED
    return "\n".join(
        [
            "getent group docker >/dev/null || groupadd docker",
            write("/usr/local/bin/docker", _COMMAND, mode="0755"),
            *(write(f"/etc/lab/docker-{name}", text) for name, text in answers.items()),
            unit("docker.socket", f"[Socket]\nListenStream=/run/docker.sock\n{mode}", start=True),
            unit("docker.service", f"[Service]\nExecStart=/bin/bash -c '{loop}", start=True),
        ]
    )
