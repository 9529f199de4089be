"""A real OpenSSH server for tests, with its own keys, users and faults."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_sysaudit.embedded.process import ChildProcess, children, kill
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ.get("PATH", ""))
needs_sshd = pytest.mark.skipif(SSHD is None, reason="needs OpenSSH's sshd")


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on."""
    with socket.socket(_family(address)) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "", bits: int = 0) -> Path:
    """Make a private key at *path* and its public half beside it."""
    for old in (path, path.with_name(path.name + ".pub")):
        old.unlink(missing_ok=True)
    size = ["-b", str(bits)] if bits else []
    run("ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", "lab", "-f", str(path))
    return path


def fingerprint(path: Path) -> str:
    """The SHA256:... fingerprint of the key at *path*."""
    return run("ssh-keygen", "-l", "-E", "sha256", "-f", str(path)).split()[1]


def run(*argv: str) -> str:
    """Run a helper program; its failure is the test's error."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def wait_until(holds: Any, seconds: float = 15.0, what: str = "") -> None:
    """Wait until *holds()* is true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what or holds} did not come true within {seconds} s"
        time.sleep(0.02)


class Secrets:
    """Secrets by reference (``env:NAME`` and so on), and how often each was asked for."""

    def __init__(self, **values: str) -> None:
        self.values = {f"env:{name}": value for name, value in values.items()}
        self.asked: list[str] = []

    def get(self, ref: str, *, purpose: str, base: Path) -> str:  # noqa: ARG002 - as the real one
        self.asked.append(ref)
        return self.values[ref]


