"""Host keys: what known_hosts files say, and whether the key that a server shows is the one."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import functools
import hashlib
import hmac
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_sysaudit.errors import HostKeyError
from pytest_sysaudit.transport.ssh.login import Login

log = logging.getLogger("pytest_sysaudit.ssh")
_SSH_PORT = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """The public key of a server: its type (``ssh-ed25519``) and its wire form."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """``SHA256:...``, as ssh-keygen -l shows it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{digest.rstrip('=')}"

    @property
    def text(self) -> str:
        """``ED25519 SHA256:...``."""
        kind = self.type.removeprefix("ssh-").split("-")[0].upper()
        return f"{kind} {self.fingerprint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One line of a known_hosts file. ``marker`` is "", "@revoked" or "@cert-authority"."""

    marker: str
    names: str
    key: HostKey
    path: Path
    line: int

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.path}:{self.line}"

    def covers(self, name: str) -> bool:
        """Return whether this line is about the host *name* (``host`` or ``[host]:port``)."""
        if self.names.startswith("|1|"):
            return _hash_fits(self.names, name)
        found = False
        for pattern in self.names.split(","):
            if fnmatch.fnmatchcase(name.lower(), _escaped(pattern.lstrip("!").lower())):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


def _escaped(pattern: str) -> str:
    """Return *pattern* with brackets literal: known_hosts knows only ``*`` and ``?``."""
    return pattern.replace("[", "[[]")


