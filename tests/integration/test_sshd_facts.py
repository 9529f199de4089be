"""What is read of sshd on a real one: Match blocks, included files, options of the daemon."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping

import pytest

from pytest_sysaudit.facts import open_facts, sshd
from pytest_sysaudit.transport.base import CommandResult

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("sshd") or not shutil.which("unshare"),
    reason="needs root, sshd and unshare",
)

MAIN = """Include /etc/ssh/sshd_config.d/*.conf
PermitRootLogin no
MaxAuthTries 3
Match User deploy
    PasswordAuthentication = yes # for now
    Include more/*.conf
    MaxAuthTries 9
match Address 192.0.2.0/24
    permitrootlogin Yes
    ClientAliveInterval 10m
"""


def run_beside(folder, before: str = ":") -> sshd.SshdConfig:
    """Read with *folder* as /etc/ssh and an empty /run, both seen by this one process only."""
    setup = f"mount --bind {folder} /etc/ssh && mount -t tmpfs none /run && mkdir /run/sshd"
    script = f"{setup} || exit 99\n{before}\n{sshd._SCRIPT}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return sshd.parse(done.stdout)


def daemon(title: str) -> str:
    """Start a sleep in place of a daemon, with the title that one would have."""
    start = f"bash -c \"exec -a '{title}' sleep 60\" & echo $! >/run/sshd.pid"
    return f'{start}; trap "kill $!" EXIT; sleep 0.3'


@pytest.fixture
def folder(tmp_path):
    """An /etc/ssh with a key, and with Match blocks in the main file and below it."""
    key = tmp_path / "ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for name in ("sshd_config.d", "more"):
        (tmp_path / name).mkdir()
    (tmp_path / "sshd_config").write_text(MAIN)
    (tmp_path / "sshd_config.d/a.conf").write_text(
        "LogLevel VERBOSE\nMatch Group wheel\nX11Forwarding yes"
    )
    (tmp_path / "more/a.conf").write_text("AllowTcpForwarding no\n")
    return tmp_path


def test_match_blocks_and_what_they_include(folder):
    config = run_beside(folder)
    assert config["permitrootlogin"] == "no"
    assert dict(config.matches) == {
        "Group wheel": {"x11forwarding": "yes"},
        "User deploy": {
            "passwordauthentication": "yes",
            "allowtcpforwarding": "no",
            "maxauthtries": "9",
        },
        "Address 192.0.2.0/24": {"permitrootlogin": "yes", "clientaliveinterval": "600"},
    }


@pytest.mark.parametrize(
    "title",
    [
        "sshd: /usr/sbin/sshd -D -o PermitRootLogin=yes -e [listener] 0 of 10-100 startups",
        "/usr/sbin/sshd -D -oPermitRootLogin=yes",
    ],
)
def test_options_of_the_daemon_win(folder, title):
    (folder / "other").write_text("HostKey /etc/ssh/ssh_host_ed25519_key\nMaxAuthTries 2\n")
    assert run_beside(folder, daemon(title))["permitrootlogin"] == "yes"


def test_another_file_of_the_daemon_is_read(folder):
    (folder / "other").write_text("PermitRootLogin yes\nMatch User x\nMaxSessions 99\n")
    title = "sshd: /usr/sbin/sshd -D -f /etc/ssh/other [listener] 0 of 10-100 startups"
    config = run_beside(folder, daemon(title))
    assert config["permitrootlogin"] == "yes"
    assert dict(config.matches) == {"User x": {"maxsessions": "99"}}


class Beside:
    """A transport whose commands see *folder* as /etc/ssh."""

    name = "beside"
    identity: Mapping[str, str] = {}

    def __init__(self, folder) -> None:
        self.folder = folder

    def run(self, command, **_options) -> CommandResult:
        text = command if isinstance(command, str) else shlex.join(command)
        setup = f"mount --bind {self.folder} /etc/ssh && mount -t tmpfs none /run"
        argv = ["unshare", "--mount", "sh", "-c", f"{setup} && mkdir /run/sshd\n{text}"]
        done = subprocess.run(argv, capture_output=True, check=False)
        return CommandResult(
            command=command,
            exit_code=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            started=0,
            duration=0,
        )


def test_sshd_is_asked_about_connections_that_a_block_fits(folder):
    (folder / "with blank.conf").write_text("PermitEmptyPasswords yes\n")
    with (folder / "sshd_config").open("a") as file:
        file.write('Match Group daemon\nInclude "/etc/ssh/with blank.conf"\nMaxSessions 77\n')
    config = open_facts(Beside(folder)).sshd
    asked = {criteria: specs for criteria, *specs in config.asked}
    assert set(asked) == {"User deploy", "Address 192.0.2.0/24", "Group daemon"}
    values = {criteria: values for criteria, _, values in config.asked}
    assert values["User deploy"]["maxauthtries"] == ("9",)
    assert values["Address 192.0.2.0/24"]["clientaliveinterval"] == ("600",)
    assert values["Group daemon"]["maxsessions"] == ("77",)
    odd = config.everywhere("permitemptypasswords")  # of a file that only sshd finds
    assert [value for place, value in odd.items() if "asked as" in place] == ["yes"]
    assert not [place for place in config.everywhere("maxsessions") if "asked as" in place]
