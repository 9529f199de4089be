"""The `audit` object of a check: what it saw, what it is given, and rows for things found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from pytest_sysaudit.clock import now
from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.evidence.trail import collected, passed_on
from pytest_sysaudit.record import Plain, Verdict, worst
from pytest_sysaudit.text import plural

T = TypeVar("T")
Judge = Callable[[BaseException], tuple[Verdict, str]]


def judge(error: BaseException) -> tuple[Verdict, str]:
    """Return the verdict that *error* stands for, and its reason."""
    if isinstance(error, AssertionError):
        return Verdict.FAIL, _told(error) or "assertion failed"
    if isinstance(error, NotApplicable):
        return Verdict.NOT_APPLICABLE, str(error)
    if isinstance(error, CannotAssess):
        return Verdict.ERROR, str(error)
    return Verdict.ERROR, f"{type(error).__name__}: {_told(error)}".removesuffix(": ")


def _told(error: BaseException) -> str:
    """Return the text of *error*, which may be of a class that cannot tell its own."""
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - it is the check's code
        return f"(its text cannot be had: {type(broken).__name__})"


class Inputs(Mapping[str, Any]):
    """Typed parameters of a check: ``inputs.maximum`` or ``inputs["maximum"]``."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(sorted(self._values)) or "none"
            raise AttributeError(
                f"this check declares no input {name!r} (declared: {known}); "
                "add it to inputs={...} of its control marker"
            ) from None

    def __repr__(self) -> str:
        return "inputs"  # stands in messages of failed assertions, which must not vary

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was found about one resource."""

    resource: str
    verdict: Verdict
    message: str
    observed: Mapping[str, Plain]
    started: float
    duration: float
    evidence: tuple[str, ...] = ()


class Audit:
    """What a check tells the report besides its assertions.

    Attributes:
        inputs: the parameters that the control marker declares, with the inventory's values.
        now: the time to judge ages and expiry dates by: see `pytest_sysaudit.clock.now`.
        observations: what `observe` was told, by name.
        rows: one for each `resource` block that ended.
    """

    def __init__(self, inputs: Mapping[str, Any] | None = None, judge: Judge = judge) -> None:
        self.inputs = Inputs(inputs or {})
        self.observations: dict[str, Plain] = {}
        self.rows: list[Row] = []
        self._judge = judge
        self._inside: dict[str, Plain] | None = None

    def __repr__(self) -> str:
        return "audit"

    @property
    def now(self) -> datetime:
        """When this run began; in a replay, when the recorded run did. UTC."""
        return now()

    def observe(self, name: str, value: T) -> T:
        """Record *value*, which must be JSON data or have a ``str``, and return it.

        Inside a `resource` block it belongs to that resource.
        """
        seen = self.observations if self._inside is None else self._inside
        seen[name] = to_plain(value)
        return value

    def not_applicable(self, why: str) -> NoReturn:
        """End the check: the thing it is about does not exist on this target."""
        raise NotApplicable(why)

    def cannot_assess(self, why: str) -> NoReturn:
        """End the check: nothing could be found out."""
        raise CannotAssess(why)

    @contextmanager
    def resource(self, name: str) -> Iterator[None]:
        """Judge one thing found at run time; what fails inside does not stop the next block.

        Args:
            name: what identifies it in the report, as an ARN or a path.

        Raises:
            RuntimeError: the block stands inside another one.
        """
        if self._inside is not None:
            raise RuntimeError("audit.resource blocks cannot be nested")
        seen: dict[str, Plain] = {}
        self._inside = seen
        started = time.time()
        verdict, message = Verdict.PASS, ""
        try:
            with collected() as trail:
                yield
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as pytest.skip does
            verdict, message = self._judge(error)
        finally:
            self._inside = None
            passed_on(trail)
        self.rows.append(
            Row(
                resource=name,
                verdict=verdict,
                message=message,
                observed=seen,
                started=started,
                duration=time.time() - started,
                evidence=tuple(trail.ids),
            )
        )

    def conclude(self) -> None:
        """Raise what the worst row stands for; the check's own verdict is the worst of its rows."""
        bad = [row for row in self.rows if row.verdict in (Verdict.FAIL, Verdict.ERROR)]
        if bad:
            gravest = worst([row.verdict for row in bad])
            chosen = [row for row in bad if row.verdict is gravest]
            word = "fail" if gravest is Verdict.FAIL else "could not be assessed"
            lines = [f"{len(chosen)} of {plural(len(self.rows), 'resource')} {word}:"]
            lines += [f"{row.resource}: {row.message}" for row in chosen]
            text = "\n".join(lines)
            raise (AssertionError if gravest is Verdict.FAIL else CannotAssess)(text)
        if self.rows and all(row.verdict is Verdict.NOT_APPLICABLE for row in self.rows):
            raise NotApplicable(f"not applicable to any of {plural(len(self.rows), 'resource')}")


def to_plain(value: object) -> Plain:  # noqa: PLR0911 - one line a type
    """Return *value* as JSON data; what JSON does not know becomes its ``str``."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((to_plain(item) for item in value), key=str)
    return str(value)
