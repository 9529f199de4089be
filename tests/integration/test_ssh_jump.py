"""Jump hosts: each hop has its own settings, host key and login, and its own name in errors."""

from __future__ import annotations

import contextlib

import pytest
from lab import faults
from lab.sshd import Secrets, Sshd, make_key, needs_sshd, ssh_target, wait_until
from lab.ways import EITHER_WAY, refusal

from pytest_sysaudit.errors import HostKeyError, LoginRefused
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.transport.openssh import open_openssh
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


@pytest.fixture
def known(servers, tmp_path):
    """The keys of the first two servers; both let the first one's key in."""
    inner, outer, _ = servers
    outer.authorize(inner.key)
    file = tmp_path / "known_hosts"
    file.write_text(inner.known_hosts.read_text() + outer.known_hosts.read_text())
    return str(file)


def via(server: Sshd, jump: str, name: str = "web1", **ssh):
    return server.target(name, ssh={"proxy_jump": jump, **ssh})


def logins(*servers: Sshd) -> list[int]:
    return [server.logged("Accepted publickey") for server in servers]


@EITHER_WAY
def test_through_an_inventory_host(servers, opener):
    inner, outer, _ = servers
    before = logins(inner, outer)
    host = opener(via(inner, "bastion"), Secrets(), {"bastion": outer.target("bastion")})
    assert host.run(["echo", "far away"]).out == "far away\n"
    assert host.read("/etc/hostname")
    assert host.identity["host_key"] == inner.fingerprint
    assert host.identity["address"] == f"127.0.0.1:{inner.port}"
    host.close()
    assert logins(inner, outer) == [count + 1 for count in before]
    wait_until(lambda: not outer.session_pids() and not inner.session_pids(), what="both closed")


@EITHER_WAY
def test_through_a_chain_of_inventory_hosts(servers, opener):
    inner, outer, edge = servers
    before = logins(inner, outer, edge)
    targets = {"bastion": via(outer, "edge", "bastion"), "edge": edge.target("edge")}
    host = opener(via(inner, "bastion"), Secrets(), targets)
    assert host.run("echo $SSH_CONNECTION").ok
    assert edge.session_pids()
    assert outer.session_pids()
    host.close()
    assert logins(inner, outer, edge) == [count + 1 for count in before]
    wait_until(lambda: not any(s.session_pids() for s in servers), what="all closed")


@EITHER_WAY
def test_through_a_list(servers, opener):
    inner, outer, edge = servers
    targets = {"bastion": outer.target("bastion"), "edge": edge.target("edge")}
    before = logins(inner, outer, edge)
    with contextlib.closing(opener(via(inner, "edge,bastion"), Secrets(), targets)) as host:
        assert host.run(["true"]).ok
    assert logins(inner, outer, edge) == [count + 1 for count in before]


@EITHER_WAY
def test_through_a_host_that_is_not_in_the_inventory(servers, known, opener):
    inner, outer, _ = servers
    target = via(inner, f"{outer.user}@{outer.address}:{outer.port}", known_hosts=known)
    with contextlib.closing(opener(target, Secrets(), {})) as host:
        assert host.run(["true"]).ok


@EITHER_WAY
def test_through_a_jump_host_of_ssh_config(servers, tmp_path, known, opener):
    inner, outer, _ = servers
    (tmp_path / "config").write_text(
        f"Host shop\n  HostName 127.0.0.1\n  Port {inner.port}\n  ProxyJump gate\n"
        f"Host gate\n  HostName 127.0.0.1\n  Port {outer.port}\n  User {outer.user}\n"
        f"Host *\n  IdentityFile {inner.key}\n  UserKnownHostsFile {known}\n"
    )
    before = logins(outer)
    ssh = {"config_file": str(tmp_path / "config"), "key_file": None, "known_hosts": None}
    target = inner.target(address="shop", port=None, ssh=ssh)
    with contextlib.closing(opener(target, Secrets(), {})) as host:
        assert host.run(["true"]).ok
    assert logins(outer) == [before[0] + 1]


@EITHER_WAY
def test_pin_behind_a_jump_host(servers, opener):
    inner, outer, _ = servers
    target = via(inner, "bastion", fingerprint=inner.fingerprint, known_hosts=None)
    targets = {"bastion": outer.target("bastion", ssh={"fingerprint": outer.fingerprint})}
    with contextlib.closing(opener(target, Secrets(), targets)) as host:
        assert host.run(["true"]).ok
    wrong = outer.target("bastion", ssh={"fingerprint": inner.fingerprint})
    text = refusal(opener, target, wrong, kind=HostKeyError)
    assert text.startswith("web1: jump host bastion: the host key of 127.0.0.1:")
    assert "is not the pinned one" in text


