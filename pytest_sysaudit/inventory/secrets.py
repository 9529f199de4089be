"""Getting the secrets that an inventory names, and nothing else of them anywhere."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from pytest_sysaudit.errors import SecretError
from pytest_sysaudit.evidence.redact import Redactor

LARGEST = 1 << 16
"""Bytes that a secret's file may have."""

_OPEN_TO_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+|prompt")


def is_reference(text: str) -> bool:
    """Whether *text* says where a secret is: ``env:NAME``, ``file:PATH`` or ``prompt``."""
    return bool(_REFERENCE.fullmatch(text))


def ask_terminal(question: str) -> str:
    """Ask *question* on the terminal and return the answer, which is not shown.

    Raises:
        SecretError: the terminal would show it.
    """
    import getpass
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(question)
        except getpass.GetPassWarning as error:
            raise SecretError("the terminal would show what is typed") from error


def stdin_is_terminal() -> bool:
    """Whether somebody can type on standard input."""
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):  # no standard input, or a closed one
        return False


class Secrets:
    """Gets secrets, each once, and tells the redactor about them before anybody else.

    May be used from several threads; only one question is on the terminal at a time.
    """

    def __init__(
        self,
        redactor: Redactor,
        prompt: Callable[[str], str] = ask_terminal,
        is_terminal: Callable[[], bool] = stdin_is_terminal,
    ) -> None:
        """Use *prompt* to ask, if *is_terminal* says that somebody can answer."""
        self._redactor = redactor
        self._prompt = prompt
        self._is_terminal = is_terminal
        self._known: dict[tuple[str, str], str | SecretError] = {}
        self._lock = threading.Lock()
        self._asking = threading.Lock()

    def get(self, ref: str, *, purpose: str, base: Path) -> str:
        """Return the secret that *ref* names.

        Args:
            ref: ``env:NAME``, ``file:PATH`` or ``prompt``.
            purpose: what it is for, as ``sudo password of web1``; shown when asking, and in errors.
            base: the folder that a relative PATH starts from.

        Raises:
            SecretError: it cannot be had; the message never holds it.
        """
        if not is_reference(ref):
            raise SecretError(f"{purpose}: expected env:NAME, file:PATH or prompt")
        kind, _, name = ref.partition(":")
        if kind == "prompt":
            with self._asking:
                return self._once((kind, purpose), purpose, lambda: self._ask(purpose))
        if kind == "env":
            return self._once((kind, name), purpose, lambda: _from_environment(name))
        path = base / _expanded(name, purpose)
        return self._once((kind, str(path)), purpose, lambda: _from_file(path))

    def hide(self, *values: str | None) -> None:
        """Tell the redactor about secrets that came from elsewhere, as those of a login."""
        with self._lock:
            for value in filter(None, values):
                self._redactor.add(value)

    def hide_named(self, data: object, base: Path) -> None:
        """Tell the redactor about the secrets that *data* names and that can be had unasked.

        So they are hidden before the target that needs them is opened, and if it never is.

        Args:
            data: of the inventory's file: dicts and lists, and references in them.
            base: the folder that relative paths start from.
        """
        for ref in sorted(_references(data)):
            kind, _, name = ref.partition(":")
            with contextlib.suppress(SecretError):  # who needs it is told
                if kind == "env":
                    self.hide(_from_environment(name))
                elif kind == "file":
                    self.hide(_from_file(base / _expanded(name, "")))

    def _once(self, key: tuple[str, str], purpose: str, read: Callable[[], str]) -> str:
        """Return what *read* gives, and the same from then on; a refusal is final too."""
        with self._lock:
            known = self._known.get(key)
        if known is None:
            try:
                known = read()
            except SecretError as error:
                known = error
            with self._lock:
                known = self._known.setdefault(key, known)
                if isinstance(known, str):
                    self._redactor.add(known)
        if isinstance(known, SecretError):
            raise SecretError(f"{purpose}: {known}") from known
        return known

    def _ask(self, purpose: str) -> str:
        if not self._is_terminal():
            raise SecretError(
                "cannot ask, standard input is no terminal; use env:NAME or file:PATH"
            )
        try:
            answer = self._prompt(f"{purpose}: ")
        except (EOFError, OSError) as error:
            raise SecretError("nothing was typed") from error
        if not answer:
            raise SecretError("nothing was typed")
        return answer

    def __repr__(self) -> str:
        return f"Secrets({len(self._known)} known)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("secrets stay in their process")


def _references(data: object) -> set[str]:
    """Return the references in *data*; those of vars and inputs are texts like any other."""
    found: set[str] = set()
    parts = [data]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            parts += [value for key, value in part.items() if key not in ("vars", "inputs")]
        elif isinstance(part, list):
            parts += part
        elif isinstance(part, str) and is_reference(part):
            found.add(part)
    return found


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        state = "is not set" if value is None else "is empty"
        raise SecretError(f"the environment variable {name} {state}")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise SecretError(f"the environment variable {name} is not UTF-8 text")
    return value


def _expanded(name: str, purpose: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise SecretError(f"{purpose}: {name}: {error}") from error


def _from_file(path: Path) -> str:
    """Return the text of the file at *path* without the newline at its end."""
    try:
        # a named pipe would wait for its writer for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SecretError(f"{path}: {why}") from error
    try:
        _check(path, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    return _secret_text(path, content)


def _check(path: Path, status: os.stat_result) -> None:
    """Refuse a file that anybody else can read or change."""
    if not stat.S_ISREG(status.st_mode):
        raise SecretError(f"{path}: is not a regular file")
    if status.st_uid not in (os.geteuid(), 0):
        raise SecretError(f"{path}: belongs to user {status.st_uid}, expected us or root")
    if status.st_mode & _OPEN_TO_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise SecretError(f"{path}: others can get at it (mode {mode:04o}); run: chmod 600 {path}")


def _secret_text(path: Path, content: bytes) -> str:
    if len(content) > LARGEST:
        raise SecretError(f"{path}: is larger than {LARGEST >> 10} KiB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:  # its message would hold the bytes
        raise SecretError(f"{path}: is not UTF-8 text") from None
    for newline in ("\r\n", "\n"):
        if text.endswith(newline):
            text = text.removesuffix(newline)
            break
    if not text:
        raise SecretError(f"{path}: is empty")
    return text
