"""This machine: commands from subprocess, files from os, identity from platform."""

from __future__ import annotations

import contextlib
import os
import platform
import pwd
import secrets as randomness
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_sysaudit.errors import (
    CannotAssess,
    ConnectionLost,
    Denied,
    Incomplete,
    NotApplicable,
    TimedOut,
)
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Target
from pytest_sysaudit.lanes import Mutex, wait
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import decode
from pytest_sysaudit.transport.base import (
    ENVIRONMENT,
    Command,
    CommandResult,
    FileStat,
    Transport,
    show,
)
from pytest_sysaudit.transport.command_files import CommandFiles
from pytest_sysaudit.transport.process import Process, Say, Talk
from pytest_sysaudit.transport.sudo import (
    PasswordTalk,
    asks_password,
    refusal,
    split_mark,
    sudo_argv,
)

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.secrets import Secrets

T = TypeVar("T")
#: What a login gives besides `ENVIRONMENT`. Nothing else: our own environment may hold secrets.
_LOGIN = ("HOME", "USER", "LOGNAME", "SHELL", "TMPDIR")


class LocalTransport:
    """Runs commands and reads files on the machine that the audit runs on.

    Files are read as the user who runs the audit; if that is denied and there is a ``become``, by
    commands as that user.
    """

    def __init__(self, target: Target, secrets: Secrets | None = None) -> None:
        self.name = target.name
        self.identity: Mapping[str, str] = identify()
        self._target = target
        self._secrets = secrets
        self._sudo = _SudoState()
        self._running: set[Process] = set()
        self._ended: set[Process] = set()
        self._commands = CommandFiles(target.name, self.run)

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        user: str | None = None,
    ) -> CommandResult:
        """Run *command* here; see `Transport.run`."""
        become = self._become
        wanted = user or (become.user if become else None)
        seconds = timeout if timeout is not None else self._target.setting("command_timeout")
        if wanted is None or wanted == _current_user():
            argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
            return self._run(command, argv, Say(stdin), seconds)
        return self._run_as(wanted, command, stdin, seconds)

    def read(self, path: str, *, limit: int = 1 << 24) -> bytes:
        """Return the bytes of the regular file at *path*; see `Transport.read`."""
        return self._ask(partial(_read, path, limit), partial(self._commands.read, path, limit))

    def stat(self, path: str) -> FileStat:
        """Return the facts of *path* itself; see `Transport.stat`."""
        return self._ask(partial(_stat, path), partial(self._commands.stat, path))

    def listdir(self, path: str) -> list[str]:
        """Return the names in the folder *path*; see `Transport.listdir`."""
        return self._ask(partial(_listdir, path), partial(self._commands.listdir, path))

    def _ask(self, ourselves: Callable[[], T], by_command: Callable[[], T]) -> T:
        try:
            return ourselves()
        except Denied:
            become = self._become
            if become is None or become.user == _current_user():
                raise
        return by_command()

    def measure(self, name: str, how: Callable[[], Plain]) -> Plain:
        """Return what *how*, a library of this process, says about this machine, as JSON data.

        A transport that records keeps it under *name*, one that replays answers from there.
        """
        del name
        return how()

    def close(self) -> None:
        """End what other threads still run here; they get a ConnectionLost."""
        self._ended |= self._running
        for process in tuple(self._running):
            process.end()

    @property
    def _become(self) -> model.Become | None:
        return self._target.entry.become if isinstance(self._target.entry, model.Host) else None

    def _run(
        self, command: Command, argv: Sequence[str], talk: Talk, timeout: float, user: str = ""
    ) -> CommandResult:
        started, clock = time.time(), time.monotonic()
        env = {name: os.environ[name] for name in _LOGIN if name in os.environ}
        stdout = b""
        try:
            silent = isinstance(talk, Say) and not talk.data
            process = Process(argv, {**env, **ENVIRONMENT}, silent=silent)
        except OSError as error:
            code, stderr = _not_started(command, argv, error)
        else:
            code = self._finish(process, command, talk, timeout, user)
            stdout, stderr = process.stdout, process.stderr
        return CommandResult(
            command=command,
            exit_code=code,
            stdout=stdout,
            stderr=stderr,
            started=started,
            duration=time.monotonic() - clock,
        )

    def _finish(
        self, process: Process, command: Command, talk: Talk, timeout: float, user: str
    ) -> int:
        """Wait for the end of *process*, and leave nothing of it behind."""
        self._running.add(process)
        try:
            code = wait(process.finish, talk, timeout, self._target.setting("max_output"))
        except BaseException as error:
            if not isinstance(error, Exception):
                process.end()  # we were interrupted; in a lane, another thread still waits for it
            if user and process.survivors and not self._sudo.ending:
                self._end(user, process.survivors)
            if isinstance(error, (TimedOut, Incomplete)):
                raise type(error)(f"{show(command)}: {error}") from error
            raise
        finally:
            self._running.discard(process)
        if process in self._ended:
            raise ConnectionLost(f"{self.name}: the run ended before `{show(command)}` did")
        return code

    def _run_as(self, user: str, command: Command, stdin: bytes, timeout: float) -> CommandResult:
        """Run through sudo: without a password if it lets us, else with the one we have."""
        state = self._sudo
        if not state.asks:
            mark = _mark()
            argv = sudo_argv(user, command, mark)
            result = self._run(command, argv, Say(stdin), timeout, user)
            stderr = split_mark(result.stderr, mark)
            if stderr is not None:
                return replace(result, stderr=stderr)
            if not asks_password(result.err) or not self._has_password:
                raise refusal(user, command, result.stderr)
            state.asks = True
        # One at a time until the password is known to be right: a wrong one is typed once.
        with contextlib.nullcontext() if state.right or state.ending else state.first:
            if state.refused is not None:
                raise Denied(f"sudo: {state.refused}; the password is not tried again")
            return self._run_with_password(user, command, stdin, timeout)

    def _end(self, user: str, pids: Sequence[int]) -> None:
        """End what runs as *user*, as far as can be."""
        kill = ["kill", "-KILL", *map(str, pids)]
        self._sudo.ending = True
        try:
            with contextlib.suppress(CannotAssess):
                self._run_as(user, kill, b"", timeout=5)
        finally:
            self._sudo.ending = False

    @property
    def _has_password(self) -> bool:
        become = self._become
        return become is not None and become.password is not None and self._secrets is not None

    def _run_with_password(
        self, user: str, command: Command, stdin: bytes, timeout: float
    ) -> CommandResult:
        become, secrets = self._become, self._secrets
        if become is None or become.password is None or secrets is None:
            raise Denied(f"sudo asks for a password to become {user}, and the inventory names none")
        purpose = f"{self.name}: sudo password"
        password = secrets.get(become.password, purpose=purpose, base=self._target.base)
        talk = PasswordTalk(password, stdin, prompt=_mark(), mark=_mark())
        argv = sudo_argv(user, command, talk.mark, ("-S", "-p", talk.prompt))
        try:
            result = self._run(command, argv, talk, timeout, user)
        except Denied as error:
            self._sudo.refused = str(error)
            raise
        stderr = talk.clean(result.stderr)
        if stderr is None:
            denied = refusal(user, command, talk.words(result.stderr))
            self._sudo.refused = str(denied)
            raise denied
        self._sudo.right = True
        return replace(result, stderr=stderr)


