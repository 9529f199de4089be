"""``host.exists`` and ``host.find_command``: asked of the host's shell, once for each name."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.resources.base import Module


class ToolMissing(CannotAssess, ValueError):  # noqa: N818 - as its parent
    """A tool that a module needs is not on the host; its modules expect a ValueError then."""


class Commands(Module):
    """Which commands the user whom commands run as has."""

    __slots__ = ()

    def exists(self, command: str) -> bool:
        """Return whether the shell finds *command*."""
        return bool(self._source.facts().commands[command])

    def find(self, command: str, folders: Iterable[str] = ("/sbin", "/usr/sbin")) -> str:
        """Return the path of *command*, looked for in *folders* too.

        Raises:
            ToolMissing: there is none.
        """
        commands = self._source.facts().commands
        for name in (command, *(f"{folder}/{command}" for folder in folders)):
            if path := commands[name]:
                return str(path)
        raise ToolMissing(f"there is no {command!r} command on the host")
