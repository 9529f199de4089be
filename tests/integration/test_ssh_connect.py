"""Everything that can go wrong on the way to a login has its own short reason, and an end."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import pytest
from lab import faults
from lab.sshd import Secrets, Sshd, needs_sshd, ssh_target, wait_until

from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.base import Transport
from pytest_sysaudit.transport.ssh import open_ssh
from pytest_sysaudit.transport.ssh.transport import SshTransport

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def at(address: faults.Address, tmp_path: Path, **entry) -> Target:
    """A target at a faulty address."""
    (tmp_path / "known_hosts").touch()
    ssh = {"known_hosts": str(tmp_path / "known_hosts"), "config_file": "none", "agent": False}
    plain = {"address": address[0], "port": address[1], "ssh": ssh, "connect_timeout": 0.6}
    return ssh_target(**{**plain, **entry})


def reason(target: Target, secrets: Secrets | None = None) -> str:
    """Why *target* cannot be reached; it names the target and is one line."""
    with pytest.raises(Unreachable) as caught:
        open_ssh(target, secrets or Secrets(), {})
    text = str(caught.value)
    assert text.startswith("web1: ")
    assert "\n" not in text
    return text


def test_open_says_who_the_host_is(sshd):
    transport = open_ssh(sshd.target(), Secrets(), {})
    try:
        assert isinstance(transport, SshTransport)
        assert isinstance(transport, Transport)
        assert transport.name == "web1"
        assert transport.identity["address"] == f"127.0.0.1:{sshd.port}"
        assert transport.identity["host_key"] == sshd.fingerprint
        assert transport.identity["machine_id"] == Path("/etc/machine-id").read_text().strip()
        assert "Linux" in transport.identity["kernel"]
        assert transport.identity["os"] in Path("/etc/os-release").read_text()
    finally:
        transport.close()


def test_refused(tmp_path):
    address = faults.refused()
    text = reason(at(address, tmp_path))
    assert text.startswith(f"web1: 127.0.0.1:{address[1]} refused the connection; ")


def test_unanswered(tmp_path):
    with faults.unanswered() as address:
        text = reason(at(address, tmp_path))
    assert f"127.0.0.1:{address[1]} did not answer within 0.6 s (connect_timeout)" in text


def test_no_banner(tmp_path):
    with faults.silent() as server:
        text = reason(at(server.address, tmp_path))
    assert "accepted the connection but sent no SSH banner within 0.6 s (connect_timeout)" in text
    assert server.accepted == 1


def test_not_ssh(tmp_path):
    with faults.babbling() as server:
        text = reason(at(server.address, tmp_path))
    assert "does not let us in over SSH; it said 'HTTP/1.1 400 Bad Request'" in text


def test_closed_before_the_banner(tmp_path):
    with faults.Server(hang_up=True) as server:
        text = reason(at(server.address, tmp_path))
    assert "closed the connection before its SSH banner" in text
    assert "MaxStartups" in text


@pytest.mark.parametrize("last_words", [b"", b"Exceeded MaxStartups\r\n"])
def test_server_that_is_busy_with_logins_is_asked_again(sshd, last_words):
    with faults.Relay((sshd.address, sshd.port), drops=2, last_words=last_words) as relay:
        address, port = relay.address
        ssh = {"known_hosts": None, "fingerprint": sshd.fingerprint}
        target = sshd.target(address=address, port=port, ssh=ssh)
        with contextlib.closing(open_ssh(target, Secrets(), {})) as host:
            assert host.run(["echo", "in"]).out == "in\n"
        assert (relay.drops, relay.accepted) == (0, 1)


def test_banner_and_then_nothing(tmp_path):
    with faults.Server(b"SSH-2.0-OpenSSH_9.2\r\n") as server:
        text = reason(at(server.address, tmp_path))
    assert "did not finish the key exchange within 0.6 s (connect_timeout)" in text


def test_unknown_name(tmp_path):
    text = reason(at(("no-such-host.invalid", 22), tmp_path, connect_timeout=20))
    assert "the name 'no-such-host.invalid' cannot be resolved" in text
    assert "check address" in text


def test_no_common_key_exchange(tmp_path):
    only = "KexAlgorithms sntrup761x25519-sha512@openssh.com"
    with Sshd(tmp_path / "sshd", config=[only]) as server:
        text = reason(server.target())
    assert "no algorithm in common: its key exchange algorithms are sntrup761x25519-sha512" in text
    assert "with `connection: openssh`, the ssh program is used" in text


def test_frozen_server(sshd):
    sshd.freeze()  # the kernel completes the TCP connection, and that is all
    try:
        text = reason(sshd.target(connect_timeout=0.6))
    finally:
        sshd.thaw()
    assert "sent no SSH banner within 0.6 s" in text


def test_account_without_shell_is_unreachable(tmp_path):
    with Sshd(tmp_path / "sshd", config=["ForceCommand echo backups only; exit 7"]) as server:
        text = reason(server.target())
    assert "the account runs no /bin/sh for us: it said 'backups only', exit code 7" in text


@pytest.mark.parametrize("command", ["sleep 30", "sh -c 'echo wait; sleep 30'"])
def test_shell_that_does_not_come_is_named(tmp_path, command):
    with Sshd(tmp_path / "sshd", config=[f"ForceCommand {command}"]) as server:
        text = reason(server.target(open_timeout=0.8))
    assert "no shell was started within 0.8 s (open_timeout)" in text
    assert ("it said 'wait'" in text) is ("wait" in command)


def test_ipv6(tmp_path):
    with Sshd(tmp_path / "sshd", address="::1") as server:
        host = open_ssh(server.target(), Secrets(), {})
        host.close()
    assert host.identity["address"] == f"[::1]:{server.port}"


def test_server_that_opens_no_session(tmp_path):
    with Sshd(tmp_path / "sshd", config=["MaxSessions 0"]) as server:
        text = reason(server.target())
    assert "opens no further session" in text
    assert "MaxSessions" in text


def test_failures_close_what_they_opened(sshd, tmp_path):
    before = sshd.logged("Connection from")
    reason(sshd.target(ssh={"fingerprint": "SHA256:" + "A" * 43}))
    wait_until(lambda: not sshd.session_pids(), what="no session left")
    assert sshd.logged("Connection from") > before


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
        reason(at(server.address, tmp_path))
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
