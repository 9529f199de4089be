"""A transport with canned answers, and a judge for one check: for tables of cases."""

from __future__ import annotations

import inspect
import shlex
import stat
from collections.abc import Callable, Mapping
from typing import Any

from pytest_sysaudit.audit import Audit, judge
from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts import small_files, sshd
from pytest_sysaudit.facts.frame import PREAMBLE
from pytest_sysaudit.host import Host
from pytest_sysaudit.inventory import model
from pytest_sysaudit.inventory.target import Kind, Target
from pytest_sysaudit.record import Verdict
from pytest_sysaudit.transport.base import Command, CommandResult, FileStat, show

Answer = tuple[int, str | bytes, str | bytes] | str | bytes | BaseException
Key = str | tuple[str, ...] | Callable[[Command], bool]

_MARK = "00000000-0000-4000-8000-000000000000"


class FakeTransport:
    """Answers what it was given.

    Args:
        name: the target's name.
        results: answers by command: as one would type it, as a tuple of arguments, or a predicate.
            The first that fits is taken; of a framed script, each command is looked up by itself,
            and so is ``cat PATH`` for each of the small files that several tables are made of;
            if nothing fits, *files* says what is there.
            An answer is ``(exit code, stdout, stderr)``, just stdout, or an exception to raise.
        files: content by path, or an exception.
        stats: facts by path, or an exception; files and folders of *files* have plain ones.
        identity: what identifies the host.
        unknown: None: a command nobody answers is an AssertionError; else its exit code.

    Attributes:
        calls: every command that was run, with its user, in order.
    """

    def __init__(
        self,
        name: str = "web1",
        *,
        results: Mapping[Key, Answer] | None = None,
        files: Mapping[str, str | bytes | BaseException] | None = None,
        stats: Mapping[str, FileStat | BaseException] | None = None,
        identity: Mapping[str, str] | None = None,
        unknown: int | None = None,
    ) -> None:
        self.name = name
        self.identity = identity or {}
        self.results = dict(results or {})
        self.files = dict(files or {})
        self.stats = dict(stats or {})
        self.unknown = unknown
        self.calls: list[tuple[Command, str | None]] = []
        self.closed = False

    def run(
        self,
        command: Command,
        *,
        stdin: bytes = b"",  # noqa: ARG002 - the protocol's
        timeout: float | None = None,  # noqa: ARG002 - the protocol's
        user: str | None = None,
    ) -> CommandResult:
        self.calls.append((command, user))
        if isinstance(command, str) and command.startswith(PREAMBLE):
            return self._frame(command)
        if isinstance(command, str) and command.endswith(small_files.PREAMBLE):
            return self._small_files(command)
        if isinstance(command, str) and "\necho @as\n" in command:
            return self._connections(command)
        return _result(command, *self._answer(command))

    def read(self, path: str, *, limit: int = 1 << 24) -> bytes:  # noqa: ARG002 - the protocol's
        try:
            content = self.files[path]
        except KeyError:
            raise NotApplicable(f"{path}: no such file") from None
        if isinstance(content, BaseException):
            raise content
        return _bytes(content)

    def stat(self, path: str) -> FileStat:
        facts = self.stats.get(path)
        if isinstance(facts, BaseException):
            raise facts
        if facts is not None:
            return facts
        if path in self.files:
            size = len(self.read(path))
            return FileStat(path=path, mode=0o100644, uid=0, gid=0, size=size, mtime=0)
        if self._names(path):
            return FileStat(path=path, mode=stat.S_IFDIR | 0o755, uid=0, gid=0, size=0, mtime=0)
        raise NotApplicable(f"{path}: no such file")

    def listdir(self, path: str) -> list[str]:
        if not stat.S_ISDIR(self.stat(path).mode):
            raise CannotAssess(f"{path}: not a folder")
        return self._names(path)

    def close(self) -> None:
        self.closed = True

    def _connections(self, command: str) -> CommandResult:
        """Answer of each connection to sshd what it says by default."""
        code, out, err = self._answer(sshd._SCRIPT)
        settings = out.decode().partition("@files\n")[0]
        text = f"@as\n{settings}" * command.count("echo @as\n")
        return _result(command, code, f"{text}@end\n".encode(), err)

    def _names(self, path: str) -> list[str]:
        top = path.rstrip("/") + "/"
        below = [p for p in (*self.files, *self.stats) if p.startswith(top) and p != top]
        return sorted({p.removeprefix(top).split("/", 1)[0] for p in below})

    def _answer(self, command: Command) -> tuple[int, bytes, bytes]:
        answer = next((a for key, a in self.results.items() if _fits(key, command)), None)
        if answer is None:
            text = show(command)
            if self.unknown is None:
                raise AssertionError(f"{self.name}: no answer for the command {text!r}")
            return self.unknown, b"", f"sh: {text.split()[0]}: not found\n".encode()
        if isinstance(answer, BaseException):
            raise answer
        code, out, err = answer if isinstance(answer, tuple) else (0, answer, b"")
        return code, _bytes(out), _bytes(err)

    def _small_files(self, script: str) -> CommandResult:
        paths = shlex.split(script.removesuffix(small_files.PREAMBLE))[2:]
        lines: list[str] = []
        for number, path in enumerate(paths, start=1):
            code, out, err = self._cat(path)
            if code:
                lines += [err.decode() or "no message", f"{number}!", f"{number}?"]
                continue
            text = out.decode("utf-8", "surrogateescape").removesuffix("\n")
            lines += [*(f"{number}:{line}" for line in text.split("\n") if text), f"{number}."]
        said = "\n".join([*lines, "@end", ""]).encode("utf-8", "surrogateescape")
        return _result(script, 0, said, b"")

    def _cat(self, path: str) -> tuple[int, bytes, bytes]:
        if any(_fits(key, ["cat", path]) for key in self.results):
            return self._answer(["cat", path])
        try:
            return 0, self.read(path), b""
        except NotApplicable:
            return 1, b"", f"cat: {path}: No such file or directory".encode()

    def _frame(self, script: str) -> CommandResult:
        out, err = f"sysaudit-frame {_MARK}\n".encode(), b""
        words = shlex.split(script.removeprefix(PREAMBLE))
        sections = [words[i + 1 : i + 3] for i in range(0, len(words) - 4, 3)]
        for name, text in sections:
            if text.endswith(small_files.PREAMBLE):
                said = self._small_files(text)
                code, section_out, section_err = said.exit_code, said.stdout, said.stderr
            else:
                code, section_out, section_err = self._answer(text)
            begin = f"\n{_MARK} begin {name}\n".encode()
            end = f"\n{_MARK} end {name} {code}\n".encode()
            out += begin + section_out + end
            err += begin + section_err + end
        return _result(script, 0, out + f"\n{_MARK} done {len(sections)}\n".encode(), err)


