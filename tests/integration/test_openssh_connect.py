"""What can go wrong before a login is told by both ssh transports in the same words."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from lab import faults
from lab.sshd import Secrets, Sshd, fingerprint, make_key, needs_sshd, ssh_target, wait_until

from pytest_sysaudit.errors import HostKeyError, LoginRefused, Unreachable
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport import open_transport
from pytest_sysaudit.transport.base import Transport
from pytest_sysaudit.transport.openssh import open_openssh
from pytest_sysaudit.transport.ssh import open_ssh

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def at(address: faults.Address, tmp_path: Path, **entry) -> Target:
    """A target at a faulty address."""
    (tmp_path / "known_hosts").touch()
    ssh = {"known_hosts": str(tmp_path / "known_hosts"), "config_file": "none", "agent": False}
    plain = {"address": address[0], "port": address[1], "ssh": ssh, "connect_timeout": 0.8}
    return ssh_target(**{**plain, **entry})


def reason(opener, target: Target, others: dict[str, Target] | None = None) -> tuple[type, str]:
    with pytest.raises(Unreachable) as caught:
        opener(target, Secrets(), others or {})
    text = str(caught.value)
    assert text.startswith("web1: ")
    assert "\n" not in text.splitlines()[0]
    return type(caught.value), text


def same(target: Target, others: dict[str, Target] | None = None, until: str = "") -> str:
    """What both transports say, which is the same (up to the words *until*)."""
    ours, theirs = reason(open_openssh, target, others), reason(open_ssh, target, others)
    kind = {HostKeyError: HostKeyError, LoginRefused: LoginRefused}.get(theirs[0], Unreachable)
    assert issubclass(ours[0], kind)
    assert (ours[1].partition(until)[0] if until else ours[1]) == (
        theirs[1].partition(until)[0] if until else theirs[1]
    )
    assert until in ours[1]
    return ours[1]


def test_open_says_who_the_host_is(sshd):
    target = sshd.target(connection="openssh")
    transport = open_transport(target, Secrets(), {})
    try:
        assert type(transport).__name__ == "OpensshTransport"
        assert isinstance(transport, Transport)
        with contextlib.closing(open_ssh(sshd.target(), Secrets(), {})) as other:
            assert transport.identity == other.identity
        assert transport.identity["host_key"] == sshd.fingerprint
    finally:
        transport.close()
    wait_until(lambda: not sshd.session_pids(), what="nothing is left there")


def test_refused(tmp_path):
    assert "refused the connection" in same(at(faults.refused(), tmp_path))


def test_unanswered(tmp_path):
    with faults.unanswered() as address:
        assert "did not answer within 0.8 s" in same(at(address, tmp_path))


def test_no_banner(tmp_path):
    with faults.silent() as server:
        assert "sent no SSH banner within 0.8 s" in same(at(server.address, tmp_path))


def test_not_ssh(tmp_path):
    with faults.babbling() as server:
        text = same(at(server.address, tmp_path))
    assert "it said 'HTTP/1.1 400 Bad Request'" in text


def test_closed_before_the_banner(tmp_path):
    with faults.Server(hang_up=True) as server:
        assert "closed the connection before its SSH banner" in same(at(server.address, tmp_path))


def test_banner_and_then_nothing(tmp_path):
    with faults.Server(b"SSH-2.0-OpenSSH_9.2\r\n") as server:
        assert "did not finish the key exchange" in same(at(server.address, tmp_path))


def test_unknown_name(tmp_path):
    text = same(at(("no-such-host.invalid", 22), tmp_path, connect_timeout=20))
    assert "the name 'no-such-host.invalid' cannot be resolved" in text


@pytest.mark.parametrize("last_words", [b"", b"Exceeded MaxStartups\r\n"])
def test_server_that_is_busy_with_logins_is_asked_again(sshd, last_words):
    with faults.Relay((sshd.address, sshd.port), drops=2, last_words=last_words) as relay:
        address, port = relay.address
        ssh = {"known_hosts": None, "fingerprint": sshd.fingerprint}
        target = sshd.target(address=address, port=port, ssh=ssh)
        with contextlib.closing(open_openssh(target, Secrets(), {})) as host:
            assert host.run(["echo", "in"]).out == "in\n"
        assert (relay.drops, relay.accepted) == (0, 1)


def test_key_exchange_that_paramiko_lacks(tmp_path):
    only = "KexAlgorithms sntrup761x25519-sha512@openssh.com"
    with Sshd(tmp_path / "sshd", config=[only]) as server:
        _, text = reason(open_ssh, server.target())
        assert "connection: openssh" in text
        with contextlib.closing(open_openssh(server.target(), Secrets(), {})) as host:
            assert host.run(["true"]).ok


def test_no_common_key_exchange(tmp_path):
    config = tmp_path / "config"
    config.write_text("KexAlgorithms diffie-hellman-group14-sha256\n")
    with Sshd(tmp_path / "sshd", config=["KexAlgorithms ecdh-sha2-nistp256"]) as server:
        _, text = reason(open_openssh, server.target(ssh={"config_file": str(config)}))
    assert (
        f"127.0.0.1:{server.port} and we have no algorithm in common: its key exchange algorithms "
        "are ecdh-sha2-nistp256"
    ) in text


def test_wrong_key(sshd, tmp_path):
    key = make_key(tmp_path / "key")
    text = same(sshd.target(ssh={"key_file": str(key)}), until=". Check user")
    assert f"refused the login as {sshd.user!r}: tried {key}; the server accepts publickey" in text


def test_key_file_that_is_not_there(sshd, tmp_path):
    text = same(sshd.target(ssh={"key_file": str(tmp_path / "gone")}))
    assert text == f"web1: there is no key file {tmp_path / 'gone'}"


def test_encrypted_key_says_that_nobody_is_asked(sshd, tmp_path):
    key = make_key(tmp_path / "key", passphrase="secret words")
    sshd.authorize(key)
    kind, text = reason(open_openssh, sshd.target(ssh={"key_file": str(key)}))
    assert kind is LoginRefused
    assert "the key needs no passphrase here" in text


def test_key_that_others_can_read(sshd, tmp_path):
    key = make_key(tmp_path / "key")
    sshd.authorize(key)
    key.chmod(0o644)
    _, text = reason(open_openssh, sshd.target(ssh={"key_file": str(key)}))
    assert f"Permissions 0644 for '{key}' are too open" in text


def test_password_is_refused_with_the_way_out(sshd):
    target = sshd.target(ssh={"password": "env:PASSWORD"})
    _, text = reason(open_openssh, target)
    assert "ssh.password cannot be given to the ssh program" in text
    assert "use a key of the ssh agent, or connection: ssh" in text


def test_unknown_host_key(sshd, tmp_path):
    target = sshd.target(ssh={"known_hosts": str(tmp_path / "none")})
    text = same(target, until="or ")
    assert f"is not known; it shows ED25519 {sshd.fingerprint}." in text
    assert f"put `fingerprint: {sshd.fingerprint}` under ssh:" in text
    assert str(tmp_path / "none") in text
    assert not (tmp_path / "none").exists()


def test_changed_host_key(tmp_path):
    with Sshd(tmp_path / "sshd") as server:
        old = server.fingerprint
        server.change_host_key()
        text = same(server.target(), until="If the host was reinstalled")
        assert f"it shows ED25519 {server.fingerprint}, but" in text
        assert f"{server.known_hosts}:1 says ED25519 {old}" in text
        assert f'ssh-keygen -f "{server.known_hosts}" -R' in text


def test_revoked_host_key(sshd, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text("".join(f"@revoked {line}\n" for line in sshd.known_hosts.open()))
    kind, text = reason(open_openssh, sshd.target(ssh={"known_hosts": str(known)}))
    assert kind is HostKeyError
    assert f"shows the host key ED25519 {sshd.fingerprint}, which known_hosts marks as rev" in text


def test_new_host_key_is_recorded_where_the_inventory_says_so(sshd, tmp_path):
    known = tmp_path / "new folder" / "known hosts"
    ssh = {"known_hosts": str(known), "host_key_policy": "accept-new"}
    open_openssh(sshd.target(ssh=ssh), Secrets(), {}).close()
    assert sshd.host_name in known.read_text()
    open_openssh(sshd.target(ssh={"known_hosts": str(known)}), Secrets(), {}).close()


def test_pinned_key_needs_no_known_hosts(sshd, tmp_path):
    none = str(tmp_path / "none")
    pin = {"known_hosts": none, "fingerprint": sshd.fingerprint + "="}
    open_openssh(sshd.target(ssh=pin), Secrets(), {}).close()
    assert not (tmp_path / "none").exists()


def test_pin_of_another_key_of_the_host(tmp_path):
    with Sshd(tmp_path / "sshd", host_key_kinds=("ed25519", "rsa", "ecdsa")) as server:
        for kind in ("rsa", "ecdsa"):
            pin = fingerprint(server.host_keys[kind])
            target = server.target(ssh={"known_hosts": None, "fingerprint": pin})
            with contextlib.closing(open_openssh(target, Secrets(), {})) as host:
                assert host.identity["host_key"] == pin
        target = server.target(ssh={"fingerprint": "SHA256:" + "A" * 43})
        before = server.logged("Accepted publickey")
        text = same(target, until="it shows")
        assert all(fingerprint(key) in text for key in server.host_keys.values())
        assert server.logged("Accepted publickey") == before


def test_missing_program(sshd, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    _, text = reason(open_openssh, sshd.target())
    assert "there is no ssh program in PATH, which connection: openssh needs" in text


def test_account_without_shell_is_unreachable(tmp_path):
    with Sshd(tmp_path / "sshd", config=["ForceCommand echo backups only; exit 7"]) as server:
        text = same(server.target())
    assert "the account runs no /bin/sh for us: it said 'backups only', exit code 7" in text


@pytest.mark.parametrize("command", ["sleep 30", "sh -c 'echo wait; sleep 30'"])
def test_shell_that_does_not_come_is_named(tmp_path, command):
    with Sshd(tmp_path / "sshd", config=[f"ForceCommand {command}"]) as server:
        target = server.target(open_timeout=0.8, auth_timeout=0.5, connect_timeout=1)
        _, text = reason(open_openssh, target)
        assert "no shell was started within 0.8 s (open_timeout)" in text
        assert ("it said 'wait'" in text) is ("wait" in command)


def test_server_that_opens_no_session(tmp_path):
    with Sshd(tmp_path / "sshd", config=["MaxSessions 0"]) as server:
        _, text = reason(open_openssh, server.target())
    assert "opens no further session" in text


def test_settings_that_ssh_does_not_take(sshd, tmp_path):
    (tmp_path / "config").write_text("NoSuchOption yes\n")
    _, text = reason(open_openssh, sshd.target(ssh={"config_file": str(tmp_path / "config")}))
    assert "the ssh program does not take its settings" in text
    assert "nosuchoption" in text.lower()


def test_config_file_that_is_not_there(sshd, tmp_path):
    text = same(sshd.target(ssh={"config_file": str(tmp_path / "gone")}))
    assert text == f"web1: there is no file {tmp_path / 'gone'} (ssh.config_file)"


def test_ipv6(tmp_path):
    with Sshd(tmp_path / "sshd", address="::1") as server:
        host = open_openssh(server.target(), Secrets(), {})
        host.close()
    assert host.identity["address"] == f"[::1]:{server.port}"


def test_what_the_users_configuration_says_holds(sshd, tmp_path):
    """Its algorithms win over what we prefer, and ProxyCommand is ssh's own business."""
    config = tmp_path / "config"
    config.write_text(
        f"Host shop\n  HostName 127.0.0.1\n  KexAlgorithms ecdh-sha2-nistp256\n"
        f"  ProxyCommand /bin/bash -c 'exec 3<>/dev/tcp/%h/{sshd.port}; cat <&3 & cat >&3'\n"
        f"  HostKeyAlias {sshd.host_name}\n"
    )
    target = sshd.target(address="shop", ssh={"config_file": str(config)})
    with contextlib.closing(open_openssh(target, Secrets(), {})) as host:
        logs = [path.read_text() for path in Path(host._folder.name).glob("*.log")]
    assert "kex: algorithm: ecdh-sha2-nistp256" in logs[0]
    assert "Executing proxy command" in logs[0]


def test_the_cheap_key_exchange_comes_first_and_the_others_stay(sshd):
    with contextlib.closing(open_openssh(sshd.target(), Secrets(), {})) as host:
        logs = [path.read_text() for path in Path(host._folder.name).glob("*.log")]
    assert "kex: algorithm: curve25519-sha256" in logs[0]


def test_a_master_connection_of_the_user_is_not_used(sshd, tmp_path):
    """The host key must be one that was shown in this run."""
    config = tmp_path / "config"
    config.write_text(
        f"Host *\n  ControlMaster auto\n  ControlPersist 60\n  ControlPath {tmp_path}/master\n"
    )
    target = sshd.target(ssh={"config_file": str(config)})
    with contextlib.closing(open_openssh(target, Secrets(), {})) as host:
        assert host.identity["host_key"] == sshd.fingerprint
    assert not (tmp_path / "master").exists()


def test_failures_leave_nothing(sshd, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reason(open_openssh, sshd.target(ssh={"fingerprint": "SHA256:" + "A" * 43}))
    wait_until(lambda: not sshd.session_pids(), what="no session left")
    assert not list(tmp_path.glob("sysaudit-ssh-*"))
