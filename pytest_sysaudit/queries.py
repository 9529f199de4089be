"""The host that testinfra's modules ask: a question nobody answered is never a "no".

testinfra takes most non-zero exit codes for "no". `AskingHost` raises `CannotAssess` where the
host refused, a tool is missing, or a code is not expected; where the thing asked about plainly is
not there, it stays testinfra's AssertionError. What users call on the host itself (``run``,
``run_expect``, ``run_test``, ``check_output``) is testinfra's own.
"""

from __future__ import annotations

import re
from typing import Any

import testinfra.host
from testinfra.backend.base import CommandResult

from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.text import first_line

_DENIED = re.compile(
    r"(?im)(?:permission denied|operation not permitted|access denied)(?: on key .*)?\s*$"
)
_NO_SUCH = re.compile(
    "(?i)no such file|not a directory|no such user|unknown user|no packages found"
    "|is not installed|was not found|unknown key"
)
#: A shell's codes for a command that it could not start or find.
NOT_RUN = (126, 127)


def denied(result: CommandResult) -> bool:
    """Whether the host refused what *result* is about, or a part of it."""
    return bool(_DENIED.search(result.stderr))


def failed(result: CommandResult) -> CannotAssess:
    """Return the error for a *result* that answers nothing."""
    command = first_line(result.backend.decode(result.command), 200)
    words = first_line(result.stderr) or first_line(result.stdout) or "no message"
    text = f"{command}: exit code {result.rc}: {words}"
    return Denied(text) if denied(result) else CannotAssess(text)


def missing(result: CommandResult) -> AssertionError | CannotAssess:
    """Return the error for a *result* that has nothing to tell.

    That is testinfra's AssertionError if what was asked about does not exist, else `failed`.
    """
    silent = not result.stderr.strip()
    if denied(result) or result.rc in NOT_RUN or not (silent or _NO_SUCH.search(result.stderr)):
        return failed(result)
    return AssertionError(f"Unexpected exit code {result.rc} for {result}")


class ToolMissing(CannotAssess, ValueError):  # noqa: N818 - as its parent
    """A tool that a module needs is not on the host; its modules expect a ValueError then."""


class AskingHost(testinfra.host.Host):  # type: ignore[misc]  # testinfra ships no types
    """The host that testinfra's modules ask."""

    def run_expect(
        self, expected: list[int], command: str, *args: str, **kwargs: Any
    ) -> CommandResult:
        """Run *command*; any other exit code than the *expected* ones is a `CannotAssess`."""
        result = self.run(command, *args, **kwargs)
        if result.rc not in expected or (result.rc != 0 and denied(result)):
            raise failed(result)
        return result

    def check_output(self, command: str, *args: str, **kwargs: Any) -> str:
        """Return what *command* printed, as testinfra does.

        Raises:
            AssertionError: what it asks about does not exist.
            CannotAssess: it failed for another reason, or printed a part only.
        """
        result = self.run(command, *args, **kwargs)
        if result.rc != 0 or denied(result):
            raise missing(result)
        return str(result.stdout.rstrip("\r\n"))

    def find_command(self, command: str, *args: Any, **kwargs: Any) -> str:
        """Return the path of *command*; raises ToolMissing."""
        try:
            return str(super().find_command(command, *args, **kwargs))
        except ValueError as error:
            raise ToolMissing(f"there is no {command!r} command on the host") from error

    def __getattr__(self, name: str) -> Any:
        from pytest_sysaudit.query_modules import MODULES

        try:
            if name not in MODULES:
                return super().__getattr__(name)
            module = MODULES[name].get_module(self)
        except (RuntimeError, NotImplementedError) as error:
            why = str(error) or "testinfra knows no way to ask this system"
            raise CannotAssess(f"host.{name}: {why}") from error
        setattr(self, name, module)
        return module
