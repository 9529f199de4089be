"""Which lines of a known_hosts file are about a host: as ssh-keygen -F sees it."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_sysaudit.errors import HostKeyError
from pytest_sysaudit.transport.ssh.hostkeys import (
    HostKey,
    algorithms_first,
    known_for,
    lookup_name,
    verify,
)
from pytest_sysaudit.transport.ssh.login import Login

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIJjG1ZF0vDS8Yb6KWCZBTc5jTzH2R5p8nWc5m3cG4T1x"
RSA = base64.b64encode(b"\0\0\0\x07ssh-rsa\0\0\0\x03\x01\0\x01\0\0\0\x03abc").decode()

LINES = f"""\
# comment
web1 ssh-ed25519 {ED25519} a comment
web2,192.0.2.2,[gate]:2222 ssh-ed25519 {ED25519}
*.example,!secret.example ssh-rsa {RSA}
!never,never* ssh-ed25519 {ED25519}
[web3]:2200 ssh-ed25519 {ED25519}
web? ssh-rsa {RSA}
192.0.2.1[0-9] ssh-ed25519 {ED25519}

not a line at all
broken ssh-ed25519 !!!notbase64
@cert-authority *.ca ssh-ed25519 {ED25519}
@revoked bad ssh-ed25519 {ED25519}
   indented ssh-ed25519 {ED25519}
"""
NAMES = [
    "web1", "WEB1", "web2", "192.0.2.2", "gate", "web9", "a.example", "secret.example", "example",
    "never", "never2", "web3", "192.0.2.15", "indented", "unknown",
]  # fmt: skip


def login(host: str, path: Path, port: int = 22, **changes) -> Login:
    plain = {"name": "t", "host": host, "port": port, "user": "u", "known_as": host}
    return Login(**{**plain, "known_hosts": (path,), **changes})


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(LINES)
    return file


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
@pytest.mark.parametrize("port", [22, 2222, 2200])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_lines_as_ssh_keygen(path, name, port):
    found = known_for(login(name, path, port))
    asked = lookup_name(login(name, path, port))
    argv = ["ssh-keygen", "-F", asked, "-f", str(path)]
    told = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    expected = [int(line.split()[5]) for line in told.splitlines() if line.startswith("# Host")]
    assert [line.line for line in found] == expected


def test_lines_that_are_none_are_passed_over(path):
    assert known_for(login("broken", path)) == []
    assert known_for(login("not", path)) == []


def test_hashed_lines(path):
    path.write_text(f"web1 ssh-ed25519 {ED25519}\nweb2 ssh-rsa {RSA}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "web1" not in path.read_text()
    assert [line.line for line in known_for(login("web1", path))] == [1]
    assert [line.line for line in known_for(login("web2", path))] == [2]
    assert known_for(login("unknown", path)) == []


def test_malformed_hash_fits_nobody(path):
    path.write_text(f"|1|bad ssh-ed25519 {ED25519}\n|1|!!|?? ssh-ed25519 {ED25519}\n")
    assert known_for(login("web1", path)) == []


def test_known_types_are_asked_for_first(path):
    usual = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"]
    first = algorithms_first(login("a.example", path), usual)
    assert first == ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519", "ecdsa-sha2-nistp256"]
    assert algorithms_first(login("unknown", path), usual) == usual


def test_another_type_than_the_known_one_is_a_change(path):
    """Else whoever stands in between would only have to show a key of another type."""
    shown = HostKey(type="ssh-rsa", blob=b"other")
    target = login("indented", path, accept_new=True, record_to=path)
    with pytest.raises(HostKeyError, match="has changed"):
        verify(target, shown)
    assert path.read_text() == LINES


def test_fingerprint_is_that_of_ssh_keygen(tmp_path):
    key = tmp_path / "key.pub"
    key.write_text(f"ssh-ed25519 {ED25519}\n")
    told = subprocess.run(
        ["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True
    ).stdout.split()
    shown = HostKey(type="ssh-ed25519", blob=base64.b64decode(ED25519))
    assert shown.fingerprint == told[1]
    assert shown.text == f"ED25519 {told[1]}"


def test_files_are_looked_at_in_order(tmp_path):
    (tmp_path / "a").write_text(f"web1 ssh-rsa {RSA}\n")
    (tmp_path / "b").write_text(f"web1 ssh-ed25519 {ED25519}\n")
    files = (tmp_path / "a", tmp_path / "none", tmp_path / "b")
    found = known_for(login("web1", tmp_path, known_hosts=files))
    assert [line.place for line in found] == [f"{tmp_path}/a:1", f"{tmp_path}/b:1"]


def test_accept_new_without_a_file_to_write_accepts_nobody(path):
    shown = HostKey(type="ssh-ed25519", blob=b"new")
    with pytest.raises(HostKeyError, match="is not known"):
        verify(login("unknown", path, accept_new=True), shown)
