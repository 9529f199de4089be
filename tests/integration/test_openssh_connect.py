"""Keys, host keys and settings of the ssh program: what fails is told as over paramiko."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lab.sshd import Secrets, Sshd, fingerprint, make_key, needs_sshd
from lab.ways import refusal, same

from pytest_sysaudit.errors import HostKeyError, LoginRefused
from pytest_sysaudit.transport.openssh import open_openssh

pytestmark = needs_sshd


def test_no_common_key_exchange(tmp_path):
    config = tmp_path / "config"
    config.write_text("KexAlgorithms diffie-hellman-group14-sha256\n")
    with Sshd(tmp_path / "sshd", config=["KexAlgorithms ecdh-sha2-nistp256"]) as server:
        text = refusal(open_openssh, server.target(ssh={"config_file": str(config)}))
    assert (
        f"127.0.0.1:{server.port} and we have no algorithm in common: its key exchange algorithms "
        "are ecdh-sha2-nistp256"
    ) in text


def test_wrong_key(sshd, tmp_path):
    key = make_key(tmp_path / "key")
    text = same(sshd.target(ssh={"key_file": str(key)}), until=". Check user", kind=LoginRefused)
    assert f"refused the login as {sshd.user!r}: tried {key}; the server accepts publickey" in text


def test_key_file_that_is_not_there(sshd, tmp_path):
    text = same(sshd.target(ssh={"key_file": str(tmp_path / "gone")}))
    assert text == f"web1: there is no key file {tmp_path / 'gone'}"


def test_encrypted_key_says_that_nobody_is_asked(sshd, tmp_path):
    key = make_key(tmp_path / "key", passphrase="secret words")
    sshd.authorize(key)
    text = refusal(open_openssh, sshd.target(ssh={"key_file": str(key)}), kind=LoginRefused)
    assert "the key needs no passphrase here" in text


def test_key_that_others_can_read(sshd, tmp_path):
    key = make_key(tmp_path / "key")
    sshd.authorize(key)
    key.chmod(0o644)
    text = refusal(open_openssh, sshd.target(ssh={"key_file": str(key)}))
    assert f"Permissions 0644 for '{key}' are too open" in text


def test_password_is_refused_with_the_way_out(sshd):
    target = sshd.target(ssh={"password": "env:PASSWORD"})
    text = refusal(open_openssh, target)
    assert "ssh.password cannot be given to the ssh program" in text
    assert "use a key of the ssh agent, or connection: ssh" in text


def test_unknown_host_key(sshd, tmp_path):
    target = sshd.target(ssh={"known_hosts": str(tmp_path / "none")})
    text = same(target, until="or ", kind=HostKeyError)
    assert f"is not known; it shows ED25519 {sshd.fingerprint}." in text
    assert f"put `fingerprint: {sshd.fingerprint}` under ssh:" in text
    assert str(tmp_path / "none") in text
    assert not (tmp_path / "none").exists()


def test_changed_host_key(tmp_path):
    with Sshd(tmp_path / "sshd") as server:
        old = server.fingerprint
        server.change_host_key()
        text = same(server.target(), until="If the host was reinstalled", kind=HostKeyError)
        assert f"it shows ED25519 {server.fingerprint}, but" in text
        assert f"{server.known_hosts}:1 says ED25519 {old}" in text
        assert f'ssh-keygen -f "{server.known_hosts}" -R' in text


def test_revoked_host_key(sshd, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text("".join(f"@revoked {line}\n" for line in sshd.known_hosts.open()))
    target = sshd.target(ssh={"known_hosts": str(known)})
    text = refusal(open_openssh, target, kind=HostKeyError)
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
        text = same(target, until="it shows", kind=HostKeyError)
        assert all(fingerprint(key) in text for key in server.host_keys.values())
        assert server.logged("Accepted publickey") == before


def test_missing_program(sshd, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    text = refusal(open_openssh, sshd.target())
    assert "there is no ssh program in PATH, which connection: openssh needs" in text


def test_settings_that_ssh_does_not_take(sshd, tmp_path):
    (tmp_path / "config").write_text("NoSuchOption yes\n")
    text = refusal(open_openssh, sshd.target(ssh={"config_file": str(tmp_path / "config")}))
    assert "the ssh program does not take its settings" in text
    assert "nosuchoption" in text.lower()


def test_config_file_that_is_not_there(sshd, tmp_path):
    text = same(sshd.target(ssh={"config_file": str(tmp_path / "gone")}))
    assert text == f"web1: there is no file {tmp_path / 'gone'} (ssh.config_file)"


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
