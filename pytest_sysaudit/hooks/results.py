"""What is kept of a check that ended: its results, without secrets, fit for every report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pytest_sysaudit.hooks.check import Check
from pytest_sysaudit.record import Control, Place, Plain, Result, Verdict, utc_text
from pytest_sysaudit.text import printable, settled, shorten

if TYPE_CHECKING:
    from pytest_sysaudit.evidence.redact import Redactor

MESSAGE_LIMIT = 4000
"""Characters of a message that a report keeps."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check came to. ``place`` tells checks apart and is not redacted, the rest is."""

    place: Place
    control: Control
    results: tuple[Result, ...]

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data, as it crosses pytest-xdist."""
        return {
            "place": self.place.to_plain(),
            "control": self.control.to_plain(),
            "results": [result.to_plain() for result in self.results],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Plain]) -> Self:
        """Undo `to_plain`."""
        return cls(
            Place.from_plain(plain["place"]),
            Control.from_plain(plain["control"]),
            tuple(map(Result.from_plain, plain["results"])),
        )


class Keeper:
    """Makes results fit to be kept: no secrets, valid UTF-8, nothing that JSON does not have.

    What all results of a control share is redacted once, and again when another secret is known.

    Attributes:
        times: in a replay, what tells when the target was looked at: `Result.started` and the
            seconds that it took. None: the times of this run.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.times: Callable[[Place, str], tuple[str, float]] | None = None
        self._controls: dict[str, tuple[int, Control, Control]] = {}

    def control(self, control: Control) -> Control:
        """Return *control* without secrets."""
        known = self._controls.get(control.id)
        version = self._redactor.version
        if known is None or known[0] != version or known[1] is not control:
            clean = Control.from_plain(self._redactor.plain(control.to_plain()))
            known = self._controls[control.id] = (version, control, clean)
        return known[2]

    def result(  # noqa: PLR0913 - a result has as many parts
        self,
        check: Check,
        verdict: Verdict,
        message: str,
        *,
        resource: str = "",
        observed: Mapping[str, Plain] | None = None,
        started: float,
        duration: float = 0.0,
        waiver: Mapping[str, Plain] | None = None,
        attestation: Mapping[str, Plain] | None = None,
        evidence: Sequence[str] = (),
    ) -> Result:
        """Return a result of *check* that can be kept."""
        text = self._text
        if message:
            message = shorten(settled(text(message)), MESSAGE_LIMIT)
        control, of = text(check.control.id), text(check.id)
        target = text(check.label) if check.label else ""
        resource = text(resource) if resource else ""
        params = self._data(check.params) if check.params else {}
        if self.times is None:
            stamp = utc_text(started)  # nothing in it but a known secret may look like one
            times = text(stamp) if self._redactor.version else stamp, round(duration, 6)
        else:
            times = self.times(Place.of(control, of, target, params), resource)
        return Result(
            control=control,
            check=of,
            target=target,
            resource=resource,
            params=params,
            verdict=verdict,
            message=message,
            expected=self.expected(check),
            observed=self._data(observed) if observed else None,
            started=times[0],
            duration=times[1],
            evidence=tuple(evidence),
            waiver=self._data(waiver) if waiver else None,
            attestation=self._data(attestation) if attestation else None,
        )

    def expected(self, check: Check) -> Plain:
        """Return what *check* expects, as its results say it."""
        told = check.expected
        return self._text(told) if isinstance(told, str) else self._data(told)

    def _text(self, text: str) -> str:
        return printable(self._redactor.text(text))

    def _data(self, value: Plain) -> Any:
        return valid(self._redactor.plain(value))


def valid(value: Plain) -> Plain:
    """Make every text valid UTF-8: execnet and JSON refuse lone surrogates."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): valid(item) for key, item in value.items()}
    if isinstance(value, list):
        return [valid(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) > sys.float_info.max):  # noqa: PLR0124 - NaN
        return str(value)
    return value
