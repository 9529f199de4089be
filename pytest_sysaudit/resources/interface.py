"""``host.interface(name)``: names, addresses and default routes from one command."""

from __future__ import annotations

from typing import Any

from pytest_sysaudit.facts.interfaces import Interface as InterfaceFact
from pytest_sysaudit.resources.base import Absent, Module, Source


class Interface:
    """One network interface.

    Attributes:
        name: as it was asked for; None of the default of a family without one.
        family: ``inet`` or ``inet6``: only addresses and routes of this kind; None: all.
    """

    __slots__ = ("_source", "family", "name")

    def __init__(self, source: Source, name: str | None, family: str | None = None) -> None:
        self._source = source
        self.name = name
        self.family = family

    @property
    def exists(self) -> bool:
        """Whether there is one of this name."""
        return self._find() is not None

    @property
    def addresses(self) -> list[str]:
        """The IP addresses; raises `Absent` if there is no such interface."""
        found = self._find()
        if found is None:
            raise Absent(f"there is no network interface {self.name}")
        wanted = ("inet", "inet6") if self.family is None else (self.family,)
        return [address for family, address in found.addresses if family in wanted]

    @property
    def speed(self) -> int:
        """The speed in Mbit/s, -1 where it is not known; asked for each time."""
        return int(self._theirs().speed)

    @property
    def link(self) -> Any:
        """What ``ip --json link show`` says; asked for each time."""
        return self._theirs().link

    def routes(self, scope: str | None = None) -> Any:
        """Return what ``ip --json route list`` says of the interface; asked for each time."""
        return self._theirs().routes(scope)

    def _find(self) -> InterfaceFact | None:
        found: InterfaceFact | None = self._source.facts().interfaces.get(self.name)
        return found

    def _theirs(self) -> Any:
        if not self.exists:
            raise Absent(f"there is no network interface {self.name}")
        return self._source.testinfra()(self.name, self.family)

    def __repr__(self) -> str:
        return f"<interface {self.name}>"


class Interfaces(Module):
    """``host.interface``."""

    __slots__ = ()

    def __call__(self, name: str, family: str | None = None) -> Interface:
        """Return the interface *name*; nothing is asked yet."""
        return Interface(self._source, name, family)

    def names(self) -> list[str]:
        """Return the names of all interfaces."""
        return list(self._source.facts().interfaces.interfaces)

    def default(self, family: str | None = None) -> Interface:
        """Return the interface of the default route; its name is None if there is no route.

        Args:
            family: ``inet``, which None stands for, or ``inet6``.
        """
        defaults = self._source.facts().interfaces.defaults
        return Interface(self._source, defaults.get(family or "inet"), family)
