"""``host.service(name)``: one ``systemctl show`` for all units that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pytest_sysaudit.errors import CannotAssess, Denied, NotApplicable
from pytest_sysaudit.facts.unit_states import SUFFIXES, UnitState, unit_name
from pytest_sysaudit.resources.base import Absent, Module, Named

T = TypeVar("T")

#: What ``systemctl is-enabled`` says, and what that means.
_ON = frozenset({"enabled", "enabled-runtime", "static", "indirect", "alias", "generated"})
_OFF = frozenset({"disabled", "masked", "masked-runtime", "linked", "linked-runtime", "transient"})


class Service(Named):
    """One service; a name without suffix is a ``.service``.

    Where systemd does not run the host, testinfra's own module asks its init system.
    """

    __slots__ = ()

    @property
    def exists(self) -> bool:
        """Whether there is a unit of exactly this name, or alias."""
        return self._ask("exists", lambda unit: unit.exists)

    @property
    def is_running(self) -> bool:
        """Whether the unit is active.

        Raises:
            CannotAssess: the init system did not say.
        """
        return self._ask("is_running", lambda unit: unit.is_running)

    @property
    def is_enabled(self) -> bool:
        """Whether something starts the unit at boot, or when it is needed (``static``).

        Raises:
            Absent: it is asked for with its suffix, and there is no such unit.
            CannotAssess: the init system did not say.
        """
        return self._ask("is_enabled", self._enabled)

    @property
    def is_masked(self) -> bool:
        """Whether the unit cannot be started at all, at the moment or for good."""
        masked = ("masked", "masked-runtime")
        return self._ask(
            "is_masked", lambda unit: unit.file_state in masked or unit.load_state == "masked"
        )

    @property
    def is_valid(self) -> bool:
        """True if systemd-analyze has nothing to say about the unit.

        Raises:
            AssertionError: it has; the message is what it says.
            CannotAssess: it could not look.
        """
        unit = unit_name(self.name)
        result = self._source.facts().run(["systemd-analyze", "verify", "--", unit])
        said = (result.out, result.err)
        if result.exit_code not in (0, 1) or "ermission denied" in result.err:
            error = Denied if "ermission denied" in result.err else CannotAssess
            raise error(f"systemd-analyze verify {unit}: exit code {result.exit_code}: {said[1]}")
        if said != ("", ""):
            raise AssertionError(f"systemd-analyze verify {unit}: {''.join(said).strip()}")
        return True

    @property
    def systemd_properties(self) -> Mapping[str, str]:
        """All properties of the unit, as ``systemctl show`` names and writes them."""
        try:
            return dict(self._source.facts().unit_properties[unit_name(self.name)])
        except NotApplicable:
            found: Mapping[str, str] = self._theirs().systemd_properties
            return found

    def _enabled(self, unit: UnitState) -> bool:
        if unit.load_state == "not-found" or not unit.file_state:
            if self.name.rpartition(".")[2] not in SUFFIXES:
                return False
            error = Absent if unit.load_state == "not-found" else CannotAssess
            raise error(f"{self.name}: systemd knows no file of this unit")
        if unit.file_state in _OFF or unit.load_state == "masked":
            return False
        if unit.file_state not in _ON:
            raise CannotAssess(f"{self.name}: systemd calls its file {unit.file_state!r}")
        if unit.file_state == "generated" and unit.source.startswith("/etc/init.d/"):
            return unit.wanted  # generated of every init script, started or not
        return True

    def _ask(self, question: str, answer: Callable[[UnitState], T]) -> T:
        try:
            unit = self._source.facts().unit_states[unit_name(self.name)]
        except NotApplicable:
            theirs: T = getattr(self._theirs(), question)
            return theirs
        return answer(unit)

    def _theirs(self) -> Any:
        try:
            return self._source.testinfra()(self.name)
        except NotImplementedError as error:
            raise Absent(f"{self.name}: {error}") from error


class Services(Module):
    """``host.service``."""

    __slots__ = ()

    def __call__(self, name: str) -> Service:
        """Return the service *name*; nothing is asked yet."""
        return Service(self._source, name)
