"""What makes a run fail: maxima by verdict and severity, judged from the document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_sysaudit.record import Plain, Severity, Verdict

#: The verdicts that a gate limits, gravest first.
VERDICTS = tuple(
    verdict.value
    for verdict in (
        *(Verdict.FAIL, Verdict.ERROR, Verdict.WAIVED),
        *(Verdict.MANUAL, Verdict.NOT_APPLICABLE),
    )
)
SEVERITIES = tuple(severity.value for severity in reversed(Severity))
#: What a gate calls the states of waivers and attestations.
STATES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "waivers": {
        "expired": ("expired",),
        "unknown": ("unknown control", "unknown target"),
        "unused": ("unused",),
        "not_needed": ("not needed",),
        "expiring": (),
    },
    "attestations": {
        "expired": ("expired",),
        "changed": ("evidence changed",),
        "unknown": ("unknown control", "unknown target"),
        "unused": ("unused",),
        "not_manual": ("not manual",),
        "expiring": (),
    },
}
COMPLIANCE = "compliance"
#: Every name of a limit, in the order in which they are told.
NAMES = (
    *(name for v in VERDICTS for name in (v, *(f"{v}.{s}" for s in SEVERITIES))),
    *(f"{part}.{state}" for part, states in STATES.items() for state in states),
    COMPLIANCE,
)
#: What holds unless a gate says otherwise: the contract's default.
DEFAULT = {Verdict.FAIL.value: 0, Verdict.ERROR.value: 0}
#: The verdict of which ``only_new`` counts the new ones alone: what could not be looked at, now as
#: before, is no accepted finding.
_REGRESSIONS = (Verdict.FAIL.value,)
#: What `compliance` is a percentage of: all results but those that are not applicable.
_COUNTED = tuple(v for v in (*VERDICTS, Verdict.PASS.value) if v != Verdict.NOT_APPLICABLE.value)
#: Why a gate is broken that has nothing to judge.
_NOTHING = "nothing was judged: the run has no result"


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit and what was found.

    Attributes:
        name: one of `NAMES`.
        limit: the most that is allowed; of `COMPLIANCE` the least, in percent.
        found: how many there are, or the percentage.
        new: whether only new ones were counted.
    """

    name: str
    limit: int
    found: int
    new: bool = False

    @property
    def holds(self) -> bool:
        """Whether what was found is allowed."""
        return self.found >= self.limit if self.name == COMPLIANCE else self.found <= self.limit

    def __str__(self) -> str:
        return f"{self._shown}: {'at least ' * (self.name == COMPLIANCE)}{self.limit}"

    @property
    def breach(self) -> str:
        """What is said where it is broken."""
        if self.name == COMPLIANCE:
            return f"{self.name}: {self.found} % found, at least {self.limit} % wanted"
        what = "error (not assessed)" if self._shown == Verdict.ERROR else self._shown
        return f"{what}: {self.found} found, {self.limit} allowed"

    @property
    def _shown(self) -> str:
        verdict, _, severity = self.name.partition(".")
        return f"new {verdict}" + (f".{severity}" if severity else "") if self.new else self.name


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a gate says about a run.

    Attributes:
        rules: every limit, in the order of `NAMES`.
        source: where they are from.
        beyond: what broke the gate besides: files that could not be collected, other tests.
    """

    rules: tuple[Rule, ...]
    source: str
    beyond: str = ""

    @property
    def broken(self) -> tuple[Rule, ...]:
        """The rules that do not hold."""
        return tuple(rule for rule in self.rules if not rule.holds)

    @property
    def is_broken(self) -> bool:
        """Whether the run fails."""
        return bool(self.beyond or self.broken)

    @property
    def only_unassessed(self) -> bool:
        """Whether nothing breaks it but what could not be assessed."""
        names = {rule.name.partition(".")[0] for rule in self.broken}
        return not self.beyond and names == {Verdict.ERROR.value}

    def to_plain(self) -> dict[str, Plain]:
        """Return what the document says about it."""
        first = self.beyond or next((rule.breach for rule in self.broken), "")
        rules = [
            {"rule": str(rule), "limit": rule.limit, "found": rule.found, "holds": rule.holds}
            for rule in self.rules
        ]
        return {
            "broken": self.is_broken,
            "rule": first or ", ".join(map(str, self.rules)) or "no limit",
            "source": self.source,
            "rules": rules,
        }


@dataclass(frozen=True, slots=True)
class Gate:
    """What a run has to hold.

    Attributes:
        source: where it is from: ``default``, a file, an expression.
        limits: by name, one of `NAMES`. For `COMPLIANCE` it is the least, in percent.
        only_new: whether only failures count that the baseline has not; errors always count.
    """

    source: str
    limits: Mapping[str, int]
    only_new: bool = False

    def judge(self, document: Mapping[str, Plain], *, beyond: str = "") -> Judgement:
        """Return what the gate says about the run of *document*.

        Args:
            document: with its drift, waivers and attestations, if the run has such.
            beyond: what breaks any gate besides; that there is no result is such a thing.
        """
        beyond = beyond or ("" if document["results"] else _NOTHING)
        found = _counts(document, only_new=self.only_new)
        rules = tuple(
            Rule(name, self.limits[name], found[name], self.only_new and _is_regression(name))
            for name in NAMES
            if name in self.limits
        )
        return Judgement(rules, self.source, beyond)


def default_gate() -> Gate:
    """Return the gate of a run that names none: nothing fails, everything is assessed."""
    return Gate("default", DEFAULT)


def _is_regression(name: str) -> bool:
    return name.partition(".")[0] in _REGRESSIONS


def _counts(document: Mapping[str, Plain], *, only_new: bool) -> Counter[str]:
    """Count everything that a gate may limit."""
    severities = {control["id"]: control["severity"] for control in document["controls"]}
    found: Counter[str] = Counter()
    everything: Counter[str] = Counter()
    for row in document["results"]:
        verdict = row["verdict"]
        everything[verdict] += 1
        if only_new and verdict in _REGRESSIONS and row["drift"] != "new":
            continue
        found[verdict] += 1
        found[f"{verdict}.{severities.get(row['control'], Severity.MEDIUM.value)}"] += 1
    counted = sum(everything[verdict] for verdict in _COUNTED)
    found[COMPLIANCE] = 100 * everything[Verdict.PASS.value] // counted if counted else 0
    found.update(_states(document))
    return found


def _states(document: Mapping[str, Plain]) -> Iterator[str]:
    """Yield the name of a limit for each waiver and attestation that counts against it."""
    for part, names in STATES.items():
        for entry in document.get(part, ()):
            if entry["expiring"]:
                yield f"{part}.expiring"
            yield from (f"{part}.{name}" for name, s in names.items() if entry["state"] in s)
