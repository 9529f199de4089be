"""Errors of ours as JSON data and back, so that a replay raises what the run raised."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_sysaudit import errors
from pytest_sysaudit.errors import CannotAssess, ConnectionLost, NotApplicable, SysauditError
from pytest_sysaudit.record import Plain


def to_plain(error: BaseException) -> dict[str, Plain]:
    """Return the class and the words of *error*; a foreign one is a `CannotAssess` later."""
    plain: dict[str, Plain] = {"type": _name(type(error)), "message": str(error)}
    if isinstance(error, ConnectionLost):
        plain["final"] = error.final
    return plain


def from_plain(plain: Mapping[str, Plain]) -> CannotAssess | NotApplicable:
    """Undo `to_plain`."""
    found = getattr(errors, str(plain["type"]), None)
    if not (isinstance(found, type) and issubclass(found, (CannotAssess, NotApplicable))):
        return CannotAssess(str(plain["message"]))
    if issubclass(found, ConnectionLost):
        return found(str(plain["message"]), final=bool(plain.get("final", True)))
    return found(str(plain["message"]))


def _name(kind: type[BaseException]) -> str:
    """Return the nearest class of ours: subclasses elsewhere may take other arguments."""
    for each in kind.__mro__:
        if each.__module__ == errors.__name__ and each is not SysauditError:
            return each.__name__
    return CannotAssess.__name__
