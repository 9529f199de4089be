"""What we read out of ssh_config is what ssh itself reads out of it."""

from __future__ import annotations

import pwd
import shutil
import subprocess
from pathlib import Path

import pytest
from lab.sshd import ssh_target

from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.transport.ssh.config import expand, read_host
from pytest_sysaudit.transport.ssh.login import resolve

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's ssh")

FILES = {
    "plain": "Host web1\n HostName 192.0.2.10\n Port 2222\n User audit\n",
    "first value wins": "Host web1\n User first\nHost *\n User second\n Port 2200\n",
    "a pattern before a plain name": (
        "Host web*\n User first\nHost web1 web7\n User second\n Port 2203\nHost *\n Port 2204\n"
    ),
    "equals signs": "Host=web1\n HostName = 192.0.2.11\n User=audit\n",
    "quotes, comments and case": (
        '# a comment\nHOST web1\n  hostname "192.0.2.12"\n\n\tPORT\t2201\n  # Port 9\n'
    ),
    "patterns": "Host web? !web9 db*\n User matched\nHost !web1 *\n Port 2202\n",
    "brackets are no pattern": "Host web[1]\n User bracket\n",
    "before the first Host": "User everywhere\nHost other\n User else\n",
    "match host and user": (
        "Host web1\n HostName 192.0.2.13\n User root\n"
        "Match host 192.0.2.13 user root\n Port 2203\nMatch user nobody\n Port 9\n"
    ),
    "match originalhost": "Match originalhost web1,web2\n Port 2204\n",
    "match negated": "Match !host web1\n Port 9\nMatch all\n Port 2205\n",
    "match localuser": f"Match localuser {pwd.getpwuid(0).pw_name},nobody\n Port 2206\n",
    "tokens": "Host web1\n HostName %h.example\n",
    "identity files add up": "Host web1\n IdentityFile /a\nHost *\n IdentityFile /b\n",
    "jump": "Host web1\n ProxyJump bastion\nHost *\n ProxyJump none\n",
}


@needs_ssh
@pytest.mark.parametrize("name", ["web1", "web9", "db.example"])
@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_as_ssh_reads_it(tmp_path, text, name):
    path = tmp_path / "config"
    path.write_text(text)
    told = asked(path, name)
    config = read_host([path], name, None)
    jump = config.get("proxyjump")
    assert (None if jump == "none" else jump) == told.get("proxyjump", [None])[0]
    if config.identity_files:
        assert list(config.identity_files) == told["identityfile"]
    ssh = {"config_file": str(path), "proxy_jump": "none"}
    login = resolve(ssh_target(name, ssh=ssh), {})
    assert [login.host, str(login.port), login.user] == [
        told[keyword][0] for keyword in ("hostname", "port", "user")
    ]


def asked(path: Path, name: str) -> dict[str, list[str]]:
    """What ssh itself makes of the file."""
    argv = ["ssh", "-G", "-F", str(path), name]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    told: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        told.setdefault(keyword, []).append(value)
    return told


def test_include(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".ssh"
    (folder / "more").mkdir(parents=True)
    (folder / "config").write_text(
        "Host web*\n Include more/*\n Include none\n User outer\nHost *\n Port 22\n"
    )
    (folder / "more" / "a").write_text("Host web1\n User inner\n")
    (folder / "more" / "b").write_text("Port 2222\n")
    paths = [folder / "config"]
    assert dict(read_host(paths, "web1", None).values) == {"user": "inner", "port": "2222"}
    assert dict(read_host(paths, "web2", None).values) == {"user": "outer", "port": "2222"}
    assert dict(read_host(paths, "other", None).values) == {"port": "22"}


def test_include_circle(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Include config\n")
    with pytest.raises(Unreachable, match="include each other"):
        read_host([tmp_path / ".ssh" / "config"], "web1", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('Host "web1\n', "config:1: No closing quotation"),
        ("Host *\n Port many\n", "has a port 'many'"),
        ("Host *\n Port 0\n", "has a port '0'"),
        ("Host *\n ProxyCommand nc %h %p\n", "asks for ProxyCommand 'nc %h %p'"),
    ],
)
def test_what_cannot_work_is_said(tmp_path, text, message):
    (tmp_path / "config").write_text(text)
    target = ssh_target("web1", ssh={"config_file": str(tmp_path / "config")})
    with pytest.raises(Unreachable) as caught:
        resolve(target, {})
    assert str(caught.value).startswith("web1: ")
    assert message in str(caught.value)


def test_files_in_order_the_first_wins(tmp_path):
    (tmp_path / "own").write_text("Host *\n User mine\n")
    (tmp_path / "shared").write_text("Host *\n User theirs\n Port 2222\n")
    config = read_host([tmp_path / "own", tmp_path / "shared"], "web1", None)
    assert dict(config.values) == {"user": "mine", "port": "2222"}


def test_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "config"
    path.write_text("User one\n")
    assert read_host([path], "web1", None).get("User") == "one"
    path.write_text("User another\n")
    assert read_host([path], "web1", None).get("User") == "another"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("%h:%p", "web1:22"), ("100%%", "100%"), ("%%h", "%h"), ("%x", "%x"), ("%d/k", "/root/k")],
)
def test_tokens(text, expected):
    assert expand(text, {"h": "web1", "p": "22", "d": "/root"}) == expected


def test_what_the_inventory_says_wins(tmp_path):
    (tmp_path / "config").write_text(
        "Host *\n HostName 192.0.2.99\n User theirs\n Port 9\n IdentityFile /theirs\n"
        " UserKnownHostsFile /theirs\n ProxyJump theirs\n"
    )
    ssh = {
        "config_file": "config",
        "key_file": "keys/ours",
        "known_hosts": "ours",
        "proxy_jump": "none",
    }
    target = ssh_target(
        "web1", base=tmp_path, address="web1.example", port=22, user="ours", ssh=ssh
    )
    login = resolve(target, {})
    assert (login.user, login.port, login.jumps) == ("ours", 22, ())
    assert login.host == "192.0.2.99"  # as with ssh: the address is what one would type
    assert login.key_files == (tmp_path / "keys" / "ours",)
    assert login.known_hosts == (tmp_path / "ours",)
    assert login.only_named


def test_usual_keys_are_only_tried_where_nothing_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    nothing = resolve(ssh_target("web1", ssh={"config_file": "none"}), {})
    assert [path.name for path in nothing.key_files] == ["id_ed25519", "id_ecdsa", "id_rsa"]
    assert (nothing.named_keys, nothing.agent) == (False, True)
    password = resolve(ssh_target("web1", ssh={"config_file": "none", "password": "env:P"}), {})
    assert (password.key_files, password.agent) == ((), False)
    both = {"config_file": "none", "key_file": "~/k", "agent": True}
    named = resolve(ssh_target("web1", ssh=both), {})
    assert (named.key_files, named.agent) == ((Path("~/k").expanduser(),), True)
