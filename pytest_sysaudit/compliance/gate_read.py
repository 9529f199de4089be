"""Reading a gate from a file or from an expression."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_sysaudit.compliance.gate import (
    COMPLIANCE,
    DEFAULT,
    NAMES,
    SEVERITIES,
    STATES,
    VERDICTS,
    Gate,
)
from pytest_sysaudit.errors import Problem
from pytest_sysaudit.inventory.build import Loc, quoted
from pytest_sysaudit.inventory.reader import Reader
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.inventory.yaml import Document

ANY = "any"
"""What is written where there is no limit."""
ONLY_NEW = "only_new"
_TOTAL = "total"
_TERM = re.compile(r"(?P<name>[a-z_.]+) ?(?P<sign><=|>=|==|=|<|>) ?(?P<value>any|[0-9]{1,9})")
_KNOWN_AS = {"failed": "fail", "errors": "error", "min": COMPLIANCE, "score": COMPLIANCE}
_MOST_PERCENT = 100
Limit = int | None
"""None: no limit."""


def is_path(text: str, base: Path) -> bool:
    """Whether *text*, the value of ``--audit-gate``, names a file; else it is an expression."""
    return text.endswith((".yaml", ".yml")) or "/" in text or (base / text).is_file()


def _gate(source: str, given: Mapping[str, Limit], *, only_new: bool) -> Gate:
    """Return a gate; of what it does not mention and is graver, the default's limits hold."""
    limits = {name: DEFAULT[v] for v in DEFAULT for name in _unsaid(v, given)}
    limits |= {name: limit for name, limit in given.items() if limit is not None}
    return Gate(source, limits, only_new)


def _unsaid(verdict: str, given: Mapping[str, Limit]) -> list[str]:
    """Return what of *verdict* somebody who wrote *given* did not think of.

    All of it, or the severities graver than one that is there: who allows five of low severity has
    not allowed a critical one.
    """
    if verdict in given:
        return []
    levels = [f"{verdict}.{severity}" for severity in SEVERITIES]  # the gravest first
    named = [level for level in levels if level in given]
    if not named:
        return [verdict]
    return [level for level in levels[: levels.index(named[-1])] if level not in given]


def parse_gate(text: str, shown: str) -> tuple[Gate, list[Problem]]:
    """Return the gate that an expression says, and everything that is wrong with it.

    Args:
        text: terms with commas between them: ``fail.critical=0, fail.medium<=5, only_new``.
        shown: where it stands, for messages: ``--audit-gate``.
    """
    given: dict[str, Limit] = {}
    problems: list[Problem] = []
    terms = [" ".join(term.split()) for term in text.split(",")]
    for term in terms:
        if term == ONLY_NEW:
            continue
        try:
            name, limit = _term(term)
        except ValueError as error:
            problems.append(Problem(shown, 0, 0, str(error)))
            continue
        if name in given:
            problems.append(Problem(shown, 0, 0, f"{quoted(name)} is limited twice"))
        given[name] = limit
    return _gate(text, given, only_new=ONLY_NEW in terms), problems


def _term(term: str) -> tuple[str, Limit]:
    """Return name and limit of a term.

    Raises:
        ValueError: it is none; the message has the way out.
    """
    match = _TERM.fullmatch(term)
    name = match["name"] if match else term
    if match is None and not re.fullmatch(r"[a-z_.]+", term):
        said = f"expected a rule as 'fail.critical=0' or 'only_new', found {quoted(term)}"
        raise ValueError(said if term else "a rule is empty; write 'fail=0,error=0'")
    if name not in NAMES:
        raise ValueError(f"unknown rule {quoted(name)}.{_meant(name)}")
    bound = ">=" if name == COMPLIANCE else "<="
    if match is None or match["sign"] not in (bound, "=" if bound == "<=" else bound):
        limit = match["value"] if match else "0"
        raise ValueError(f"{quoted(term)}: expected a limit. Write {name}{bound}{limit}")
    if match["value"] == ANY:
        return name, None
    if name == COMPLIANCE and int(match["value"]) > _MOST_PERCENT:
        raise ValueError(f"{quoted(term)}: expected at most 100, in percent")
    return name, int(match["value"])


def _meant(name: str) -> str:
    name = _KNOWN_AS.get(name, name)
    return did_you_mean(name, [*NAMES, ONLY_NEW]) or (
        f" Rules: {', '.join(VERDICTS)}, each also with a severity as fail.critical;"
        f" waivers.expired and such; {COMPLIANCE}; {ONLY_NEW}"
    )


def read_gate(document: Document) -> tuple[Gate, list[Problem]]:
    """Return the gate that a file says, and everything that is wrong with it."""
    reader = _GateReader(document, "a gate file", _KNOWN_AS)
    data = reader.top(("version", *VERDICTS, *STATES, COMPLIANCE, ONLY_NEW))
    given: dict[str, Limit] = {}
    for verdict in VERDICTS:
        given |= reader.verdict(verdict, data)
    for part, states in STATES.items():
        if part in data:
            given |= reader.table((part,), data[part], tuple(states), part)
    if COMPLIANCE in data:
        given |= reader.compliance(data[COMPLIANCE])
    only_new = data.get(ONLY_NEW, False)
    if not isinstance(only_new, bool):
        reader.unlike((ONLY_NEW,), "true or false", only_new)
    return _gate(document.shown, given, only_new=only_new is True), reader.problems


class _GateReader(Reader):
    """Reads maxima."""

    def verdict(self, verdict: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Limit]]:
        """Yield the limits of one verdict: a number, or numbers by severity."""
        value = data.get(verdict)
        if verdict not in data:
            return
        if isinstance(value, dict):
            yield from self.table((verdict,), value, (_TOTAL, *SEVERITIES), verdict)
        else:
            yield from self._limit((verdict,), value, verdict, "a number, or numbers by severity")

    def table(
        self, loc: Loc, value: Any, names: Sequence[str], prefix: str
    ) -> Iterator[tuple[str, Limit]]:
        """Yield the limits of the things in *value*, a mapping."""
        if not isinstance(value, dict):
            self.unlike(loc, f"a number for some of {', '.join(names)}", value)
            return
        self.known(loc, value, names)
        for name in names:
            if name in value:
                full = prefix if name == _TOTAL else f"{prefix}.{name}"
                yield from self._limit((*loc, name), value[name], full, "a number")

    def compliance(self, value: Any) -> Iterator[tuple[str, Limit]]:
        """Yield the least percentage."""
        loc = (COMPLIANCE, "min")
        if not isinstance(value, dict):
            number = value if type(value) is int else 90
            self.unlike((COMPLIANCE,), "a least", value, f". Write {{min: {number}}}")
            return
        self.known((COMPLIANCE,), value, ("min",))
        least = value.get("min")
        if type(least) is int and 0 <= least <= _MOST_PERCENT:
            yield COMPLIANCE, least
        else:
            self.unlike(loc, "a whole number from 0 to 100, in percent", least)

    def _limit(self, loc: Loc, value: Any, name: str, expected: str) -> Iterator[tuple[str, Limit]]:
        if value == ANY:
            yield name, None
        elif type(value) is int and value >= 0:
            yield name, value
        else:
            self.unlike(loc, f"{expected}, or {ANY}", value)
            yield name, None
