"""Jump hosts: each hop has its own settings, host key and login, and its own name in errors."""

from __future__ import annotations

import contextlib

import pytest
from lab import faults
from lab.sshd import Secrets, Sshd, make_key, needs_sshd, ssh_target, wait_until

from pytest_sysaudit.errors import HostKeyError, LoginRefused, Unreachable
from pytest_sysaudit.transport.ssh import open_ssh

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Three servers: the host behind, and two on the way."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(Sshd(tmp_path_factory.mktemp(name)))
            for name in ("inner", "outer", "edge")
        ]


def via(server: Sshd, jump: str, name: str = "web1", **ssh):
    return server.target(name, ssh={"proxy_jump": jump, **ssh})


def logins(*servers: Sshd) -> list[int]:
    return [server.logged("Accepted publickey") for server in servers]


def reason(kind, target, *others) -> str:
    with pytest.raises(kind) as caught:
        open_ssh(target, Secrets(), {other.name: other for other in (target, *others)})
    return str(caught.value)


def test_through_an_inventory_host(servers):
    inner, outer, _ = servers
    before = logins(inner, outer)
    host = open_ssh(via(inner, "bastion"), Secrets(), {"bastion": outer.target("bastion")})
    assert host.run(["echo", "far away"]).out == "far away\n"
    assert host.read("/etc/hostname")
    assert host.identity["host_key"] == inner.fingerprint
    host.close()
    assert (inner.logged("Accepted publickey"), outer.logged("Accepted publickey")) == (
        before[0] + 1,
        before[1] + 1,
    )
    wait_until(lambda: not outer.session_pids() and not inner.session_pids(), what="both closed")


def test_through_a_chain_of_inventory_hosts(servers):
    inner, outer, edge = servers
    targets = {"bastion": via(outer, "edge", "bastion"), "edge": edge.target("edge")}
    host = open_ssh(via(inner, "bastion"), Secrets(), targets)
    assert host.run("echo $SSH_CONNECTION").ok
    assert edge.session_pids()
    assert outer.session_pids()
    host.close()
    wait_until(lambda: not edge.session_pids() and not outer.session_pids(), what="all closed")


def test_through_a_list(servers):
    inner, outer, edge = servers
    targets = {"bastion": outer.target("bastion"), "edge": edge.target("edge")}
    before = edge.logged("Accepted publickey")
    host = open_ssh(via(inner, "edge,bastion"), Secrets(), targets)
    assert host.run(["true"]).ok
    host.close()
    assert edge.logged("Accepted publickey") == before + 1


def test_through_a_host_that_is_not_in_the_inventory(servers, tmp_path):
    inner, outer, _ = servers
    outer.authorize(inner.key)
    both = tmp_path / "known_hosts"
    both.write_text(inner.known_hosts.read_text() + outer.known_hosts.read_text())
    jump = f"{outer.user}@{outer.address}:{outer.port}"
    host = open_ssh(via(inner, jump, known_hosts=str(both)), Secrets(), {})
    assert host.run(["true"]).ok
    host.close()


def test_through_a_jump_host_of_ssh_config(servers, tmp_path):
    inner, outer, _ = servers
    outer.authorize(inner.key)
    (tmp_path / "known_hosts").write_text(
        inner.known_hosts.read_text() + outer.known_hosts.read_text()
    )
    (tmp_path / "config").write_text(
        f"Host shop\n  HostName 127.0.0.1\n  Port {inner.port}\n  ProxyJump gate\n"
        f"Host gate\n  HostName 127.0.0.1\n  Port {outer.port}\n  User {outer.user}\n"
        f"Host *\n  IdentityFile {inner.key}\n  UserKnownHostsFile {tmp_path}/known_hosts\n"
    )
    before = outer.logged("Accepted publickey")
    ssh = {"config_file": str(tmp_path / "config"), "key_file": None, "known_hosts": None}
    host = open_ssh(inner.target(address="shop", port=None, ssh=ssh), Secrets(), {})
    assert host.run(["true"]).ok
    host.close()
    assert outer.logged("Accepted publickey") == before + 1


def test_password_of_the_host_is_not_offered_to_a_strange_jump_host(servers):
    inner, outer, _ = servers
    jump = f"{outer.user}@{outer.address}:{outer.port}"
    target = via(inner, jump, key_file=None, password="env:PASSWORD", fingerprint=None)
    secrets = Secrets(PASSWORD="for the host alone")
    with pytest.raises(Unreachable, match="jump host"):
        open_ssh(target, secrets, {})
    assert secrets.asked == []


def test_circle(servers):
    inner, outer, _ = servers
    text = reason(Unreachable, via(inner, "bastion"), via(outer, "web1", "bastion"))
    assert text == "web1: proxy_jump goes in a circle: web1 -> bastion -> web1"
    assert "circle: web1 -> web1" in reason(Unreachable, via(inner, "web1"))


def test_jump_text_that_means_nothing(servers):
    text = reason(Unreachable, via(servers[0], "a b:c:d"))
    assert "'a b:c:d' is neither a host of the inventory nor [user@]host[:port]" in text


def test_jump_host_that_is_no_ssh_host(servers):
    from pytest_sysaudit.inventory import model
    from pytest_sysaudit.inventory.target import Kind, Target

    here = Target(name="here", kind=Kind.LOCAL, entry=model.Host(connection="local"))
    text = reason(Unreachable, via(servers[0], "here"), here)
    assert text == "web1: here is not a host reached over ssh"


def test_failures_of_the_jump_host_name_it(servers, tmp_path):
    inner, outer, _ = servers
    address, port = faults.refused()
    down = ssh_target("bastion", address=address, port=port, ssh={"config_file": "none"})
    text = reason(Unreachable, via(inner, "bastion"), down)
    assert f"web1: jump host bastion: {address}:{port} refused the connection" in text

    unknown = outer.target("bastion", ssh={"known_hosts": str(tmp_path / "none")})
    text = reason(HostKeyError, via(inner, "bastion"), unknown)
    assert text.startswith("web1: jump host bastion: the host key of")

    key = make_key(tmp_path / "key")
    wrong = outer.target("bastion", ssh={"key_file": str(key)})
    text = reason(LoginRefused, via(inner, "bastion"), wrong)
    assert text.startswith(f"web1: jump host bastion: 127.0.0.1:{outer.port} refused the login")


def test_host_behind_that_cannot_be_reached(servers):
    inner, outer, _ = servers
    _, port = faults.refused()
    behind = inner.target(port=port, ssh={"proxy_jump": "bastion"})
    text = reason(Unreachable, behind, outer.target("bastion"))
    assert f"web1: the jump host could not connect to 127.0.0.1:{port}: connect" in text.lower()


def test_host_key_of_the_host_behind_is_verified(servers, tmp_path):
    inner, outer, _ = servers
    behind = via(inner, "bastion", known_hosts=str(tmp_path / "none"))
    text = reason(HostKeyError, behind, outer.target("bastion"))
    assert text.startswith(f"web1: the host key of 127.0.0.1:{inner.port} is not known")


def test_jump_host_that_forbids_forwarding(servers, tmp_path):
    with Sshd(tmp_path / "sshd", config=["AllowTcpForwarding no"]) as strict:
        text = reason(Unreachable, via(servers[0], "bastion"), strict.target("bastion"))
    assert "it forbids forwarding (AllowTcpForwarding, PermitOpen)" in text