class Sshd:
    """One sshd on a free loopback port, that lets the current user in with `key`.

    Use it as a context manager, or call `start` and `stop`. `config` lines come first, so they win.

    Attributes:
        port, address, user: where and as whom to log in.
        key: the private key that may log in (add more with `authorize`).
        host_keys: the server's private host keys by kind.
        known_hosts: a file with the server's host keys as they were at the start.
        log: sshd's log, at level VERBOSE.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: Sequence[str] = (),
        host_key_kinds: Sequence[str] = ("ed25519",),
        port: int | None = None,
        address: str = "127.0.0.1",
        user: str | None = None,
        sftp: str | None = "internal-sftp",
        wrap: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.folder = folder
        self.address = address
        self.port = port or free_port(address)
        self.user = user or pwd.getpwuid(os.geteuid()).pw_name
        self.sftp = sftp
        self.config = list(config)
        self.wrap = list(wrap)
        self.log = folder / "sshd.log"
        self.key = make_key(folder / "user_key")
        self.authorized_keys = self._keys_file()
        self.authorize(self.key)
        self.host_keys = {kind: make_key(folder / f"host_{kind}", kind) for kind in host_key_kinds}
        self.known_hosts = folder / "known_hosts"
        self.write_known_hosts()
        self._child: ChildProcess | None = None

    def _keys_file(self) -> Path:
        """Where the authorized keys are: sshd reads them as the user, who must get there."""
        account = pwd.getpwnam(self.user)
        if account.pw_uid == os.geteuid():
            return self.folder / "authorized_keys"
        file = Path(account.pw_dir) / ".ssh" / "authorized_keys"
        file.parent.mkdir(mode=0o755, exist_ok=True)
        file.unlink(missing_ok=True)
        return file

    def authorize(self, key: Path) -> None:
        """Let the owner of *key* in."""
        with self.authorized_keys.open("a") as file:
            file.write(key.with_name(key.name + ".pub").read_text())
        self.authorized_keys.chmod(0o644)

    def write_known_hosts(self, path: Path | None = None, kinds: Sequence[str] = ()) -> Path:
        """Write the present host keys as a known_hosts file."""
        path = path or self.known_hosts
        lines = [
            f"{self.host_name} {' '.join(public_half(key).split()[:2])}\n"
            for kind, key in self.host_keys.items()
            if not kinds or kind in kinds
        ]
        path.write_text("".join(lines))
        return path

    @property
    def host_name(self) -> str:
        """The server's name in a known_hosts file."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the first host key."""
        return fingerprint(next(iter(self.host_keys.values())))

    def start(self) -> Sshd:
        assert SSHD is not None, "needs OpenSSH's sshd"
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        file = self.folder / "sshd_config"
        file.write_text("\n".join(self._lines()) + "\n")
        self._child = ChildProcess([*self.wrap, SSHD, "-D", "-e", "-f", str(file)], self.log)
        wait_until(self._up, what=f"sshd on port {self.port}")
        return self

    def _lines(self) -> list[str]:
        cut = next((i for i, line in enumerate(self.config) if line.startswith("Match ")), None)
        own, matches = self.config[:cut], self.config[cut:] if cut is not None else []
        lines = [*own, f"Port {self.port}", f"ListenAddress {self.address}"]
        lines += [f"HostKey {key}" for key in self.host_keys.values()]
        lines += [f"AuthorizedKeysFile {self.authorized_keys}", f"PidFile {self.folder}/sshd.pid"]
        lines += ["StrictModes no", "UsePAM no", "PermitRootLogin yes", "LogLevel VERBOSE"]
        lines += ["PasswordAuthentication no", "KbdInteractiveAuthentication no"]
        lines += ["SetEnv SHLVL=1"]  # bash reads ~/.bashrc for sshd unless it is a nested shell
        lines += [f"Subsystem sftp {self.sftp}"] if self.sftp else []
        return lines + matches

    def _up(self) -> bool:
        assert self._child is not None
        assert self._child.exit_code is None, f"sshd ended: {self._child.output()}"
        with socket.socket(_family(self.address)) as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.address, self.port)) == 0

    def stop(self) -> None:
        if self._child is not None:
            self.thaw()
            self.kill_sessions()
            self._child.stop()
            self._child = None

    def restart(self) -> None:
        """Stop and start on the same port, with the files as they are now."""
        self.stop()
        self.start()

    def change_host_key(self, kind: str = "ed25519") -> None:
        """Give the server another host key; `known_hosts` keeps the old one."""
        make_key(self.host_keys[kind], kind)
        self.restart()

    @property
    def pid(self) -> int:
        """The process id of the listener."""
        assert self._child is not None
        return self._child.pid

    def session_pids(self) -> list[int]:
        """The processes of the listener's sessions, parents first."""
        found = children(self.pid) if self._child is not None else []
        for pid in found:
            found += children(pid)
        return found

    def kill_sessions(self) -> None:
        """Cut every connection; the listener stays. What runs in the sessions is killed too."""
        for pid in self.session_pids():
            kill(pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the listener and all sessions, as a machine that hangs: the kernel still answers."""
        for pid in [self.pid, *self.session_pids()]:
            kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        if self._child is not None:
            for pid in [self.pid, *self.session_pids()]:
                kill(pid, signal.SIGCONT)

    def logged(self, text: str) -> int:
        """How often *text* stands in the log."""
        return self.log.read_text(errors="replace").count(text)

    def entry(self, **changes: Any) -> dict[str, Any]:
        """What an inventory says about this server; *changes* go over it, ``ssh`` key by key."""
        ssh = {
            "key_file": str(self.key),
            "known_hosts": str(self.known_hosts),
            "config_file": "none",
            "agent": False,
            **changes.pop("ssh", {}),
        }
        plain = {"address": self.address, "port": self.port, "user": self.user, "ssh": ssh}
        return {**plain, **changes}

    def target(self, name: str = "web1", base: Path | None = None, **changes: Any) -> Target:
        """This server as a target of an audit."""
        return ssh_target(name, base=base or self.folder, **self.entry(**changes))

    def __enter__(self) -> Sshd:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def ssh_target(name: str = "web1", base: Path = Path(), **entry: Any) -> Target:
    """A target from what would stand under ``hosts: NAME:``."""
    host = model.Host.model_validate(entry)
    return Target(name=name, kind=Kind.SSH, entry=host, base=base)


def public_half(key: Path) -> str:
    """The text of the public key that belongs to *key*."""
    return key.with_name(key.name + ".pub").read_text().strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user account made for a test."""

    name: str
    password: str
    home: Path


@contextlib.contextmanager
def temporary_user(
    *, shell: str = "/bin/sh", password: str | None = None, sudo: Sequence[str] = ()
) -> Iterator[User]:
    """Make a user, with lines of sudoers (``{user}`` is its name); needs root.

    Example: ``temporary_user(sudo=["{user} ALL=(ALL:ALL) NOPASSWD: ALL"])``.
    """
    name = f"lab{secrets.token_hex(4)}"
    password = password or secrets.token_urlsafe(12)
    home = Path(f"/home/{name}")
    drop_in = Path(f"/etc/sudoers.d/{name}")
    with accounts_lock():
        run("useradd", "-m", "-d", str(home), "-s", shell, name)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{password}\n", text=True, check=True)
        if sudo:
            text = "".join(line.format(user=name) + "\n" for line in sudo)
            draft = drop_in.with_suffix(".draft")  # sudo skips names with a dot
            draft.touch(mode=0o440)
            draft.write_text(text)
            run("visudo", "-c", "-f", str(draft))
            draft.replace(drop_in)
        yield User(name=name, password=password, home=home)
    finally:
        drop_in.unlink(missing_ok=True)
        drop_in.with_suffix(".draft").unlink(missing_ok=True)
        end_processes_of(name)
        with accounts_lock():
            subprocess.run(["userdel", "-f", "-r", name], capture_output=True, check=False)


def end_processes_of(name: str) -> None:
    """Kill what the user *name* still runs: a user who runs something cannot be removed."""
    uid = pwd.getpwnam(name).pw_uid
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                kill(int(entry.name), signal.SIGKILL)


@contextlib.contextmanager
def accounts_lock() -> Iterator[None]:
    """Let one test at a time change /etc/passwd: useradd does not wait for its own lock."""
    with Path("/run/lock/pytest-sysaudit-lab").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
