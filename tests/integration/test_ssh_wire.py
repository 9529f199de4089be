"""What real ssh servers offer on the network, over both transports."""

from __future__ import annotations

import contextlib
import shutil
import subprocess

import pytest
from lab.sshd import Secrets, Sshd, free_port, needs_sshd, wait_until
from lab.ways import EITHER_WAY

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts import open_facts, ssh_wire

pytestmark = needs_sshd


@EITHER_WAY
def test_the_server_that_we_are_logged_in_to(sshd, opener):
    with contextlib.closing(opener(sshd.target(), Secrets(), {})) as host:
        offer = open_facts(host).ssh_wire
    assert offer.place == f"127.0.0.1:{sshd.port}"
    assert offer.protocol == "2.0"
    assert offer.software.startswith("OpenSSH_")
    assert "aes256-ctr" in offer.ciphers
    assert any(name.startswith("hmac-sha2-512") for name in offer.macs)
    assert "curve25519-sha256" in offer.kex
    assert "ssh-ed25519" in offer.host_keys


@EITHER_WAY
def test_behind_a_jump_host_nothing_is_guessed(sshd, opener, tmp_path):
    with Sshd(tmp_path / "outer") as outer:
        outer.authorize(sshd.key)
        known = tmp_path / "known"
        known.write_text(sshd.known_hosts.read_text() + outer.known_hosts.read_text())
        target = sshd.target(ssh={"proxy_jump": "bastion"})
        others = {"bastion": outer.target("bastion")}
        with contextlib.closing(opener(target, Secrets(), others)) as host:
            assert host.straight == ""
            with pytest.raises(CannotAssess, match="leads through another host"):
                _ = open_facts(host).ssh_wire


@pytest.mark.skipif(
    not shutil.which("dropbear") or not shutil.which("dropbearkey"), reason="needs dropbear"
)
def test_dropbear(tmp_path):
    key, port = tmp_path / "key", free_port()
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", key], check=True, capture_output=True)
    argv = ["dropbear", "-F", "-E", "-r", str(key), "-p", f"127.0.0.1:{port}", "-P", ""]
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        offers = []

        def answers() -> bool:
            with contextlib.suppress(CannotAssess):
                offers.append(ssh_wire.ask("127.0.0.1", port))
            return bool(offers)

        wait_until(answers, what="dropbear")
        assert offers[0].software.startswith("dropbear")
        assert "ssh-ed25519" in offers[0].host_keys
        assert offers[0].kex
    finally:
        process.terminate()
        process.wait()
