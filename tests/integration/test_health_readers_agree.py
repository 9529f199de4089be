"""The two readers of health, psutil and the shell, say the same about the same machine."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from lab.sshd import Sshd, needs_sshd

import pytest_sysaudit
from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts import open_facts, sockets
from pytest_sysaudit.facts.health_shell import read_there
from pytest_sysaudit.host import Host
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport import open_transport
from pytest_sysaudit.transport.local import LocalTransport

MEGABYTE = 1 << 20


def here():
    return LocalTransport(
        Target(name="here", kind=Kind.LOCAL, entry=model.Host(connection="local"))
    )


@contextlib.contextmanager
def shell_host(way, folder):
    """This machine, as a host without python is read."""
    if way == "local shell":
        yield read_there(open_facts(here()))
        return
    with Sshd(folder) as server:
        host = Host(target := server.target(), open_transport(target, None, {}))
        try:
            yield host.health
        finally:
            host.close()


@pytest.fixture(scope="module", params=["local shell", pytest.param("ssh", marks=needs_sshd)])
def pair(request, tmp_path_factory):
    """The health from psutil and from the shell, with sockets of every kind open."""
    with contextlib.ExitStack() as stack:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                opened = stack.enter_context(socket.socket(family, kind))
                opened.bind((address, 0))
                if kind == socket.SOCK_STREAM:
                    opened.listen()
        both = stack.enter_context(socket.create_server(("", 0), family=socket.AF_INET6))
        assert both.getsockname()[0] == "::"
        folder = tmp_path_factory.mktemp("sshd")
        shell = stack.enter_context(shell_host(request.param, folder))
        yield open_facts(here()).health, shell


def test_what_does_not_move_is_equal(pair):
    psutil, shell = pair
    assert psutil.cpu_count == shell.cpu_count == os.cpu_count()
    assert psutil.memory.total == shell.memory.total
    assert psutil.swap.total == shell.swap.total
    assert psutil.boot_time == shell.boot_time


def test_what_moves_is_near(pair):
    psutil, shell = pair
    assert abs(psutil.memory.available - shell.memory.available) < 1024 * MEGABYTE
    assert abs(psutil.swap.used - shell.swap.used) < 256 * MEGABYTE
    assert abs(psutil.uptime - shell.uptime) < 60
    assert abs(psutil.load.one - shell.load.one) < 5
    assert abs(psutil.load_per_core - shell.load_per_core) < 2
    assert abs(psutil.processes.count - shell.processes.count) < 60
    for health in pair:
        assert 0 <= health.cpu_percent <= 100


def test_disks_are_the_same(pair):
    psutil, shell = ({disk.mount: disk for disk in health.disks} for health in pair)
    assert "/" in psutil
    assert set(psutil) == set(shell)
    for mount, one in psutil.items():
        other = shell[mount]
        assert (one.device, one.fstype, one.total) == (other.device, other.fstype, other.total)
        assert one.inodes_total == other.inodes_total
        assert abs(one.used_percent - other.used_percent) < 5
        assert (one.inodes_percent is None) == (other.inodes_percent is None)


def test_listening_sockets_are_the_same(pair):
    psutil, shell = (
        {(item.protocol, item.address, item.port, item.pid) for item in health.listening}
        for health in pair
    )
    ours = {item for item in psutil if item[3] == os.getpid()}
    assert len(ours) == 5
    assert ours == {item for item in shell if item[3] == os.getpid()}


def test_logins_are_the_same_or_unknown_to_both(pair):
    answers = []
    for health in pair:
        try:
            answers.append(health.users)
        except CannotAssess:
            answers.append(None)
    assert answers[0] == answers[1]


def test_sockets_are_found_without_ss_too(tmp_path):
    """The same script, on a PATH with everything but ss."""
    from pytest_sysaudit.facts import health_shell

    for name in ("sed", "sh"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = here().run(f"PATH={tmp_path}\n{sockets.SCRIPT}")
        assert result.stdout.startswith(b"proc\n")
        found = health_shell.listening(result)
    assert {"protocol": "tcp", "address": "127.0.0.1", "port": port} in found


#: Mounts that are traps, and then the disks that each reader sees.
MOUNTS = """set -e
mount --make-rprivate /
cd "$1"
mkdir -p 'a b' 'b bind' top/hidden
mount -t tmpfs -o size=4m,nr_inodes=10 none 'a b'
mount --bind 'a b' 'b bind'
mount -t tmpfs none top/hidden
mount -t tmpfs -o size=1m none top
for i in 1 2 3 4 5 6 7 8 9; do : >"a b/$i"; done
head -c 3145728 /dev/zero >'a b/1'
cd /
exec "$2" -c "$3"
"""
READ = """
import json
from pytest_sysaudit.facts import open_facts
from pytest_sysaudit.facts.health_shell import read_there
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport.local import LocalTransport

here = Target(name="here", kind=Kind.LOCAL, entry=model.Host(connection="local"))
facts = open_facts(LocalTransport(here))
print(json.dumps([
    {disk.mount: [disk.used_percent, disk.inodes_percent] for disk in health.disks}
    for health in (facts.health, read_there(facts))
]))
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems in a namespace of its own")
def test_a_full_file_system_is_seen_by_both_readers(tmp_path):
    """One with a blank in its path and without inodes left, a bind mount of it, a hidden one."""
    root = str(Path(pytest_sysaudit.__file__).parents[1])
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", MOUNTS, "sh", str(tmp_path), sys.executable, READ],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for disks in json.loads(done.stdout):
        ours = {path.removeprefix(str(tmp_path)): disk for path, disk in disks.items()}
        assert ours["/a b"] == [75, 100]
        assert ours["/top"][0] == 0
        assert not {"/b bind", "/top/hidden"} & set(ours)
