"""A host key is verified, or the connection ends before anything secret is sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lab.sshd import (
    Secrets,
    Sshd,
    fingerprint,
    make_key,
    needs_sshd,
    public_half,
    run,
)

from pytest_sysaudit.errors import HostKeyError, Unreachable
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.transport.ssh import open_ssh

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    kinds = ["ed25519", "ecdsa", "rsa"]
    with Sshd(tmp_path_factory.mktemp("sshd"), host_key_kinds=kinds) as server:
        yield server


def known(sshd: Sshd, path: Path, text: str, **ssh) -> Target:
    """The server, with *text* as the known_hosts file."""
    path.write_text(text)
    return sshd.target(ssh={"known_hosts": str(path), **ssh})


def accepts(target: Target) -> str:
    """Log in, and return the fingerprint of the key that was accepted."""
    transport = open_ssh(target, Secrets(), {})
    transport.close()
    return transport.identity["host_key"]


def refusal(sshd: Sshd, target: Target) -> str:
    """Why the host key is refused; nobody logged in."""
    before = sshd.logged("Accepted"), sshd.logged("Failed")
    with pytest.raises(HostKeyError) as caught:
        open_ssh(target, Secrets(), {})
    assert (sshd.logged("Accepted"), sshd.logged("Failed")) == before
    assert isinstance(caught.value, Unreachable)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_host_known_by_one_of_its_keys(sshd, tmp_path, kind):
    path = sshd.write_known_hosts(tmp_path / "known_hosts", [kind])
    accepted = accepts(sshd.target(ssh={"known_hosts": str(path)}))
    assert accepted == fingerprint(sshd.host_keys[kind])


def test_unknown_key_and_the_way_out(sshd, tmp_path):
    path = tmp_path / "known_hosts"
    text = refusal(sshd, known(sshd, path, ""))
    key = public_half(sshd.host_keys["ed25519"])
    assert f"is not known; it shows ED25519 {fingerprint(sshd.host_keys['ed25519'])}" in text
    assert f"`fingerprint: {fingerprint(sshd.host_keys['ed25519'])}`" in text
    assert "after you compared it" in text
    offered = text.splitlines()[1]
    assert offered == f"[127.0.0.1]:{sshd.port} {' '.join(key.split()[:2])}"
    assert accepts(known(sshd, path, offered + "\n"))  # the line that is offered does work


def test_missing_file_knows_nobody(sshd, tmp_path):
    target = sshd.target(ssh={"known_hosts": str(tmp_path / "none")})
    assert "is not known" in refusal(sshd, target)
    assert not (tmp_path / "none").exists()


def test_changed_key_names_both_and_the_line(sshd, tmp_path):
    other = make_key(tmp_path / "other")
    line = f"[127.0.0.1]:{sshd.port} {' '.join(public_half(other).split()[:2])}"
    path = tmp_path / "known_hosts"
    text = refusal(sshd, known(sshd, path, f"# a comment\n\n{line}\n"))
    assert "has changed" in text
    assert f"it shows ED25519 {fingerprint(sshd.host_keys['ed25519'])}" in text
    assert f"{path}:3 says ED25519 {fingerprint(other)}" in text
    assert f"ssh-keygen -R '[127.0.0.1]:{sshd.port}' -f '{path}'" in text


def test_changed_key_is_refused_by_accept_new_too(sshd, tmp_path):
    other = make_key(tmp_path / "other")
    line = f"[127.0.0.1]:{sshd.port} {' '.join(public_half(other).split()[:2])}\n"
    path = tmp_path / "known_hosts"
    assert "has changed" in refusal(sshd, known(sshd, path, line, host_key_policy="accept-new"))
    assert path.read_text() == line


def test_key_that_changes_between_two_runs(tmp_path):
    with Sshd(tmp_path / "sshd") as server:
        old = server.fingerprint
        assert accepts(server.target()) == old
        server.change_host_key()
        text = refusal(server, server.target())
        assert old in text
        assert server.fingerprint in text


def test_accept_new_records_the_key_once(sshd, tmp_path):
    path = tmp_path / "folder" / "known_hosts"
    target = sshd.target(ssh={"known_hosts": str(path), "host_key_policy": "accept-new"})
    accepts(target)
    line = f"[127.0.0.1]:{sshd.port} {' '.join(public_half(sshd.host_keys['ed25519']).split()[:2])}"
    assert path.read_text() == f"{line}\n"
    accepts(target)
    assert path.read_text() == f"{line}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_accept_new_starts_a_line_of_its_own(sshd, tmp_path):
    path = tmp_path / "known_hosts"
    accepts(known(sshd, path, "# no newline at the end", host_key_policy="accept-new"))
    assert path.read_text().splitlines()[0] == "# no newline at the end"
    assert accepts(sshd.target(ssh={"known_hosts": str(path)}))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_pinned_fingerprint_of_any_of_its_keys(sshd, tmp_path, kind):
    pin = fingerprint(sshd.host_keys[kind])
    assert accepts(known(sshd, tmp_path / "empty", "", fingerprint=pin)) == pin


def test_wrong_pin_is_refused_even_if_the_key_is_known(sshd):
    pin = "SHA256:" + "A" * 43
    text = refusal(sshd, sshd.target(ssh={"fingerprint": pin}))
    assert f"the inventory says {pin}" in text
    for key in sshd.host_keys.values():
        assert fingerprint(key) in text


def test_hashed_names(sshd, tmp_path):
    path = sshd.write_known_hosts(tmp_path / "known_hosts")
    run("ssh-keygen", "-q", "-H", "-f", str(path))
    assert "127.0.0.1" not in path.read_text()
    assert accepts(sshd.target(ssh={"known_hosts": str(path)}))


@pytest.mark.parametrize("hashed", [False, True])
def test_names_are_written_in_any_case(sshd, tmp_path, hashed):
    """known_hosts has them in lower case, whatever the inventory says, and hashes of that."""
    path = tmp_path / "known_hosts"
    key = public_half(sshd.host_keys["ed25519"])
    target = known(sshd, path, f"[localhost]:{sshd.port} {key}\n")
    if hashed:
        run("ssh-keygen", "-q", "-H", "-f", str(path))
    entry = target.entry.model_copy(update={"address": "LocalHost"})
    assert accepts(replace(target, entry=entry)) == fingerprint(sshd.host_keys["ed25519"])


def test_revoked_key(sshd, tmp_path):
    key = " ".join(public_half(sshd.host_keys["ed25519"]).split()[:2])
    name = f"[127.0.0.1]:{sshd.port}"
    text = refusal(sshd, known(sshd, tmp_path / "k", f"@revoked {name} {key}\n{name} {key}\n"))
    assert "marks as revoked" in text
    assert f"{tmp_path}/k:1" in text


def test_certificate_authority_is_not_a_host_key(sshd, tmp_path):
    key = " ".join(public_half(sshd.host_keys["ed25519"]).split()[:2])
    line = f"@cert-authority [127.0.0.1]:{sshd.port} {key}\n"
    text = refusal(sshd, known(sshd, tmp_path / "k", line))
    assert "is not known" in text
    assert "host certificates are not read" in text


def test_host_key_alias_and_user_file_of_ssh_config(sshd, tmp_path):
    key = " ".join(public_half(sshd.host_keys["ed25519"]).split()[:2])
    (tmp_path / "known").write_text(f"the-web-server {key}\n")
    (tmp_path / "config").write_text(
        f"Host 127.*\n HostKeyAlias the-web-server\n UserKnownHostsFile {tmp_path}/known\n"
    )
    target = sshd.target(ssh={"known_hosts": None, "config_file": str(tmp_path / "config")})
    assert accepts(target)


def test_users_own_file_is_the_default(sshd, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    target = sshd.target(ssh={"known_hosts": None})
    assert f"or this line into {tmp_path}/.ssh/known_hosts" in refusal(sshd, target)
    (tmp_path / ".ssh").mkdir()
    sshd.write_known_hosts(tmp_path / ".ssh" / "known_hosts")
    assert accepts(target)


def test_key_of_the_plain_name_counts_on_another_port(sshd, tmp_path):
    key = " ".join(public_half(sshd.host_keys["ed25519"]).split()[:2])
    assert accepts(known(sshd, tmp_path / "k", f"127.0.0.1 {key}\n"))
    other = " ".join(public_half(make_key(tmp_path / "other")).split()[:2])
    assert "is not known" in refusal(sshd, known(sshd, tmp_path / "k", f"127.0.0.1 {other}\n"))


def test_unreadable_file(sshd, tmp_path):
    (tmp_path / "folder").mkdir()
    text = refusal(sshd, sshd.target(ssh={"known_hosts": str(tmp_path / "folder")}))
    assert "cannot be read" in text
    assert text.startswith("web1: ")
