"""What the scripts about homes find on a real host: keys, dot files, what is not looked at."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.facts import dotfiles, open_facts, ssh_keys
from pytest_sysaudit.transport.base import CommandResult

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ssh-keygen"),
        reason="needs root, unshare and ssh-keygen",
    ),
]

SHELLS = [
    argv
    for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"], ["mksh"])
    if shutil.which(argv[0])
]
#: Tools of a small host come first in the path.
SMALL = ("awk", "stat", "id")
PASSWD = """root:x:0:0:root:{top}/root:/bin/sh
ann:x:1000:1000::{top}/ann's home:/bin/sh
bob:x:1001:1001::{top}/bob/:/bin/sh
bob2:x:1002:1001::{top}/bob:/bin/sh
gone:x:1003:1003::{top}/gone:/bin/sh
web:x:33:33::/:/usr/sbin/nologin
+@nis::::::
"""


class Here:
    """A transport into a mount namespace in which this machine has other accounts."""

    name = "here"

    def __init__(self, shell, top, path):
        self.shell, self.top, self.path = shell, top, path
        self.count = 0

    def run(self, command, **_options):
        self.count += 1
        setup = (
            # All of /etc: who adds a user renames /etc/passwd, which undoes a mount on that file.
            f"mount --bind '{self.top}/etc' /etc && "
            "mount -t tmpfs none /home && mkdir /home/eve /home/eve/.ssh && "
            "chown 1009 /home/eve && cp /etc/ssh/ssh_host_ed25519_key /home/eve/.ssh/id && "
            f"cp '{self.top}/root/.ssh/authorized_keys' /home/eve/.ssh/ && "
            f"PATH='{self.path}' && export PATH && "
        )
        argv = ["unshare", "--mount", "sh", "-c", f'{setup}exec "$@"', "sh", *self.shell]
        done = subprocess.run(
            [*argv, "-c", command],
            capture_output=True,
            check=False,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        )
        return CommandResult(
            command=command,
            exit_code=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            started=0,
            duration=0,
        )


def keygen(path, *options, phrase=""):
    subprocess.run(["ssh-keygen", "-q", "-N", phrase, "-f", path, *options], check=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    top = tmp_path_factory.mktemp("homes")
    for name in ("root", "ann's home", "bob"):
        (top / name / ".ssh").mkdir(parents=True)
    (top / "etc/ssh/.ssh").mkdir(parents=True)
    if Path("/etc/alternatives").is_dir():  # awk may be a link into it
        shutil.copytree("/etc/alternatives", top / "etc/alternatives", symlinks=True)
    (top / "etc/passwd").write_text(PASSWD.format(top=top))
    root, ann, bob = (top / name for name in ("root", "ann's home", "bob"))
    keygen(top / "etc/ssh/ssh_host_ed25519_key", "-t", "ed25519", "-C", "host")
    keygen(root / ".ssh/plain", "-t", "ed25519")
    keygen(root / ".ssh/sealed", "-t", "ecdsa", phrase="secret phrase")
    keygen(ann / "id_pem", "-t", "rsa", "-b", "2048", "-m", "PEM")
    keygen(ann / ".ssh/sealed.pem", "-t", "rsa", "-b", "2048", "-m", "PEM", phrase="secret phrase")
    keygen(ann / "pkcs8.key", "-t", "rsa", "-b", "2048", "-m", "PKCS8")
    keygen(bob / ".ssh/sealed8", "-t", "rsa", "-b", "2048", "-m", "PKCS8", phrase="secret phrase")
    (bob / ".ssh/putty.ppk").write_text("PuTTY-User-Key-File-3: ssh-rsa\r\nEncryption: none\r\n")
    (bob / ".ssh/odd\nname").write_text(f"# note\n\n{(root / '.ssh/plain').read_text()}")
    (bob / ".ssh/known_hosts").write_text("a ssh-rsa AAAA\n" * 99)
    os.mkfifo(bob / ".ssh/fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(bob / ".ssh/control"))
    public = (root / ".ssh/plain.pub").read_text()
    odd = f'command="echo \\"ssh-rsa AAAAB3\\" secret",no-pty {public.strip()} of ann'
    (root / ".ssh/authorized_keys").write_text(f"# AAAA\n\n{odd}\r\nnot a key\n{public}")
    (ann / ".ssh/authorized_keys2").write_text("")
    (bob / ".bashrc").write_text("x")
    (bob / ".bashrc").chmod(0o666)
    (bob / "..twodots").touch()
    (bob / ".odd\nname").touch()
    (bob / ".broken").symlink_to("/nowhere")
    (ann / ".netrc").touch()
    os.chown(ann / ".netrc", 1000, 1000)
    return top


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def host(request, made, tmp_path):
    path = os.environ["PATH"]
    if request.param[0] == "busybox":
        for tool in SMALL:
            (tmp_path / tool).symlink_to(shutil.which("busybox"))
        path = f"{tmp_path}:{path}"
    return Here(request.param, made, path)


def test_private_keys_and_whether_they_are_encrypted(host, made):
    found = open_facts(host).ssh_keys
    told = {k.path.removeprefix(f"{made}/"): (k.line, k.kind, k.encrypted) for k in found.private}
    assert told == {
        "root/.ssh/plain": (1, "openssh", False),
        "root/.ssh/sealed": (1, "openssh", True),
        "ann's home/id_pem": (1, "pem", False),
        "ann's home/.ssh/sealed.pem": (1, "pem", True),
        "ann's home/pkcs8.key": (1, "pkcs8", False),
        "bob/.ssh/sealed8": (1, "pkcs8", True),
        "bob/.ssh/putty.ppk": (1, "putty", False),
        "bob/.ssh/odd\nname": (3, "openssh", False),
        "/etc/ssh/ssh_host_ed25519_key": (1, "openssh", False),
        "/home/eve/.ssh/id": (1, "openssh", False),
    }
    assert {k.mode for k in found.private} <= {0o600, 0o644}
    assert found.homes["/home/eve"] == 1009
    assert f"{made}/gone" not in found.homes
    assert found.left_out == ()


def test_the_text_of_private_keys_stays_on_the_host(host, made):
    said = host.run(ssh_keys.command()).stdout
    for file in ("ann's home/pkcs8.key", "ann's home/id_pem", "bob/.ssh/sealed8"):
        for line in (made / file).read_bytes().splitlines()[1:-1]:
            assert line[:16] not in said
    assert (made / "root/.ssh/plain").read_bytes().splitlines()[-2] not in said
    assert b"secret" not in said


def test_keys_that_let_in_without_the_values_of_their_options(host, made):
    files = {file.path: file for file in open_facts(host).ssh_keys.authorized}
    root = files[f"{made}/root/.ssh/authorized_keys"]
    assert [(e.line, e.options, e.key and e.key.kind) for e in root.entries] == [
        (3, 'command="",no-pty', "ssh-ed25519"),
        (4, "", None),
        (5, "", "ssh-ed25519"),
    ]
    assert root.entries[0].key.comment.endswith("of ann")
    listed = subprocess.run(
        ["ssh-keygen", "-lf", made / "root/.ssh/plain.pub"], capture_output=True, check=True
    )
    assert root.entries[2].key.fingerprint in listed.stdout.decode()
    assert files[f"{made}/ann's home/.ssh/authorized_keys2"].entries == ()
    assert files["/home/eve/.ssh/authorized_keys"].uid == 0


def test_files_that_sshd_is_told_to_read(host, made):
    result = host.run(ssh_keys.command((f"{made}/root/.ssh/plain.pub", f"{made}/none")))
    files = ssh_keys.parse(result.out, all_let_in=True).authorized
    assert [(f.path, len(f.entries)) for f in files] == [(f"{made}/root/.ssh/plain.pub", 1)]


def test_dotfiles_and_homes(host, made):
    found = open_facts(host).dotfiles
    modes = {
        file.path.removeprefix(f"{made}/"): (file.mode & 0o7777, file.uid) for file in found.files
    }
    assert modes["bob/.bashrc"] == (0o666, 0)
    assert modes["ann's home/.netrc"] == (0o644, 1000)
    assert {"bob/..twodots", "bob/.odd\nname", "bob/.ssh", "/home/eve/.ssh"} <= set(modes)
    assert not {"bob/.broken", "bob/.", "bob/.."} & set(modes)
    assert {home for home in found.homes if home.startswith(str(made))} == {
        f"{made}/{name}" for name in ("root", "ann's home", "bob")
    }


@pytest.mark.parametrize("command", [dotfiles._SCRIPT, ssh_keys.command()], ids=["dot", "keys"])
def test_homes_of_other_hosts_are_told_and_not_looked_at(host, made, command):
    mounts = made / "mounts"
    mounts.write_text(f"srv:/x {made}/bob nfs4 rw 0 0\nsrv:/y /home/x autofs rw 0 0\n")
    text = command.replace("/proc/self/mounts", str(mounts))
    assert text != command
    said = host.run(text).out
    table = (dotfiles if command == dotfiles._SCRIPT else ssh_keys).parse(said)
    assert table.left_out == (f"{made}/bob",)
    assert "/bob/." not in said
    assert "/home/eve" not in said  # nobody knows what is mounted below


@pytest.mark.parametrize("table", ["dotfiles", "ssh_keys"])
def test_who_is_not_root_is_denied(host, table):
    host.shell = ["setpriv", "--reuid=65534", "--clear-groups", *host.shell]
    with pytest.raises(Denied, match="only root"):
        getattr(open_facts(host), table)


@pytest.mark.parametrize("table", ["dotfiles", "ssh_keys"])
def test_without_accounts_nothing_is_known(host, table):
    real = host.run
    host.run = lambda command, **_: real(command.replace("/etc/passwd", "/etc/nothing"))
    with pytest.raises(CannotAssess, match="/etc/nothing cannot be read"):
        getattr(open_facts(host), table)
