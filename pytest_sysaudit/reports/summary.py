"""The terminal summary of a document, as lines of data; printing them is the terminal's work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pytest_sysaudit.record import Plain, Severity, Verdict
from pytest_sysaudit.reports.columns import cut, fit, listing, one_line, pad, width_of
from pytest_sysaudit.reports.decisions import decision_lines
from pytest_sysaudit.reports.drift_lines import drift_lines
from pytest_sysaudit.reports.profile import profile_lines
from pytest_sysaudit.reports.telling import parameters
from pytest_sysaudit.text import first_line, plural

Line = tuple[str, str]
"""A line of text and its style: "", "bold", "red", "yellow" or "green"."""
Row = Mapping[str, Plain]

#: Every verdict's word, in the order of the counts.
_WORDS: Mapping[str, str] = {
    Verdict.FAIL.value: "failed",
    Verdict.ERROR.value: "not assessed",
    Verdict.MANUAL.value: "manual",
    Verdict.WAIVED.value: "waived",
    Verdict.PASS.value: "passed",
    Verdict.NOT_APPLICABLE.value: "n/a",
}
_LETTERS: Mapping[str, str] = {
    Verdict.FAIL.value: "F",
    Verdict.ERROR.value: "E",
    Verdict.MANUAL.value: "m",
    Verdict.WAIVED.value: "w",
}
_STYLES: Mapping[str, str] = {Verdict.FAIL.value: "red", Verdict.ERROR.value: "yellow"}
_GRAVE = (Verdict.FAIL.value, Verdict.ERROR.value)
_SEVERITIES = [severity.value for severity in reversed(Severity)]
#: From this many targets or controls on, the same finding is told once.
_SEVERAL = 3
#: How many findings of a target, and how many targets, are shown unless all are asked for.
_FINDINGS = 10
_TARGETS = 30
_WIDEST_NAME = 20
_WIDEST_CONTROL = 28
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Entry:
    """What one control came to on one target, in a few words."""

    verdict: str
    severity: str
    control: str
    reason: str

    @property
    def rank(self) -> tuple[int, int, str, str]:
        """Worst first."""
        gravity = list(_WORDS).index(self.verdict)
        return gravity, _SEVERITIES.index(self.severity), self.control, self.reason


def lines(document: Mapping[str, Plain], width: int = 80, verbose: int = 0) -> list[Line]:
    """Return what the terminal shows at the end of a run.

    Args:
        document: from `document.build`.
        width: columns of the terminal; only the lines of dead targets, the gate and the total may
            be longer.
        verbose: 0 for what failed or was not assessed, shortened; 1 for all of it, and for manual
            and waived controls and clean targets too.
    """
    return list(_Summary(document, max(width, 40), verbose).lines())


class _Summary:
    def __init__(self, document: Mapping[str, Plain], width: int, verbose: int) -> None:
        self.document = document
        self.width = width
        self.verbose = verbose
        self.counts: Mapping[str, Mapping[str, int]] = document["summary"]["by_target"]
        self.dead = {t["name"]: t for t in document["targets"] if t["reachable"] is False}
        self.entries = self._entries()
        shown = [entry for found in self.entries.values() for entry in found]
        self.names = min(max((width_of(_name(n)) for n in self.counts), default=0), _WIDEST_NAME)
        self.controls = min(max((width_of(e.control) for e in shown), default=0), _WIDEST_CONTROL)

    def lines(self) -> Iterator[Line]:
        shared = self._shared()
        yield from self._several(shared)
        own = {
            name: [entry for entry in found if entry not in shared]
            for name, found in self.entries.items()
        }
        yield from self._targets(own)
        yield from self._clean()
        yield from self._out_of_reach()
        yield from self._end()

    def _entries(self) -> dict[str, list[Entry]]:
        """Return what is worth a line, by target; a dead target's unassessed controls are not."""
        severities = {c["id"]: c["severity"] for c in self.document["controls"]}
        wanted = _LETTERS if self.verbose else _GRAVE
        found: dict[str, list[Entry]] = {name: [] for name in self.counts}
        rows = sorted(self.document["results"], key=lambda row: (row["target"], row["control"]))
        for (name, control), group in groupby(rows, lambda row: (row["target"], row["control"])):
            by_verdict: dict[str, list[Row]] = defaultdict(list)
            for row in group:
                by_verdict[row["verdict"]].append(row)
            for verdict, same in by_verdict.items():
                if verdict in wanted and not (verdict == _GRAVE[1] and name in self.dead):
                    severity = severities.get(control, Severity.MEDIUM.value)
                    found[name].append(Entry(verdict, severity, one_line(control), _reason(same)))
        if not self.verbose:
            found = {name: _merged(entries) for name, entries in found.items()}
        return {name: sorted(entries, key=lambda e: e.rank) for name, entries in found.items()}

    def _shared(self) -> dict[Entry, list[str]]:
        where: dict[Entry, list[str]] = defaultdict(list)
        for name, found in self.entries.items():
            for entry in found:
                where[entry].append(name)
        return {entry: names for entry, names in where.items() if len(names) >= _SEVERAL}

    def _several(self, shared: Mapping[Entry, Sequence[str]]) -> Iterator[Line]:
        if not shared:
            return
        yield "On several targets", "bold"
        for entry in sorted(shared, key=lambda e: e.rank):
            yield self._finding(entry)
            names = shared[entry]
            start = f"    on {len(names)} targets: "
            yield start + listing([_name(n) for n in names], self.width - len(start)), ""

    def _targets(self, own: Mapping[str, Sequence[Entry]]) -> Iterator[Line]:
        told = [name for name in own if self._is_grave(name) or own[name]]
        shown = told if self.verbose else sorted(told, key=self._gravity)[:_TARGETS]
        for name in sorted(shown):
            yield self._header(name)
            limit = len(own[name]) if self.verbose else _FINDINGS
            yield from (self._finding(entry) for entry in own[name][:limit])
            if len(own[name]) > limit:
                yield f"  and {plural(len(own[name]) - limit, 'more finding')} (-v shows all)", ""
        if len(told) > len(shown):
            yield f"and {len(told) - len(shown)} more targets with findings (-v shows all)", ""

    def _clean(self) -> Iterator[Line]:
        alive = [n for n in self.counts if n not in self.dead and not self._is_grave(n)]
        names = [name for name in alive if any(self.counts[name].values())]
        if self.verbose:
            yield from (self._header(name) for name in names if not self.entries[name])
        elif names:
            start = f"nothing failed on {plural(len(names), 'target')}: "
            yield start + listing([_name(n) for n in names], self.width - len(start)), "green"
        if untouched := [name for name in alive if name not in names]:
            start = f"no check ran on {plural(len(untouched), 'target')}: "
            yield start + listing([_name(n) for n in untouched], self.width - len(start)), "yellow"

    def _out_of_reach(self) -> Iterator[Line]:
        limit = len(self.dead) if self.verbose else _TARGETS
        for name in sorted(self.dead)[:limit]:
            count = self.counts[name][Verdict.ERROR.value]
            end = f" ({plural(count, 'check')} not assessed)"
            reason = one_line(str(self.dead[name]["reason"])).removeprefix(f"{name}: ")
            start = f"{pad(_name(name), self.names)}   not reached: "
            # the reason names the way out, so it may go on in the terminal's next line
            yield start + cut(reason, _LONGEST_REASON) + end, "yellow"
        if len(self.dead) > limit:
            yield f"and {len(self.dead) - limit} more targets not reached (-v shows all)", "yellow"

    def _end(self) -> Iterator[Line]:
        yield from self._profile()
        verbose = bool(self.verbose)
        yield from decision_lines(self.document, self.width, verbose=verbose)
        yield from drift_lines(self.document, self.width, verbose=verbose)
        summary = self.document["summary"]
        yield from _gate(summary["gate"])
        verdicts: Mapping[str, int] = summary["verdicts"]
        counts = in_words(verdicts) or "no results"
        on = plural(sum(any(self.counts[n].values()) for n in self.counts if n), "target")
        full = f"{on}: {counts}"
        yield full if len(full) <= self.width else counts, _style(verdicts)

    def _profile(self) -> Iterator[Line]:
        for number, line in enumerate(profile_lines(self.document["run"].get("profile"))):
            if number == 0:
                yield fit(line, self.width), ""
            elif self.verbose:
                yield cut(f"  {one_line(line)}", self.width), ""

    def _header(self, name: str) -> Line:
        start = f"{pad(_name(name), self.names)}   "
        text = fit(in_words(self.counts[name]), self.width - width_of(start))
        return start + text, _style(self.counts[name]) if self._is_grave(name) else "green"

    def _finding(self, entry: Entry) -> Line:
        control = pad(entry.control, self.controls)
        start = f"  {_LETTERS[entry.verdict]} {entry.severity:<8} {control}  "
        text = start + fit(entry.reason, self.width - width_of(start))
        return text.rstrip(), _STYLES.get(entry.verdict, "")

    def _is_grave(self, name: str) -> bool:
        skipped = _GRAVE[1:] if name in self.dead else ()
        return any(self.counts[name][verdict] for verdict in _GRAVE if verdict not in skipped)

    def _gravity(self, name: str) -> tuple[tuple[int, ...], str]:
        return tuple(-self.counts[name][verdict] for verdict in _GRAVE), name