def _hash_fits(names: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in names.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


def other_kinds(algorithms: Sequence[str], shown: str) -> list[list[str]]:
    """Return the kinds of host key that *algorithms* are for, each as a list of its algorithms.

    The kind of which a key was *shown* is left out.
    """
    rsa = [name for name in algorithms if name.startswith("rsa-")]
    kinds = [[name] for name in algorithms if name not in rsa] + ([rsa] if rsa else [])
    seen = {*rsa, shown} if shown == "ssh-rsa" else {shown}
    return [kind for kind in kinds if not seen & set(kind)]


def lookup_name(login: Login) -> str:
    """Return the name that known_hosts files have this host under."""
    aliased = login.known_as != login.host
    plain = aliased or login.port == _SSH_PORT
    known_as = login.known_as.lower()  # as ssh does: hashed names are compared byte by byte
    return known_as if plain else f"[{known_as}]:{login.port}"


def known_for(login: Login) -> list[Known]:
    """Return the lines about this host, in the order of the files.

    Raises:
        HostKeyError: a file that exists cannot be read.
    """
    return _covering(login, lookup_name(login))


def _covering(login: Login, name: str) -> list[Known]:
    return [line for path in login.known_hosts for line in _lines(login, path, name)]


@dataclass(frozen=True, slots=True)
class _Index:
    """The lines of a file: those with plain names by name, and those that must be tried."""

    plain: Mapping[str, tuple[Known, ...]]
    others: tuple[Known, ...]

    def covering(self, name: str) -> list[Known]:
        """Return the lines about *name*, in the order of the file."""
        found = [line for line in self.others if line.covers(name)]
        return sorted([*self.plain.get(name.lower(), ()), *found], key=lambda line: line.line)


def _lines(login: Login, path: Path, name: str) -> list[Known]:
    try:
        state = path.stat()
        return _indexed(path, state.st_mtime_ns, state.st_size).covering(name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HostKeyError(
            f"{login.name}: the known_hosts file {path} cannot be read: {error.strerror}"
        ) from error


@functools.lru_cache(maxsize=32)  # one parse for all hosts of an inventory
def _indexed(path: Path, _changed: int, _size: int) -> _Index:
    plain: dict[str, tuple[Known, ...]] = {}
    others: list[Known] = []
    for line in _parse(path):
        if line.names.startswith("|") or set(line.names) & set("*?!"):
            others.append(line)
            continue
        for name in dict.fromkeys(line.names.lower().split(",")):
            plain[name] = (*plain.get(name, ()), line)
    return _Index(plain, tuple(others))


def _parse(path: Path) -> tuple[Known, ...]:
    found: list[Known] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        words = line.decode("utf-8", "backslashreplace").split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        try:
            names, kind, coded = words[:3]
            key = HostKey(type=kind, blob=_blob(kind, coded))
        except (ValueError, binascii.Error):
            log.debug("%s:%d is not a known_hosts line", path, number)
            continue
        found.append(Known(marker=marker, names=names, key=key, path=path, line=number))
    return tuple(found)


def _blob(kind: str, coded: str) -> bytes:
    """Return the key in its wire form, which begins with its type; raises ValueError if not."""
    blob = base64.b64decode(coded, validate=True)
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
        raise ValueError(kind)
    return blob


def verify(login: Login, key: HostKey) -> None:
    """Accept *key*, or raise. A pinned fingerprint is judged elsewhere.

    Raises:
        HostKeyError: it is revoked, is not the one we know, or nothing is known about the host.
    """
    lines = known_for(login)
    for line in (*lines, *_covering(login, login.known_as.lower())):
        if line.marker == "@revoked" and line.key == key:
            raise HostKeyError(
                f"{login.name}: {login.place} shows the host key {key.text}, which {line.place} "
                "marks as revoked; give the host a new key, and record that one"
            )
    trusted = [line for line in lines if not line.marker]
    # Like ssh: a host on another port is the same machine if it has the key of its plain name.
    same_machine = [] if trusted else _covering(login, login.known_as.lower())
    if any(line.key == key for line in trusted or same_machine if not line.marker):
        log.debug("%s: host key %s is known", login.name, key.text)
        return
    if trusted:
        raise _changed_key(login, key, trusted)
    if login.accept_new and login.record_to is not None:
        record(login, key, login.record_to)
        return
    raise _unknown_key(login, key, [line for line in lines if line.marker == "@cert-authority"])


def _changed_key(login: Login, key: HostKey, trusted: Sequence[Known]) -> HostKeyError:
    same = [line for line in trusted if line.key.type == key.type] or list(trusted)
    known = "; ".join(f"{line.place} says {line.key.text}" for line in same)
    remove = f"ssh-keygen -R '{lookup_name(login)}' -f '{same[0].path}'"
    return HostKeyError(
        f"{login.name}: the host key of {login.place} has changed: it shows {key.text}, but "
        f"{known}. Somebody may stand between you and the host. If the host was reinstalled: "
        f"{remove}, then record the new key after comparing it"
    )


def _unknown_key(login: Login, key: HostKey, authorities: Sequence[Known]) -> HostKeyError:
    file = login.record_to or "a known_hosts file"
    line = f"{lookup_name(login)} {key.type} {base64.b64encode(key.blob).decode()}"
    text = (
        f"{login.name}: the host key of {login.place} is not known; it shows {key.text}. Compare "
        "it with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub, on its console); "
        f"after you compared it, put `fingerprint: {key.fingerprint}` under ssh: in the "
        f"inventory, or this line into {file}:\n{line}"
    )
    if authorities:
        text += (
            f"\n({authorities[0].place} names a certificate authority for it; "
            "host certificates are not read, so the key itself must be known)"
        )
    return HostKeyError(text)


def record(login: Login, key: HostKey, path: Path) -> None:
    """Add *key* to the known_hosts file at *path*, which is made if need be.

    Raises:
        HostKeyError: the file cannot be written.
    """
    line = f"{lookup_name(login)} {key.type} {base64.b64encode(key.blob).decode()}\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = path.read_bytes() if path.exists() else b""
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, (b"\n" if old and not old.endswith(b"\n") else b"") + line.encode())
        finally:
            os.close(file)
    except OSError as error:
        raise HostKeyError(
            f"{login.name}: the new host key {key.text} cannot be recorded in {path}: {error}"
        ) from error
    log.warning("%s: accepted the new host key %s, recorded in %s", login.name, key.text, path)


def pinned_error(login: Login, shown: Sequence[HostKey]) -> HostKeyError:
    """Return the error for a host none of whose keys has the pinned fingerprint."""
    keys = ", ".join(key.text for key in shown)
    return HostKeyError(
        f"{login.name}: the host key of {login.place} is not the pinned one: the inventory says "
        f"{login.fingerprint}, it shows {keys}. Somebody may stand between you and the host. If "
        "the host was reinstalled, compare the new key on its console and change ssh.fingerprint"
    )


def pinned_fits(login: Login, key: HostKey) -> bool:
    """Return whether *key* has the fingerprint that the inventory pins."""
    return (login.fingerprint or "").rstrip("=") == key.fingerprint


def algorithms_first(login: Login, usual: Sequence[str]) -> list[str]:
    """Return the host key algorithms *usual*, those first whose keys are known for the host."""
    known = {line.key.type for line in known_for(login) if not line.marker}
    if known & {"ssh-rsa"}:
        known |= {"rsa-sha2-512", "rsa-sha2-256"}
    return sorted(usual, key=lambda name: name not in known)
