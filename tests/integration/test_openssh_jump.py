"""Jump hosts of the inventory, and those of the user's own ssh configuration."""

from __future__ import annotations

import contextlib

import pytest
from lab import faults
from lab.sshd import Secrets, Sshd, make_key, needs_sshd, ssh_target, wait_until

from pytest_sysaudit.errors import HostKeyError, LoginRefused, Unreachable
from pytest_sysaudit.transport.openssh import open_openssh

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
        open_openssh(target, Secrets(), {other.name: other for other in (target, *others)})
    return str(caught.value)


def test_through_a_chain_of_inventory_hosts(servers):
    inner, outer, edge = servers
    before = logins(inner, outer, edge)
    targets = {"bastion": via(outer, "edge", "bastion"), "edge": edge.target("edge")}
    host = open_openssh(via(inner, "bastion"), Secrets(), targets)
    assert host.run(["echo", "far away"]).out == "far away\n"
    assert host.identity["host_key"] == inner.fingerprint
    assert host.identity["address"] == f"127.0.0.1:{inner.port}"
    host.close()
    assert logins(inner, outer, edge) == [count + 1 for count in before]
    wait_until(lambda: not any(s.session_pids() for s in servers), what="all closed")


def test_through_a_list(servers):
    inner, outer, edge = servers
    targets = {"bastion": outer.target("bastion"), "edge": edge.target("edge")}
    before = logins(inner, outer, edge)
    with contextlib.closing(open_openssh(via(inner, "edge,bastion"), Secrets(), targets)) as host:
        assert host.run(["true"]).ok
    assert logins(inner, outer, edge) == [count + 1 for count in before]


def test_through_a_host_that_is_not_in_the_inventory(servers, tmp_path):
    inner, outer, _ = servers
    outer.authorize(inner.key)
    both = tmp_path / "known_hosts"
    both.write_text(inner.known_hosts.read_text() + outer.known_hosts.read_text())
    jump = f"{outer.user}@{outer.address}:{outer.port}"
    target = via(inner, jump, known_hosts=str(both))
    with contextlib.closing(open_openssh(target, Secrets(), {})) as host:
        assert host.run(["true"]).ok


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
    before = logins(outer)
    ssh = {"config_file": str(tmp_path / "config"), "key_file": None, "known_hosts": None}
    target = inner.target(address="shop", port=None, ssh=ssh)
    with contextlib.closing(open_openssh(target, Secrets(), {})) as host:
        assert host.run(["true"]).ok
    assert logins(outer) == [before[0] + 1]


def test_pin_behind_a_jump_host(servers):
    inner, outer, _ = servers
    target = via(inner, "bastion", fingerprint=inner.fingerprint, known_hosts=None)
    targets = {"bastion": outer.target("bastion", ssh={"fingerprint": outer.fingerprint})}
    with contextlib.closing(open_openssh(target, Secrets(), targets)) as host:
        assert host.run(["true"]).ok
    wrong = outer.target("bastion", ssh={"fingerprint": inner.fingerprint})
    text = reason(HostKeyError, target, wrong)
    assert text.startswith("web1: jump host bastion: the host key of 127.0.0.1:")
    assert "is not the pinned one" in text


def test_circle(servers):
    inner, outer, _ = servers
    text = reason(Unreachable, via(inner, "bastion"), via(outer, "web1", "bastion"))
    assert text == "web1: proxy_jump goes in a circle: web1 -> bastion -> web1"


def test_jump_text_that_means_nothing(servers):
    text = reason(Unreachable, via(servers[0], "a b:c:d"))
    assert "'a b:c:d' is neither a host of the inventory nor [user@]host[:port]" in text


def test_jump_host_with_a_password_is_refused_with_the_way_out(servers):
    inner, outer, _ = servers
    bastion = outer.target("bastion", ssh={"password": "env:X"})
    text = reason(Unreachable, via(inner, "bastion"), bastion)
    assert text.startswith("web1: bastion: ssh.password cannot be given to the ssh program")


def test_failures_of_the_jump_host_name_it(servers, tmp_path):
    inner, outer, _ = servers
    address, port = faults.refused()
    down = ssh_target("bastion", address=address, port=port, ssh={"config_file": "none"})
    text = reason(Unreachable, via(inner, "bastion"), down)
    assert f"web1: jump host bastion: {address}:{port} refused the connection" in text

    unknown = outer.target("bastion", ssh={"known_hosts": str(tmp_path / "none")})
    text = reason(HostKeyError, via(inner, "bastion"), unknown)
    assert text.startswith("web1: jump host bastion: the host key of")
    assert "is not known" in text

    key = make_key(tmp_path / "key")
    wrong = outer.target("bastion", ssh={"key_file": str(key)})
    text = reason(LoginRefused, via(inner, "bastion"), wrong)
    assert text.startswith(f"web1: jump host bastion: 127.0.0.1:{outer.port} refused the login")


def test_jump_host_that_does_not_answer(servers):
    inner = servers[0]
    with faults.unanswered() as (address, port):
        dead = ssh_target("bastion", address=address, port=port, ssh={"config_file": "none"})
        target = inner.target(connect_timeout=0.6, ssh={"proxy_jump": "bastion"})
        text = reason(Unreachable, target, dead)
    assert f"web1: jump host bastion: {address}:{port} did not answer within 0.6 s" in text


def test_host_behind_that_cannot_be_reached(servers):
    inner, outer, _ = servers
    _, port = faults.refused()
    behind = inner.target(port=port, ssh={"proxy_jump": "bastion"})
    text = reason(Unreachable, behind, outer.target("bastion"))
    assert "web1: the jump host could not connect to 127.0.0.1" in text
    assert "refused" in text


def test_host_key_of_the_host_behind_is_verified(servers, tmp_path):
    inner, outer, _ = servers
    behind = via(inner, "bastion", known_hosts=str(tmp_path / "none"))
    text = reason(HostKeyError, behind, outer.target("bastion"))
    assert text.startswith(f"web1: the host key of 127.0.0.1:{inner.port} is not known")


def test_jump_host_that_forbids_forwarding(servers, tmp_path):
    with Sshd(tmp_path / "sshd", config=["AllowTcpForwarding no"]) as strict:
        text = reason(Unreachable, via(servers[0], "bastion"), strict.target("bastion"))
    assert "it forbids forwarding (AllowTcpForwarding, PermitOpen)" in text