def _fits(key: Key, command: Command) -> bool:
    if callable(key):
        return key(command)
    return show(command) == (key if isinstance(key, str) else shlex.join(key))


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _result(command: Command, code: int, out: bytes, err: bytes) -> CommandResult:
    return CommandResult(
        command=command, exit_code=code, stdout=out, stderr=err, started=0.0, duration=0.0
    )


def fake_target(name: str = "web1", **fields: Any) -> Target:
    """Return an ssh target; *fields* are those of `Target`."""
    return Target(
        **{"name": name, "kind": Kind.SSH, "entry": model.Host(address="192.0.2.1"), **fields}
    )


def fake_host(transport: FakeTransport | None = None, **fields: Any) -> Host:
    """Return a `Host` over *transport*; without `fields` it has canned answers only."""
    transport = transport or FakeTransport(**fields)
    return Host(fake_target(transport.name), transport)


def judge_check(
    check: Callable[..., None], *, inputs: Mapping[str, Any] | None = None, **fixtures: Any
) -> tuple[Verdict, str]:
    """Run *check* with *fixtures* and return its verdict and the reason.

    Args:
        check: a check function; its control marker says the default inputs.
        inputs: values over those defaults.
        fixtures: what it asks for by name; ``audit`` is made here unless given.
    """
    declared = {}
    for mark in getattr(check, "pytestmark", []):
        if mark.name == "control":
            declared = mark.kwargs.get("inputs", {})
    audit = fixtures.pop("audit", None) or Audit({**declared, **(inputs or {})})
    available = {**fixtures, "audit": audit}
    asked = {name: available[name] for name in inspect.signature(check).parameters}
    try:
        check(**asked)
        audit.conclude()
    except Exception as error:  # noqa: BLE001 - judging any error is the point
        return judge(error)
    return Verdict.PASS, ""
