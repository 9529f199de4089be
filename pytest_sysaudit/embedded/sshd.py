"""An ssh server on loopback that lets the current user in, to stand in for a real host."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any

from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.text import shorten

_ADDRESS = "127.0.0.1"
_START_TIME = 15.0
_TRIES = 3


class EmbeddedSshd:
    """OpenSSH's sshd where it is installed, else a small server on paramiko.

    Args:
        target: the host that it stands in for.
        folder: a private folder; keys, configuration and log are written there.
        program: the sshd to start; None: the installed one; "" for none.
    """

    def __init__(self, target: Target, folder: Path, program: str | None = None) -> None:
        self._target = target
        self._folder = folder
        self._program = find_sshd() if program is None else program
        self._user = pwd.getpwuid(os.geteuid()).pw_name
        self._child: Any = None
        self._port = 0

    def start(self) -> dict[str, Any]:
        """Start it and return what takes the place of the inventory's fields.

        Raises:
            Unreachable: it does not start; the message ends with what it said.
        """
        from pytest_sysaudit.embedded.process import ChildProcess

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        host_key = make_key(self._folder / "host_key")
        user_key = make_key(self._folder / "user_key")
        (self._folder / "authorized_keys").write_text(user_key + "\n")
        for _ in range(_TRIES):  # somebody may take the free port before sshd does
            self._port = _free_port()
            self._child = ChildProcess(self._argv(), self._folder / "sshd.log")
            if self._answers():
                break
            self.stop()
        else:
            raise Unreachable(
                f"{self._target.name}: the embedded sshd does not start: {self._last_words()}"
            )
        line = f"[{_ADDRESS}]:{self._port} {host_key}\n"
        (self._folder / "known_hosts").write_text(line)
        return self._overrides()

    def _overrides(self) -> dict[str, Any]:
        nothing = dict.fromkeys(("proxy_jump", "fingerprint", "password", "key_passphrase"))
        files = {name: str(self._folder / name) for name in ("user_key", "known_hosts")}
        return {
            "address": _ADDRESS,
            "port": self._port,
            "user": self._user,
            "become": None,  # the host's sudo password must not be typed into our own sudo
            "ssh": {
                "key_file": files["user_key"],
                "known_hosts": files["known_hosts"],
                "config_file": "none",
                "agent": False,
                **nothing,
            },
        }

    def describe(self) -> str:
        """Return one line about what runs."""
        what = self._program or "an ssh server on paramiko"
        return f"{what} on {_ADDRESS}:{self._port}, as {self._user}"

    def stop(self) -> None:
        """End it. May be called twice."""
        child, self._child = self._child, None
        if child is not None:
            child.stop()

    def _argv(self) -> list[str]:
        if not self._program:
            from pytest_sysaudit.embedded import sshd_paramiko

            # By its path, so that the new process imports paramiko and nothing of this package.
            return [sys.executable, sshd_paramiko.__file__, str(self._folder), str(self._port)]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # for privilege separation
        file = self._folder / "sshd_config"
        file.write_text("".join(f"{line}\n" for line in self._config()))
        return [self._program, "-D", "-e", "-f", str(file)]

    def _config(self) -> list[str]:
        return [
            f"ListenAddress {_ADDRESS}",
            f"Port {self._port}",
            f'HostKey "{self._folder}/host_key"',
            f'AuthorizedKeysFile "{self._folder}/authorized_keys"',
            f'PidFile "{self._folder}/sshd.pid"',
            f"AllowUsers {self._user}",
            "PermitRootLogin prohibit-password",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UsePAM no",
            "StrictModes no",
            "SetEnv SHLVL=1",  # else bash reads ~/.bashrc for every command
            "Subsystem sftp internal-sftp",
        ]

    def _answers(self) -> bool:
        """Return whether it answers with a banner; False as soon as it has ended."""
        end = time.monotonic() + _START_TIME
        while time.monotonic() < end and self._child.exit_code is None:
            try:
                with socket.create_connection((_ADDRESS, self._port), timeout=1) as probe:
                    if probe.recv(4) == b"SSH-":
                        return True
            except OSError:
                pass
            time.sleep(0.02)
        return False

    def _last_words(self) -> str:
        log = self._folder / "sshd.log"
        text = log.read_text("utf-8", "backslashreplace") if log.exists() else ""
        return shorten(text.strip()[-500:]) or "it said nothing"


def find_sshd() -> str:
    """Return the path of OpenSSH's sshd, which wants to be called by it; "" if there is none."""
    folders = ["/usr/sbin", "/usr/local/sbin", "/sbin", os.environ.get("PATH", os.defpath)]
    return shutil.which("sshd", path=os.pathsep.join(folders)) or ""


def make_key(path: Path) -> str:
    """Write a new private key to *path* and return its public half, ``ssh-ed25519 AAAA...``."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    path.touch(mode=0o600)
    path.write_bytes(private)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return public.decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        return int(probe.getsockname()[1])
