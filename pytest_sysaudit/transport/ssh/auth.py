"""Who we say we are: keys, agent and password, in a fixed order and few tries."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import paramiko

from pytest_sysaudit.errors import LoginRefused, Unreachable
from pytest_sysaudit.transport.shell.become import SecretStore
from pytest_sysaudit.transport.ssh.deadline import Deadline, within
from pytest_sysaudit.transport.ssh.keys import (
    Agent,
    NamedKey,
    NeedsPassphrase,
    in_agent,
    load_key,
)
from pytest_sysaudit.transport.ssh.login import Login
from pytest_sysaudit.transport.ssh.wire import Wire

log = logging.getLogger("pytest_sysaudit.ssh")

#: Tries in one connection: OpenSSH's own limit is 6, hardened servers allow 4.
MAX_KEYS = 5
MAX_KEYS_BEFORE_PASSWORD = 3


class Authentication:
    """The tries of one login.

    What the inventory names (key_file, then password) is all that is tried; where it names
    nothing: the key files of ssh_config, the agent's keys, the usual key files, as ssh does.
    """

    def __init__(self, wire: Wire, login: Login, secrets: SecretStore) -> None:
        self._wire = wire
        self._login = login
        self._secrets = secrets
        self._deadline = Deadline(login.auth_timeout)
        self._tried: list[str] = []
        self._notes: list[str] = []
        self._accepted: list[str] | None = None
        self._agent: Agent | None = None

    def run(self) -> None:
        """Log in.

        Raises:
            LoginRefused: the server refused every try.
            Unreachable: a key cannot be used, or no answer came within auth_timeout.
            SecretError: a passphrase or password cannot be had.
        """
        try:
            if not (self._by_keys() or self._by_password()):
                raise self._refused()
        finally:
            if self._agent is not None:
                self._agent.close()

    def _allows(self, method: str) -> bool:
        return self._accepted is None or method in self._accepted

    def _by_keys(self) -> bool:
        most = MAX_KEYS_BEFORE_PASSWORD if self._login.password else MAX_KEYS
        for count, known in enumerate(self._keys()):
            if count >= most or not self._allows("publickey"):
                return False
            if self._try_key(known):
                return True
        return False

    def _try_key(self, known: NamedKey) -> bool:
        return self._try(known.name, lambda: self._wire.log_in(self._login.user, known.key))

    def _by_password(self) -> bool:
        """Try the password once: by the method "password", else by keyboard-interactive."""
        login, wire = self._login, self._wire
        if login.password is None or not wire.is_active():
            return False
        purpose = f"password of {login.user} on {login.name}"
        password = self._secrets.get(login.password, purpose=purpose, base=login.base)
        if self._allows("password"):
            if self._try(
                "password", lambda: wire.auth_password(login.user, password, fallback=False)
            ):
                return True
            if self._allows("password"):
                return False  # refused as wrong: it is not tried again in another way
        if not self._allows("keyboard-interactive"):
            return False
        answer = _one_answer(password)
        return self._try("keyboard-interactive", lambda: wire.auth_interactive(login.user, answer))

    def _keys(self) -> Iterator[NamedKey]:
        """Yield the keys to try, in order; each is loaded only when its turn comes."""
        login = self._login
        sealed = login.named_keys and login.key_passphrase is None  # the agent may hold it open
        held: list[NamedKey] = []
        if (login.agent or sealed) and os.environ.get("SSH_AUTH_SOCK"):
            self._agent = Agent(login.auth_timeout)
            held = self._agent.keys
        for path in login.key_files if login.named_keys else ():
            known = self._named_key(path, held)
            if known is not None:
                yield known
                held = [other for other in held if other.key.asbytes() != known.key.asbytes()]
        if login.agent and not login.identities_only:
            yield from held
        if not login.named_keys:
            for path in login.key_files:
                known = self._usual_key(path) if path.exists() else None
                if known is not None:
                    yield known

    def _named_key(self, path: Path, held: Sequence[NamedKey]) -> NamedKey | None:
        """Return the key of a file that somebody named, or raise if the inventory did."""
        try:
            return self._load(path, held)
        except Unreachable as error:
            if self._login.only_named:
                raise Unreachable(f"{self._login.name}: {error}") from error
            self._notes.append(str(error))  # one of several IdentityFiles: the next one may do
            return None

    def _load(self, path: Path, held: Sequence[NamedKey]) -> NamedKey:
        """Return the key in the file at *path*; if it is encrypted, maybe the agent's."""
        login = self._login
        phrase = None
        if login.key_passphrase is not None:
            purpose = f"passphrase of {path}"
            phrase = self._secrets.get(login.key_passphrase, purpose=purpose, base=login.base)
        try:
            return load_key(path, phrase)
        except NeedsPassphrase as error:
            known = in_agent(path, held)
            if known is not None:
                return known
            raise Unreachable(
                f"the key file {path} is encrypted; set ssh.key_passphrase to env:NAME, "
                "file:PATH or prompt, or add the key to ssh-agent"
            ) from error

    def _usual_key(self, path: Path) -> NamedKey | None:
        """Return a key that happens to be there; one that cannot be used is only noted."""
        try:
            return load_key(path, None)
        except NeedsPassphrase:
            self._notes.append(f"the key file {path} is encrypted and was not used")
        except Unreachable as error:
            self._notes.append(str(error))
        return None

    def _try(self, name: str, send: Callable[[], list[str]]) -> bool:
        """Make one try; return whether we are in."""
        self._wire.auth_timeout = max(0.1, self._deadline.left)
        log.debug("%s: trying %s as %s", self._login.name, name, self._login.user)
        try:
            further = within(self._deadline.left + 1, send)
        except paramiko.BadAuthenticationType as error:
            self._accepted = list(error.allowed_types)
            return False
        except TimeoutError as error:
            raise self._too_slow() from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            self._tried.append(name)
            if self._deadline.passed:
                raise self._too_slow() from error
            if not self._wire.is_active():
                raise self._hung_up() from error
            if not isinstance(error, paramiko.AuthenticationException):
                self._notes.append(f"{name}: {error}")
            return False
        self._tried.append(name)
        if further:
            self._accepted = list(further)
            self._notes.append(f"the server took {name} and wants {' or '.join(further)} too")
        return self._wire.is_authenticated()

    def _too_slow(self) -> Unreachable:
        login = self._login
        return Unreachable(
            f"{login.name}: {login.place} did not answer the login as {login.user!r} within "
            f"{login.auth_timeout:g} s (auth_timeout)"
        )

    def _hung_up(self) -> LoginRefused:
        login = self._login
        why = "it may allow fewer tries (MaxAuthTries): name the one key that fits as ssh.key_file"
        if len(self._tried) == 1:
            why = (
                "the account may be expired or locked, or not let in from here, or MaxAuthTries "
                "is 1: sshd's log tells"
            )
        return LoginRefused(
            f"{login.name}: {login.place} hung up during the login as {login.user!r}, after "
            f"{', '.join(self._tried)}; {why}"
        )

    def _refused(self) -> LoginRefused:
        """Return the error for a login of which every try was refused."""
        login = self._login
        if self._accepted is None and self._wire.is_active() and len(self._tried) < MAX_KEYS:
            self._ask_methods()  # which counts as one more try
        parts = [f"tried {', '.join(self._tried)}" if self._tried else "there was nothing to try"]
        parts += [f"the server accepts {', '.join(self._accepted)}"] if self._accepted else []
        return LoginRefused(
            f"{login.name}: {login.place} refused the login as {login.user!r}: "
            f"{'; '.join([*parts, *self._notes])}. Check user, ssh.key_file and ssh.password, and "
            "that the public key is in the authorized_keys of that user"
        )

    def _ask_methods(self) -> None:
        """Ask the server which methods it accepts."""
        self._wire.auth_timeout = max(0.1, min(2.0, self._deadline.left))
        try:
            self._wire.auth_none(self._login.user)
        except paramiko.BadAuthenticationType as error:
            self._accepted = list(error.allowed_types)
        except (paramiko.SSHException, OSError, EOFError):
            log.debug("%s: the server does not say what it accepts", self._login.name)


def _one_answer(
    password: str,
) -> Callable[[str, str, Sequence[tuple[str, bool]]], list[str]]:
    """Return a handler that gives *password* once, and only where the answer is not shown."""
    left = [password]

    def answer(_title: str, _text: str, prompts: Sequence[tuple[str, bool]]) -> list[str]:
        return [left.pop() if left and not shown else "" for _, shown in prompts]

    return answer
