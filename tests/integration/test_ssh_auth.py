"""Logins by key file, agent, ssh_config and password: few tries, and refusals that help."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from lab.sshd import (
    Secrets,
    Sshd,
    fingerprint,
    free_port,
    make_key,
    needs_sshd,
    temporary_user,
    wait_until,
)

from pytest_sysaudit.embedded.process import ChildProcess
from pytest_sysaudit.errors import LoginRefused, Unreachable
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.ssh import open_ssh

pytestmark = needs_sshd
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make users")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home and no agent: nothing of the machine's own keys takes part."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def agent(tmp_path, monkeypatch):
    """A real ssh-agent; call it with key files to add."""
    socket = tmp_path / "agent.sock"
    child = ChildProcess(["ssh-agent", "-D", "-a", str(socket)], tmp_path / "agent.log")
    wait_until(socket.exists)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))

    def add(*keys: Path, phrase: str = "") -> None:
        helper = tmp_path / "askpass"
        helper.write_text(f"#!/bin/sh\necho {phrase}\n")
        helper.chmod(0o700)
        extra = {"SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-q", *keys], env={**os.environ, **extra}, check=True)

    yield add
    child.stop()


def log_in(target: Target, secrets: Secrets | None = None) -> None:
    transport = open_ssh(target, secrets or Secrets(), {})
    assert transport.run(["true"]).ok
    transport.close()


def refusal(target: Target, secrets: Secrets | None = None) -> str:
    with pytest.raises(Unreachable) as caught:
        open_ssh(target, secrets or Secrets(), {})
    text = str(caught.value)
    assert text.startswith("web1: ")
    return text


@pytest.mark.parametrize(
    ("kind", "bits"), [("ed25519", 0), ("ecdsa", 256), ("ecdsa", 521), ("rsa", 2048)]
)
def test_key_file(sshd, tmp_path, kind, bits):
    key = make_key(tmp_path / "key", kind, bits=bits)
    sshd.authorize(key)
    log_in(sshd.target(ssh={"key_file": str(key)}))


def test_key_file_relative_to_the_inventory(sshd):
    log_in(sshd.target(base=sshd.folder, ssh={"key_file": "user_key"}))


@pytest.mark.parametrize(("kind", "bits"), [("ed25519", 0), ("rsa", 2048)])
def test_encrypted_key_file(sshd, tmp_path, kind, bits):
    key = make_key(tmp_path / "key", kind, "let me in", bits=bits)
    sshd.authorize(key)
    target = sshd.target(ssh={"key_file": str(key), "key_passphrase": "env:PHRASE"})
    log_in(target, Secrets(PHRASE="let me in"))


def test_encrypted_key_file_in_the_old_format(sshd, tmp_path):
    key = make_key(tmp_path / "key", "rsa", bits=2048)
    sshd.authorize(key)
    argv = ["ssh-keygen", "-q", "-p", "-m", "PEM", "-P", "", "-N", "let me in", "-f", str(key)]
    subprocess.run(argv, check=True)
    assert "ENCRYPTED" in key.read_text()
    target = sshd.target(ssh={"key_file": str(key), "key_passphrase": "env:PHRASE"})
    log_in(target, Secrets(PHRASE="let me in"))


def test_encrypted_key_without_passphrase_names_the_setting(sshd, tmp_path):
    key = make_key(tmp_path / "key", passphrase="let me in")
    text = refusal(sshd.target(ssh={"key_file": str(key)}))
    assert f"the key file {key} is encrypted; set ssh.key_passphrase" in text


def test_wrong_passphrase(sshd, tmp_path):
    key = make_key(tmp_path / "key", passphrase="let me in")
    target = sshd.target(ssh={"key_file": str(key), "key_passphrase": "env:PHRASE"})
    text = refusal(target, Secrets(PHRASE="open sesame"))
    assert "key_passphrase is wrong" in text
    assert "open sesame" not in text


def test_missing_key_file(sshd, tmp_path):
    text = refusal(sshd.target(ssh={"key_file": str(tmp_path / "none")}))
    assert f"there is no key file {tmp_path}/none" in text


def test_key_that_others_can_read_is_not_used(sshd, tmp_path):
    key = make_key(tmp_path / "key")
    sshd.authorize(key)
    key.chmod(0o640)
    text = refusal(sshd.target(ssh={"key_file": str(key)}))
    assert "has mode 0640: others can read it" in text
    assert f"chmod 600 '{key}'" in text


def test_folder_is_no_key(sshd, tmp_path):
    text = refusal(sshd.target(ssh={"key_file": str(tmp_path)}))
    assert f"the key file {tmp_path} is not a file" in text


def test_file_that_is_no_key(sshd, tmp_path):
    (tmp_path / "key").write_text("hello\n")
    (tmp_path / "key").chmod(0o600)
    text = refusal(sshd.target(ssh={"key_file": str(tmp_path / "key")}))
    assert "is not a private key that can be used here" in text


def test_wrong_key_is_one_try_and_says_what_was_tried(sshd, tmp_path):
    key = make_key(tmp_path / "wrong")
    before = sshd.logged("Failed publickey"), sshd.logged("Connection from")
    with pytest.raises(LoginRefused) as caught:
        open_ssh(sshd.target(ssh={"key_file": str(key)}), Secrets(), {})
    text = str(caught.value)
    assert f"refused the login as '{sshd.user}': tried {key}; the server accepts publickey" in text
    assert "authorized_keys" in text
    assert sshd.logged("Connection from") == before[1] + 1
    assert sshd.logged("Failed publickey") <= before[0] + 1


def test_nothing_to_try(sshd):
    target = sshd.target(ssh={"key_file": None})
    assert "there was nothing to try; the server accepts publickey" in refusal(target)


def test_users_own_key(sshd, home):
    shutil.copy(sshd.key, home / ".ssh" / "id_ed25519")
    log_in(sshd.target(ssh={"key_file": None}))


def test_agent(sshd, agent):
    agent(sshd.key)
    log_in(sshd.target(ssh={"key_file": None, "agent": True}))
    text = refusal(sshd.target(ssh={"key_file": None, "agent": False}))
    assert "there was nothing to try" in text


def test_agent_holds_the_key_of_an_encrypted_file(sshd, agent, tmp_path):
    key = make_key(tmp_path / "key", passphrase="let-me-in")
    sshd.authorize(key)
    agent(key, phrase="let-me-in")
    log_in(sshd.target(ssh={"key_file": str(key)}))


def test_many_agent_keys_do_not_use_up_the_tries(sshd, agent, tmp_path):
    agent(*(make_key(tmp_path / f"key{number}") for number in range(8)))
    before = sshd.logged("Too many authentication failures")
    text = refusal(sshd.target(ssh={"key_file": None, "agent": True}))
    assert text.count("agent key") == 5
    assert sshd.logged("Too many authentication failures") == before


def test_server_that_allows_fewer_tries_is_understood(agent, tmp_path):
    agent(*(make_key(tmp_path / f"key{number}") for number in range(4)))
    with Sshd(tmp_path / "sshd", config=["MaxAuthTries 2"]) as server:
        text = refusal(server.target(ssh={"key_file": None, "agent": True}))
    assert "hung up during the login" in text
    assert "MaxAuthTries" in text


def test_dead_agent_is_no_agent(sshd, agent, tmp_path):
    agent(sshd.key)
    (tmp_path / "agent.sock").unlink()
    assert "nothing to try" in refusal(sshd.target(ssh={"key_file": None, "agent": True}))


def test_frozen_agent_has_a_deadline(sshd, tmp_path, monkeypatch):
    socket = tmp_path / "agent.sock"
    child = ChildProcess(["ssh-agent", "-D", "-a", str(socket)], tmp_path / "agent.log")
    wait_until(socket.exists)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    child.signal(signal.SIGSTOP)
    try:
        target = sshd.target(ssh={"key_file": None, "agent": True}, auth_timeout=0.5)
        assert "nothing to try" in refusal(target)
    finally:
        child.stop()


def test_ssh_config(sshd, home):
    shutil.copy(sshd.key, home / ".ssh" / "audit_key")
    (home / ".ssh" / "config").write_text(
        "Include config.d/*\n"
        f"Host shop\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {sshd.known_hosts}\n"
    )
    (home / ".ssh" / "config.d").mkdir()
    (home / ".ssh" / "config.d" / "keys").write_text("Host shop\n IdentityFile ~/.ssh/audit_key\n")
    plain = {"key_file": None, "known_hosts": None, "config_file": None}
    log_in(sshd.target(address="shop", port=None, user=None, ssh=plain))


def test_inventory_wins_over_ssh_config(sshd, home):
    (home / ".ssh" / "config").write_text(
        f"Host *\n  Port {free_port()}\n  User nobody\n  IdentityFile /nonexistent\n"
        "  UserKnownHostsFile /nonexistent\n"
    )
    log_in(sshd.target(ssh={"config_file": None}))


def test_match_exec_is_not_run(sshd, home, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "pytest_sysaudit.ssh")
    trap = tmp_path / "executed"
    (home / ".ssh" / "config").write_text(f'Match exec "touch {trap}"\n  User nobody\n')
    log_in(sshd.target(ssh={"config_file": None}))
    assert not trap.exists()
    assert "'Match exec' block is passed over" in caplog.text


def test_proxy_command_is_refused(sshd, home, tmp_path):
    trap = tmp_path / "executed"
    (home / ".ssh" / "config").write_text(f"Host *\n  ProxyCommand touch {trap}\n")
    text = refusal(sshd.target(ssh={"config_file": None}))
    assert "ProxyCommand" in text
    assert "ssh.proxy_jump" in text
    assert not trap.exists()


def test_named_config_file_that_is_missing(sshd, tmp_path):
    text = refusal(sshd.target(ssh={"config_file": str(tmp_path / "none")}))
    assert f"there is no file {tmp_path}/none (ssh.config_file)" in text


@pytest.mark.root
@needs_root
class TestPassword:
    """Passwords of real accounts."""

    @pytest.fixture(scope="class")
    @classmethod
    def user(cls):
        with temporary_user() as account:
            yield account

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, user, tmp_path_factory):
        folder = tmp_path_factory.mktemp("sshd")
        with Sshd(folder, config=["PasswordAuthentication yes"], user=user.name) as server:
            yield server

    @staticmethod
    def target(server: Sshd, **ssh) -> Target:
        return server.target(ssh={"key_file": None, "password": "env:PASSWORD", **ssh})

    def test_password(self, server, user, caplog):
        caplog.set_level(logging.DEBUG)
        log_in(self.target(server), Secrets(PASSWORD=user.password))
        assert user.password not in caplog.text

    def test_wrong_password_is_typed_once(self, server):
        before = server.logged("Failed password")
        text = refusal(self.target(server), Secrets(PASSWORD="not this one"))
        assert "tried password; the server accepts publickey,password" in text.replace(", ", ",")
        assert "not this one" not in text
        assert server.logged("Failed password") == before + 1

    def test_key_comes_before_the_password(self, server, user):
        secrets = Secrets(PASSWORD=user.password)
        log_in(self.target(server, key_file=str(server.key)), secrets)
        assert secrets.asked == []

    def test_password_after_a_key_that_is_refused(self, server, user, tmp_path):
        key = make_key(tmp_path / "key")
        log_in(self.target(server, key_file=str(key)), Secrets(PASSWORD=user.password))

    def test_key_and_password_both_wanted(self, user, tmp_path):
        both = ["PasswordAuthentication yes", "AuthenticationMethods publickey,password"]
        with Sshd(tmp_path / "sshd", config=both, user=user.name) as server:
            target = self.target(server, key_file=str(server.key))
            log_in(target, Secrets(PASSWORD=user.password))
            text = refusal(server.target())
        assert f"the server took {server.key} and wants password too" in text

    def test_keyboard_interactive(self, user, tmp_path):
        config = ["UsePAM yes", "KbdInteractiveAuthentication yes"]
        with Sshd(tmp_path / "sshd", config=config, user=user.name) as server:
            log_in(self.target(server), Secrets(PASSWORD=user.password))
            text = refusal(self.target(server), Secrets(PASSWORD="wrong"))
            assert "tried keyboard-interactive" in text

    def test_expired_account(self, tmp_path):
        with (
            temporary_user() as account,
            Sshd(tmp_path / "sshd", config=["UsePAM yes"], user=account.name) as server,
        ):
            subprocess.run(["chage", "-E", "2020-01-01", account.name], check=True)
            text = refusal(server.target())
        assert "hung up during the login" in text
        assert "the account may be expired or locked" in text

    def test_nologin_account(self, tmp_path):
        with (
            temporary_user(shell="/usr/sbin/nologin") as account,
            Sshd(tmp_path / "sshd", user=account.name) as server,
        ):
            text = refusal(server.target())
        assert "the account runs no /bin/sh for us" in text
        assert "not available" in text


def test_fingerprint_helper_agrees_with_the_product(sshd):
    """The lab's and the product's idea of a fingerprint are made by different programs."""
    transport = open_ssh(sshd.target(), Secrets(), {})
    transport.close()
    assert transport.identity["host_key"] == fingerprint(sshd.host_keys["ed25519"])
