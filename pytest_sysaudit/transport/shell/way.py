"""An open connection that shells can be started over, and what the inventory says about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pytest_sysaudit.transport.shell.become import Password
from pytest_sysaudit.transport.shell.pipe import Hearer, Pipe


class Way(Protocol):
    """One open connection to a host."""

    @property
    def alive(self) -> bool:
        """Whether it can be used."""

    def start(self, line: str, hearer: Hearer) -> Pipe:
        """Start a command line; see `pytest_sysaudit.transport.shell.pipe.Starter`."""

    def close(self) -> None:
        """Close it; every pipe of it ends. May be called twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the inventory says about the commands of one host.

    Attributes:
        name: the target's name.
        me: the login user.
        become: whom commands run as, unless a caller says otherwise; None: the login user.
        password: the login user's, for sudo.
        open_timeout, command_timeout: seconds.
        limit: bytes of output of one command.
        most: channels of one connection.
    """

    name: str
    me: str
    become: str | None
    password: Password
    open_timeout: float
    command_timeout: float
    limit: int
    most: int = 4
