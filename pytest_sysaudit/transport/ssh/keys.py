"""Private keys: files, and those that ssh-agent holds."""

from __future__ import annotations

import base64
import binascii
import functools
import logging
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import Unreachable

if TYPE_CHECKING:
    import paramiko

log = logging.getLogger("pytest_sysaudit.ssh")
_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A private key that can sign, and what messages call it."""

    name: str
    key: paramiko.PKey


class NeedsPassphrase(Exception):  # noqa: N818 - it is handled, never shown
    """The key file is encrypted and no passphrase is at hand."""


def load_key(path: Path, passphrase: str | None) -> NamedKey:
    """Return the private key in the file at *path* (its certificate too, if one is beside it).

    Raises:
        NeedsPassphrase: it is encrypted and *passphrase* is None.
        Unreachable: there is no such file, others can read it, it is not a key we can use, or the
            passphrase is wrong.
    """
    try:
        state = path.stat()
    except FileNotFoundError as error:
        raise Unreachable(f"there is no key file {path}") from error
    except OSError as error:
        raise Unreachable(f"the key file {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(state.st_mode):
        raise Unreachable(f"the key file {path} is not a file")
    if state.st_uid == os.getuid() and state.st_mode & _OTHERS:
        raise Unreachable(
            f"the key file {path} has mode {state.st_mode & 0o7777:04o}: others can read it, so "
            f"it is not used (as with ssh); chmod 600 '{path}'"
        )
    return NamedKey(str(path), _load(path, state.st_mtime_ns, state.st_size, passphrase))


@functools.lru_cache(maxsize=16)  # an RSA key takes 0.1 s of work to load: once for all hosts
def _load(path: Path, _changed: int, _size: int, passphrase: str | None) -> paramiko.PKey:
    import paramiko
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        secret = None if passphrase is None else passphrase.encode()
        return paramiko.PKey.from_path(path, secret)  # type: ignore[arg-type] # stubs say str
    except (TypeError, paramiko.PasswordRequiredException) as error:
        if passphrase is None:
            raise NeedsPassphrase(str(path)) from error
        return _load(path, _changed, _size, None)  # a passphrase for a key that has none
    except OSError as error:
        raise Unreachable(f"the key file {path} cannot be read: {error.strerror}") from error
    except (
        ValueError,
        UnsupportedAlgorithm,
        paramiko.SSHException,
        paramiko.pkey.UnknownKeyType,
    ) as error:
        why = "is not a private key that can be used here (ed25519, ecdsa or rsa)"
        if passphrase is not None:
            why = f"{why}, or key_passphrase is wrong"
        raise Unreachable(f"the key file {path} {why}") from error


class Agent:
    """The keys of ssh-agent; none, if no agent answers within *seconds*. Close it after use."""

    def __init__(self, seconds: float) -> None:
        self.keys: list[NamedKey] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(seconds)  # for each later signature too
        self._ask()

    def _ask(self) -> None:
        import paramiko

        from pytest_sysaudit.transport.ssh.inside import agent_over

        try:
            self._socket.connect(os.environ.get("SSH_AUTH_SOCK", ""))
            agent = agent_over(self._socket)
        except (OSError, EOFError, paramiko.SSHException) as error:
            log.debug("no ssh-agent: %s", error)
            return
        for key in agent.get_keys():
            self.keys.append(NamedKey(f"agent key {key.comment or key.get_name()}", key))

    def close(self) -> None:
        """Close the connection to the agent; its keys cannot sign any more."""
        self._socket.close()


def public_blob(path: Path) -> bytes | None:
    """Return the wire form of the public half of the key file at *path*, if it is beside it."""
    try:
        return base64.b64decode(path.with_name(path.name + ".pub").read_text().split()[1])
    except (OSError, ValueError, IndexError, binascii.Error):
        return None


def in_agent(path: Path, keys: Sequence[NamedKey]) -> NamedKey | None:
    """Return the agent's key that belongs to the key file at *path*."""
    blob = public_blob(path)
    return next((known for known in keys if blob and known.key.asbytes() == blob), None)