def test_password_of_the_host_is_not_offered_to_a_strange_jump_host(servers):
    inner, outer, _ = servers
    jump = f"{outer.user}@{outer.address}:{outer.port}"
    target = via(inner, jump, key_file=None, password="env:PASSWORD", fingerprint=None)
    secrets = Secrets(PASSWORD="for the host alone")
    assert "jump host" in refusal(open_ssh, target, secrets=secrets)
    assert secrets.asked == []


def test_the_ssh_program_refuses_a_jump_host_with_a_password(servers):
    inner, outer, _ = servers
    bastion = outer.target("bastion", ssh={"password": "env:X"})
    text = refusal(open_openssh, via(inner, "bastion"), bastion)
    assert text.startswith("web1: bastion: ssh.password cannot be given to the ssh program")


@EITHER_WAY
def test_circle(servers, opener):
    inner, outer, _ = servers
    text = refusal(opener, via(inner, "bastion"), via(outer, "web1", "bastion"))
    assert text == "web1: proxy_jump goes in a circle: web1 -> bastion -> web1"
    assert "circle: web1 -> web1" in refusal(opener, via(inner, "web1"))


@EITHER_WAY
def test_jump_text_that_means_nothing(servers, opener):
    text = refusal(opener, via(servers[0], "a b:c:d"))
    assert "'a b:c:d' is neither a host of the inventory nor [user@]host[:port]" in text


@EITHER_WAY
def test_jump_host_that_is_no_ssh_host(servers, opener):
    here = Target(name="here", kind=Kind.LOCAL, entry=model.Host(connection="local"))
    text = refusal(opener, via(servers[0], "here"), here)
    assert text == "web1: here is not a host reached over ssh"


@EITHER_WAY
def test_failures_of_the_jump_host_name_it(servers, tmp_path, opener):
    inner, outer, _ = servers
    address, port = faults.refused()
    down = ssh_target("bastion", address=address, port=port, ssh={"config_file": "none"})
    text = refusal(opener, via(inner, "bastion"), down)
    assert f"web1: jump host bastion: {address}:{port} refused the connection" in text

    unknown = outer.target("bastion", ssh={"known_hosts": str(tmp_path / "none")})
    text = refusal(opener, via(inner, "bastion"), unknown, kind=HostKeyError)
    assert text.startswith("web1: jump host bastion: the host key of")
    assert "is not known" in text

    key = make_key(tmp_path / "key")
    wrong = outer.target("bastion", ssh={"key_file": str(key)})
    text = refusal(opener, via(inner, "bastion"), wrong, kind=LoginRefused)
    assert text.startswith(f"web1: jump host bastion: 127.0.0.1:{outer.port} refused the login")


@EITHER_WAY
def test_jump_host_that_does_not_answer(servers, opener):
    with faults.unanswered() as (address, port):
        ssh = {"config_file": "none"}
        dead = ssh_target("bastion", address=address, port=port, ssh=ssh, connect_timeout=0.6)
        target = servers[0].target(connect_timeout=0.6, ssh={"proxy_jump": "bastion"})
        text = refusal(opener, target, dead)
    assert f"web1: jump host bastion: {address}:{port} did not answer within 0.6 s" in text


@pytest.mark.parametrize(
    ("opener", "why"), [(open_ssh, ":{port}: connect"), (open_openssh, ": connection refused")]
)
def test_host_behind_that_cannot_be_reached(servers, opener, why):
    inner, outer, _ = servers
    _, port = faults.refused()
    behind = inner.target(port=port, ssh={"proxy_jump": "bastion"})
    text = refusal(opener, behind, outer.target("bastion"))
    assert f"web1: the jump host could not connect to 127.0.0.1{why.format(port=port)}" in text


@EITHER_WAY
def test_host_key_of_the_host_behind_is_verified(servers, tmp_path, opener):
    inner, outer, _ = servers
    behind = via(inner, "bastion", known_hosts=str(tmp_path / "none"))
    text = refusal(opener, behind, outer.target("bastion"), kind=HostKeyError)
    assert text.startswith(f"web1: the host key of 127.0.0.1:{inner.port} is not known")


@EITHER_WAY
def test_jump_host_that_forbids_forwarding(servers, tmp_path, opener):
    with Sshd(tmp_path / "sshd", config=["AllowTcpForwarding no"]) as strict:
        text = refusal(opener, via(servers[0], "bastion"), strict.target("bastion"))
    assert "it forbids forwarding (AllowTcpForwarding, PermitOpen)" in text