class _SudoState:
    """What is known about sudo on this machine."""

    def __init__(self) -> None:
        self.asks = False
        self.right = False
        self.refused: str | None = None
        self.ending = False
        self.first = Mutex()


def open_local(
    target: Target, secrets: Secrets, inventory_targets: Mapping[str, Target]
) -> Transport:
    """Return the way to this machine; the arguments are those of every opener."""
    del inventory_targets
    return LocalTransport(target, secrets)


def identify() -> dict[str, str]:
    """Return what identifies this machine: ``address``, ``kernel``, ``os``, ``machine_id``."""
    system = platform.uname()
    found = {"address": "local", "kernel": f"{system.system} {system.release}"}
    with contextlib.suppress(OSError):
        release = platform.freedesktop_os_release()
        found["os"] = release.get("PRETTY_NAME") or release["NAME"]
    with contextlib.suppress(OSError):
        found["machine_id"] = Path("/etc/machine-id").read_text("ascii").strip()
    return found


def _current_user() -> str:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _read(path: str, limit: int) -> bytes:
    with _os_errors(path):
        # Without O_NONBLOCK, opening a named pipe waits for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CannotAssess(f"{path}: not a regular file")
            data = file.read(limit + 1)
    if len(data) > limit:
        raise Incomplete(f"{path}: larger than {limit} bytes")
    return data


def _stat(path: str) -> FileStat:
    with _os_errors(path):
        found = os.lstat(path)
    return FileStat(
        path=path,
        mode=found.st_mode,
        uid=found.st_uid,
        gid=found.st_gid,
        size=found.st_size,
        mtime=int(found.st_mtime),
    )


def _listdir(path: str) -> list[str]:
    with _os_errors(path), os.scandir(os.fsencode(path)) as entries:
        return sorted(decode(entry.name) for entry in entries)


def _mark() -> str:
    return f"[sysaudit {randomness.token_hex(8)}]"


def _not_started(command: Command, argv: Sequence[str], error: OSError) -> tuple[int, bytes]:
    """Return the exit code and message that a shell gives for *error*."""
    if isinstance(command, str) or error.filename not in (None, argv[0]):
        raise CannotAssess(f"{argv[0]} cannot be started: {error.strerror}") from error
    if isinstance(error, FileNotFoundError):
        return 127, f"{argv[0]}: not found\n".encode()
    if isinstance(error, PermissionError):
        return 126, f"{argv[0]}: {error.strerror}\n".encode()
    raise CannotAssess(f"{argv[0]} cannot be started: {error.strerror}") from error


@contextlib.contextmanager
def _os_errors(path: str) -> Iterator[None]:
    """Make what the operating system says about *path* ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotApplicable(f"{path}: {error.strerror}") from error
    except PermissionError as error:
        raise Denied(f"{path}: {error.strerror}") from error
    except OSError as error:
        raise CannotAssess(f"{path}: {error.strerror}") from error
