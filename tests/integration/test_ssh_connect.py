"""Everything that can go wrong on the way to a login has its own short reason, and an end."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import pytest
from lab import faults
from lab.sshd import Secrets, Sshd, needs_sshd, wait_until
from lab.ways import EITHER_WAY, at, refusal, same

from pytest_sysaudit.errors import HostKeyError
from pytest_sysaudit.transport import open_transport
from pytest_sysaudit.transport.base import Transport
from pytest_sysaudit.transport.openssh import open_openssh
from pytest_sysaudit.transport.ssh import open_ssh

pytestmark = needs_sshd


@pytest.mark.parametrize(
    ("connection", "kind"), [("ssh", "SshTransport"), ("openssh", "OpensshTransport")]
)
def test_open_says_who_the_host_is(sshd, connection, kind):
    transport = open_transport(sshd.target(connection=connection), Secrets(), {})
    try:
        assert type(transport).__name__ == kind
        assert isinstance(transport, Transport)
        assert transport.name == "web1"
        assert transport.identity["address"] == f"127.0.0.1:{sshd.port}"
        assert transport.identity["host_key"] == sshd.fingerprint
        assert transport.identity["machine_id"] == Path("/etc/machine-id").read_text().strip()
        assert "Linux" in transport.identity["kernel"]
        assert transport.identity["os"] in Path("/etc/os-release").read_text()
    finally:
        transport.close()
    wait_until(lambda: not sshd.session_pids(), what="nothing is left there")


def test_refused(tmp_path):
    address = faults.refused()
    text = same(at(address, tmp_path))
    assert text.startswith(f"web1: 127.0.0.1:{address[1]} refused the connection; ")


def test_unanswered(tmp_path):
    with faults.unanswered() as address:
        text = same(at(address, tmp_path))
    assert f"127.0.0.1:{address[1]} did not answer within 0.8 s (connect_timeout)" in text


def test_no_banner(tmp_path):
    with faults.silent() as server:
        text = same(at(server.address, tmp_path))
    assert "accepted the connection but sent no SSH banner within 0.8 s (connect_timeout)" in text
    assert server.accepted == 2  # one connection each


def test_not_ssh(tmp_path):
    with faults.babbling() as server:
        text = same(at(server.address, tmp_path))
    assert "does not let us in over SSH; it said 'HTTP/1.1 400 Bad Request'" in text


def test_closed_before_the_banner(tmp_path):
    with faults.Server(hang_up=True) as server:
        text = same(at(server.address, tmp_path))
    assert "closed the connection before its SSH banner" in text
    assert "MaxStartups" in text


@EITHER_WAY
@pytest.mark.parametrize("last_words", [b"", b"Exceeded MaxStartups\r\n"])
def test_server_that_is_busy_with_logins_is_asked_again(sshd, opener, last_words):
    with faults.Relay((sshd.address, sshd.port), drops=2, last_words=last_words) as relay:
        address, port = relay.address
        ssh = {"known_hosts": None, "fingerprint": sshd.fingerprint}
        target = sshd.target(address=address, port=port, ssh=ssh)
        with contextlib.closing(opener(target, Secrets(), {})) as host:
            assert host.run(["echo", "in"]).out == "in\n"
        assert (relay.drops, relay.accepted) == (0, 1)


def test_banner_and_then_nothing(tmp_path):
    with faults.Server(b"SSH-2.0-OpenSSH_9.2\r\n") as server:
        text = same(at(server.address, tmp_path))
    assert "did not finish the key exchange within 0.8 s (connect_timeout)" in text


def test_unknown_name(tmp_path):
    text = same(at(("no-such-host.invalid", 22), tmp_path, connect_timeout=20))
    assert "the name 'no-such-host.invalid' cannot be resolved" in text
    assert "check address" in text


def test_key_exchange_that_paramiko_lacks(tmp_path):
    only = "KexAlgorithms sntrup761x25519-sha512@openssh.com"
    with Sshd(tmp_path / "sshd", config=[only]) as server:
        text = refusal(open_ssh, server.target())
        with contextlib.closing(open_openssh(server.target(), Secrets(), {})) as host:
            assert host.run(["true"]).ok
    assert "no algorithm in common: its key exchange algorithms are sntrup761x25519-sha512" in text
    assert "with `connection: openssh`, the ssh program is used" in text


@EITHER_WAY
def test_frozen_server(sshd, opener):
    sshd.freeze()  # the kernel completes the TCP connection, and that is all
    try:
        text = refusal(opener, sshd.target(connect_timeout=0.6))
    finally:
        sshd.thaw()
    assert "sent no SSH banner within 0.6 s" in text


def test_account_without_shell_is_unreachable(tmp_path):
    with Sshd(tmp_path / "sshd", config=["ForceCommand echo backups only; exit 7"]) as server:
        text = same(server.target())
    assert "the account runs no /bin/sh for us: it said 'backups only', exit code 7" in text


@EITHER_WAY
@pytest.mark.parametrize("command", ["sleep 30", "sh -c 'echo wait; sleep 30'"])
def test_shell_that_does_not_come_is_named(tmp_path, opener, command):
    # the ssh program does not say when it has opened a session: all three deadlines have to pass
    others = {"auth_timeout": 0.5, "connect_timeout": 1} if opener is open_openssh else {}
    with Sshd(tmp_path / "sshd", config=[f"ForceCommand {command}"]) as server:
        text = refusal(opener, server.target(open_timeout=0.8, **others))
    assert "no shell was started within 0.8 s (open_timeout)" in text
    assert ("it said 'wait'" in text) is ("wait" in command)


@EITHER_WAY
def test_ipv6(tmp_path, opener):
    with Sshd(tmp_path / "sshd", address="::1") as server:
        host = opener(server.target(), Secrets(), {})
        host.close()
    assert host.identity["address"] == f"[::1]:{server.port}"


@EITHER_WAY
def test_server_that_opens_no_session(tmp_path, opener):
    with Sshd(tmp_path / "sshd", config=["MaxSessions 0"]) as server:
        text = refusal(opener, server.target())
    assert "opens no further session" in text
    assert "MaxSessions" in text


@EITHER_WAY
def test_failures_close_what_they_opened(sshd, tmp_path, monkeypatch, opener):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sshd.logged("Connection from")
    refusal(opener, sshd.target(ssh={"fingerprint": "SHA256:" + "A" * 43}), kind=HostKeyError)
    wait_until(lambda: not sshd.session_pids(), what="no session left")
    assert sshd.logged("Connection from") > before
    assert not list(tmp_path.glob("sysaudit-ssh-*"))


def test_one_login_for_many_commands(sshd):
    before = sshd.logged("Accepted publickey")
    transport = open_ssh(sshd.target(), Secrets(), {})
    for _ in range(3):
        assert transport.run(["true"]).ok
    transport.read("/etc/hostname")
    transport.close()
    transport.close()
    assert sshd.logged("Accepted publickey") == before + 1
    wait_until(lambda: not sshd.session_pids(), what="the connection is closed")


def test_paramiko_stays_quiet(sshd, tmp_path, capfd, caplog):
    caplog.set_level(logging.WARNING)
    with faults.babbling() as server:
        refusal(open_ssh, at(server.address, tmp_path))
    transport = open_ssh(sshd.target(), Secrets(), {})
    for _ in range(2):
        assert transport.run(["true"]).ok
        sshd.kill_sessions()
        wait_until(lambda: not transport.connected)
    with pytest.raises(Exception, match="web1: "):
        transport.run(["true"])
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_steps_are_logged_for_who_asks(sshd, caplog):
    caplog.set_level(logging.DEBUG, "pytest_sysaudit.ssh")
    transport = open_ssh(sshd.target(), Secrets(), {})
    transport.run(["echo", "some words"])
    transport.close()
    assert f"connected to 127.0.0.1:{sshd.port}" in caplog.text
    assert f"trying {sshd.key} as {sshd.user}" in caplog.text
    assert "echo 'some words': exit code 0" in caplog.text
    assert "PRIVATE KEY" not in caplog.text
