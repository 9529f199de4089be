"""Every error that this package raises on purpose.

::

    SysauditError
    ├── InventoryError           the inventory cannot be used: all problems at once
    ├── ProfileError             a profile cannot be used: all problems at once
    ├── ComplianceError          waivers, attestations, a gate or a baseline cannot be used
    ├── SecretError              a secret that the inventory names cannot be had
    ├── ReportError              a report could not be written
    ├── EvidenceError            a recording cannot be begun, or is not what it should be
    ├── NotApplicable            the thing does not exist on this target
    └── CannotAssess             nothing is known about compliance
        ├── Unreachable          the target did not let us in; nothing else is tried on it
        │   ├── HostKeyError     the host key is unknown or has changed
        │   ├── LoginRefused     the target refused who we are
        │   └── WrongIdentity    the target is not the one that the inventory means
        ├── ConnectionLost       the connection broke while something was under way
        ├── TimedOut             an answer did not come in time
        ├── Denied               the target refused what we asked for
        ├── Incomplete           only a part of the data could be had
        └── RefusedByPolicy      we refused to send it: audits only read

"Does not comply" is not among them: that is an ``AssertionError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SysauditError(Exception):
    """Base class of all errors of this package."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong at one place of a file.

    ``line`` and ``column`` count from 1; 0 means that the place is not known.
    """

    path: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{place}: {self.message}"


class _FileError(SysauditError):
    """A file of the user's cannot be used.

    Attributes:
        problems: everything that is wrong with it, in the order of the file.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[_FileError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class InventoryError(_FileError):
    """The inventory cannot be used."""


class ProfileError(_FileError):
    """A profile cannot be used."""


class ComplianceError(_FileError):
    """Waivers, attestations, a gate or a baseline cannot be used: all problems at once."""


class SecretError(SysauditError):
    """A secret that the inventory names cannot be had; the message never holds its value."""


class ReportError(SysauditError):
    """A report could not be written."""


class EvidenceError(SysauditError):
    """A recording cannot be begun, cannot be read, or is not what it should be."""


class NotApplicable(SysauditError):  # noqa: N818 - reads as the verdict it gives
    """The thing that a check is about does not exist on this target."""


class CannotAssess(SysauditError):  # noqa: N818 - reads as the verdict it gives
    """The check could not be carried out, so nothing is known about compliance."""


class Unreachable(CannotAssess):
    """The target did not let us in. It is dead for the rest of the run."""


class HostKeyError(Unreachable):
    """The target's host key is unknown, or is not the one that we know."""


class LoginRefused(Unreachable):
    """The target refused our key, password or credentials."""


class WrongIdentity(Unreachable):
    """The target answers, but is not the one that the inventory means."""


class ConnectionLost(CannotAssess):
    """The connection broke while something was under way; what came of it is unknown.

    Attributes:
        final: whether nothing else is tried on the target; if not, what is asked next goes over a
            new shell or connection.
    """

    def __init__(self, message: str = "", *, final: bool = True) -> None:
        super().__init__(message)
        self.final = final


class TimedOut(CannotAssess):
    """An answer did not come in time."""


class Denied(CannotAssess):
    """The target refused what we asked for: no privilege, no permission."""


class Incomplete(CannotAssess):
    """Only a part of the data could be had, so nothing can be concluded from its absence."""


class RefusedByPolicy(CannotAssess):
    """We refused to send it: an audit reads and changes nothing."""
