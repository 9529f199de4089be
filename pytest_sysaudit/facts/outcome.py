"""What came of reading something: a value, or the error that says why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_sysaudit.errors import CannotAssess, NotApplicable

Failure = CannotAssess | NotApplicable


@dataclass(frozen=True, slots=True)
class Outcome:
    """Kept for everybody who asks: the same value, or the same error again."""

    value: Any = None
    error: Failure | None = None

    def get(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self.value


def attempt(name: str, read: Callable[[], Any]) -> Outcome:
    """Return what *read* gives; a parser that is lost could not assess *name*."""
    try:
        return Outcome(value=read())
    except (CannotAssess, NotApplicable) as error:
        return Outcome(error=error)
    except (ValueError, LookupError, TypeError) as error:
        lost = CannotAssess(f"{name}: unknown format ({type(error).__name__}: {error})")
        lost.__cause__ = error
        return Outcome(error=lost)