def _gate(gate: Mapping[str, Plain]) -> Iterator[Line]:
    """Say which rule broke; that a gate holds only if somebody made it."""
    rule = one_line(str(gate["rule"]))
    if gate["broken"]:
        others = sum(not other["holds"] for other in gate.get("rules", ())) - 1
        more = f" (and {plural(others, 'more rule')})" if others > 0 else ""
        yield f"gate broken: {rule}{more if _is_made(gate) else ''}", "red"
    elif _is_made(gate):
        yield f"gate holds: {rule}", "green"


def _is_made(gate: Mapping[str, Plain]) -> bool:
    return str(gate.get("source", "default")) != "default"


def _merged(entries: Sequence[Entry]) -> list[Entry]:
    """Tell once what kept several controls of a target from being assessed."""
    by_reason: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.verdict == Verdict.ERROR.value:
            by_reason[entry.reason].append(entry)
    merged = [entry for entry in entries if entry.verdict != Verdict.ERROR.value]
    for reason, same in by_reason.items():
        if len(same) < _SEVERAL:
            merged += same
        else:
            first = min(same, key=lambda entry: entry.rank)
            merged.append(Entry(first.verdict, first.severity, f"{len(same)} controls", reason))
    return merged


def _reason(rows: Sequence[Row]) -> str:
    """Say in a few words what *rows* of one control, target and verdict have found."""
    single = [row for row in rows if row["resource"]] or list(rows)
    first = single[0]
    reason = one_line(first_line(str(first["message"]))) or _WORDS[first["verdict"]]
    if not first["resource"]:
        return reason + _cases(single)
    count = f"{len(single)} resources: " if len(single) > 1 else ""
    return f"{reason} ({count}{one_line(str(first['resource']))})"


def _cases(rows: Sequence[Row]) -> str:
    """Say how many *rows* of a parametrized check one line stands for, unless it says all of them.

    What keeps all of them from being assessed does: the run that ended, the lost target.
    """
    messages = {row["message"] for row in rows}
    if len(rows) == 1 or (rows[0]["verdict"] == Verdict.ERROR.value and len(messages) == 1):
        return ""
    first = one_line(parameters(rows[0]))
    return f" ({plural(len(rows), 'case')}{': ' * bool(first)}{first})"


def in_words(verdicts: Mapping[str, int]) -> str:
    """Return how many results have each verdict, in words, worst first."""
    return ", ".join(f"{verdicts[v]} {word}" for v, word in _WORDS.items() if verdicts[v])


def _style(verdicts: Mapping[str, int]) -> str:
    grave = (_STYLES[verdict] for verdict in _GRAVE if verdicts[verdict])
    return next(grave, "green" if any(verdicts.values()) else "yellow")


def _name(target: str) -> str:
    return one_line(target) or "run"
