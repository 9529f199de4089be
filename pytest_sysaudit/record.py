"""The plain values that every report is made of."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Self

Plain = Any
"""JSON data: str, int, float, bool, None, and lists and dicts with str keys of these."""
SCHEMA = "sysaudit-results/1"
"""What the json document calls itself, and its version."""


class Verdict(enum.StrEnum):
    """What a check found. The order is the order of gravity, worst last."""

    NOT_APPLICABLE = "not_applicable"
    PASS = "pass"  # noqa: S105 - not a password
    WAIVED = "waived"
    MANUAL = "manual"
    ERROR = "error"
    FAIL = "fail"

    @property
    def gravity(self) -> int:
        """0 for the most harmless verdict, higher is worse."""
        return list(Verdict).index(self)


class Severity(enum.StrEnum):
    """How much it matters when a control is not met, most harmless first."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def weight(self) -> int:
        """0 for ``info`` to 4 for ``critical``."""
        return list(Severity).index(self)


def utc_text(seconds: float) -> str:
    """Return the UTC ISO 8601 form, to the millisecond, of *seconds* since the epoch."""
    whole, rest = divmod(seconds, 1)
    micros = round(rest * 1e6)  # as datetime rounds, which then cuts off what is below
    return f"{_second(int(whole) + micros // 1_000_000)}.{micros // 1000 % 1000:03}Z"


@lru_cache(maxsize=64)  # what happens in a second is told many times
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One requirement, and where the check that judges it is written.

    ``frameworks`` maps a framework's name to the numbers there, as
    ``{"cis-debian12": ("5.1.20",)}``. ``source`` is the check's id
    (``linux/test_accounts.py::test_x``), ``source_sha256`` the hash of its function's text.
    """

    id: str
    title: str
    severity: Severity = Severity.MEDIUM
    frameworks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rationale: str = ""
    remediation: str = ""
    source: str = ""
    source_sha256: str = ""

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain["severity"] = self.severity.value
        plain["frameworks"] = {k: list(v) for k, v in sorted(self.frameworks.items())}
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Plain]) -> Self:
        """Undo `to_plain`."""
        return cls(**{**plain, "severity": Severity(plain["severity"])})


class Place(NamedTuple):
    """What tells one check on one target from all others; ``params`` are sorted by name."""

    control: str
    check: str
    target: str
    params: tuple[tuple[str, str], ...] = ()

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        return {**self._asdict(), "params": dict(self.params)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Plain]) -> Self:
        """Undo `to_plain`."""
        return cls.of(**plain)

    @classmethod
    def of(cls, control: str, check: str, target: str, params: Mapping[str, str]) -> Self:
        """Return the place of a check with *params*, in whatever order these are."""
        return cls(control, check, target, tuple(sorted(params.items())) if params else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one check found on one target, or about one resource of it.

    ``started`` is UTC ISO 8601, ``duration`` is in seconds. ``expected`` and ``observed`` are JSON
    data; ``resource`` is "" where the result is about the target as a whole.
    """

    control: str
    check: str
    target: str
    resource: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    verdict: Verdict
    message: str = ""
    expected: Plain = None
    observed: Plain = None
    started: str = ""
    duration: float = 0.0
    evidence: Sequence[str] = ()
    waiver: Mapping[str, Plain] | None = None
    attestation: Mapping[str, Plain] | None = None
    drift: str | None = None

    @property
    def place(self) -> Place:
        """Which check on which target it is of."""
        return Place.of(self.control, self.check, self.target, self.params)

    @property
    def sort_key(self) -> tuple[str, str, str, str, str]:
        """The place of this result in a report: the same however the run was made."""
        params = ""
        if self.params:
            params = ",".join(f"{k}={v}" for k, v in sorted(self.params.items()))
        return (self.target, self.control, self.check, params, self.resource)

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        plain = {name: getattr(self, name) for name in _RESULT}
        for name in ("expected", "observed", "waiver", "attestation"):
            if isinstance(plain[name], (dict, list)):
                plain[name] = deepcopy(plain[name])
        plain["verdict"] = self.verdict.value
        plain["evidence"] = list(self.evidence)
        plain["params"] = dict(sorted(self.params.items()))
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Plain]) -> Self:
        """Undo `to_plain`."""
        return cls(**{**plain, "verdict": Verdict(plain["verdict"])})


_RESULT = tuple(field.name for field in fields(Result))


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst of *verdicts*; raises ValueError if there is none."""
    return max(verdicts, key=lambda verdict: verdict.gravity)
