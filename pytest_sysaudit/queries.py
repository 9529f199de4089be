"""The host that testinfra's modules ask: a question nobody answered is never a "no".

testinfra takes most non-zero exit codes for "no". `AskingHost` raises `CannotAssess` where the
host refused, a tool is missing, or a code is not expected; where the thing asked about plainly is
not there, it stays testinfra's AssertionError. What users call on the host itself (``run``,
``run_expect``, ``run_test``, ``check_output``) is testinfra's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property, partial
from typing import Any

import testinfra.host
import testinfra.modules
from testinfra.backend.base import CommandResult

from pytest_sysaudit.errors import CannotAssess, Denied
from pytest_sysaudit.resources import RESOURCES, Commands, Source, open_resource
from pytest_sysaudit.text import first_line

#: Where testinfra looks besides.
_SBIN = ("/sbin", "/usr/sbin")

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


class AskingHost(testinfra.host.Host):  # type: ignore[misc]  # testinfra ships no types
    """The host that testinfra's modules ask; what `RESOURCES` answer, they ask those."""

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

    def exists(self, command: str) -> bool:
        """Return whether the host has *command*."""
        return self._commands.exists(command)

    def find_command(self, command: str, extrapaths: Iterable[str] = _SBIN) -> str:
        """Return the path of *command*; raises ToolMissing."""
        return self._commands.find(command, extrapaths)

    def testinfra_module(self, name: str) -> Any:
        """Return testinfra's own module *name*, or the one of `query_modules` in its place.

        Raises:
            CannotAssess: testinfra knows no way to ask this host.
        """
        from pytest_sysaudit.query_modules import MODULES

        if name not in self._modules:
            try:
                if name in MODULES:
                    self._modules[name] = MODULES[name].get_module(self)
                else:
                    theirs = testinfra.modules.get_module_class(name)
                    self._modules[name] = theirs.get_module(self)
            except (RuntimeError, NotImplementedError) as error:
                why = str(error) or "testinfra knows no way to ask this system"
                raise CannotAssess(f"host.{name}: {why}") from error
        return self._modules[name]

    def __getattr__(self, name: str) -> Any:
        if name not in testinfra.modules.modules:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in RESOURCES and self._is_linux:
            module: Any = open_resource(name, self._source(name))
        else:
            module = self.testinfra_module(name)
        setattr(self, name, module)
        return module

    @cached_property
    def _modules(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _commands(self) -> Commands:
        return Commands(self._source("command"))

    @cached_property
    def _is_linux(self) -> bool:
        return bool(self.backend.link.facts.uname.system == "Linux")

    def _source(self, name: str) -> Source:
        return Source(self.backend.facts, partial(self.testinfra_module, name))
