"""What the first view of the html report shows: counts, plots, and what to look at first."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pytest_sysaudit.record import Plain, Verdict, utc_text
from pytest_sysaudit.reports.html_coverage import Number, states
from pytest_sysaudit.reports.html_data import SEVERITIES, WORDS, Row, family, milliseconds
from pytest_sysaudit.reports.plain import as_text
from pytest_sysaudit.reports.profile import profile_lines
from pytest_sysaudit.text import listed, plural

_EMPTY: tuple[Plain, ...] = (None, "", [], {})
_RUN_LABELS = {
    "operator": "Operator",
    "started": "Started",
    "ended": "Ended",
    "id": "Run",
    "command_line": "Command line",
    "selection": "Selection",
    "profile": "Profile",
    "inventory_sha256": "Inventory, SHA-256",
    "versions": "Versions",
}
#: Targets in the plot, controls under "What to fix first", names in a list.
TOP_TARGETS, TOP_CONTROLS, NAMES = 20, 8, 30
_BINS = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a breakdown: its name, a link to its results, how many of each verdict."""

    name: str
    link: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All results of this line."""
        return sum(self.counts.values())


def to_list(**facets: str) -> str:
    """Return the link to the results that *facets* leave."""
    return f"#/list?{urlencode(facets, quote_via=quote)}"


def breakdowns(document: Mapping[str, Plain]) -> dict[str, list[Line]]:
    """Count the verdicts by severity, family, framework and target; the 20 worst targets only."""
    summary = document["summary"]
    families: dict[str, Counter[str]] = {}
    for row in document["results"]:
        families.setdefault(family(row["control"]), Counter())[row["verdict"]] += 1
    targets = sorted(summary["by_target"].items(), key=_gravest)
    tables: dict[str, tuple[str, Iterable[tuple[str, Mapping[str, int]]]]] = {
        "Severity": ("severity", ((s, summary["by_severity"][s]) for s in SEVERITIES)),
        "Family": ("family", sorted(families.items(), key=_gravest)),
        "Framework": ("framework", summary["by_framework"].items()),
        "Target": ("target", targets[:TOP_TARGETS]),
    }
    return {
        title: [
            Line(name, to_list(**{facet: name}), {v: counts[v] for v in WORDS})
            for name, counts in rows
        ]
        for title, (facet, rows) in tables.items()
    }


def _gravest(line: tuple[str, Mapping[str, int]]) -> tuple[tuple[int, ...], str]:
    name, counts = line
    return tuple(-counts[verdict] for verdict in WORDS), name


def bar(counts: Mapping[str, int], most: int = 0) -> list[tuple[str, str, str]]:
    """Return verdict, start and width of each part of a bar, in percent of *most*, else of all."""
    total = most or sum(counts.values())
    parts, start = [], 0.0
    for verdict in WORDS:
        if counts[verdict]:
            width = 100 * counts[verdict] / total
            parts.append((verdict, f"{start:.4g}", f"{width:.4g}"))
            start += width
    return parts


def first_to_fix(document: Mapping[str, Plain]) -> list[tuple[Row, int, str]]:
    """Return the gravest failed controls, on how many targets each failed, and a link."""
    failed: dict[str, set[str]] = {}
    for row in document["results"]:
        if row["verdict"] == Verdict.FAIL.value:
            failed.setdefault(row["control"], set()).add(row["target"])
    controls = [control for control in document["controls"] if control["id"] in failed]
    controls.sort(key=lambda c: (SEVERITIES.index(c["severity"]), -len(failed[c["id"]]), c["id"]))
    return [
        (c, len(failed[c["id"]]), to_list(control=c["id"], verdict=Verdict.FAIL.value))
        for c in controls[:TOP_CONTROLS]
    ]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A plot of results over time: verdict, x, y and height, in percent, of its parts."""

    begin: str
    end: str
    parts: Sequence[tuple[str, str, str, str]]


def timeline(document: Mapping[str, Plain]) -> Timeline | None:
    """Plot when the results were found, from the first to the last.

    None where a run is too short, or tells too few times, for a plot to say anything.
    """
    timed = [
        (moment, row["verdict"])
        for row in document["results"]
        if (moment := milliseconds(row["started"])) is not None
    ]
    begin, end = (min(timed)[0], max(timed)[0]) if timed else (0, 0)
    if end - begin < 1000:  # noqa: PLR2004 - a second
        return None
    bins = [Counter[str]() for _ in range(_BINS)]
    for moment, verdict in timed:
        bins[min((moment - begin) * _BINS // (end - begin), _BINS - 1)][verdict] += 1
    most = max(counts.total() for counts in bins)
    parts = [
        (verdict, f"{100 * n / _BINS:.4g}", f"{100 - float(start) - float(tall):.4g}", tall)
        for n, counts in enumerate(bins)
        for verdict, start, tall in bar(counts, most)
    ]
    first, last = (utc_text(time / 1000)[:19].replace("T", " ") for time in (begin, end))
    return Timeline(first, last, parts)


def coverage_lines(numbers: Mapping[str, list[Number]]) -> list[dict[str, Any]]:
    """Return for each framework its numbers by state, and a link to them."""
    return [
        {
            "name": name,
            "link": f"#/coverage?{urlencode({'framework': name}, quote_via=quote)}",
            "states": states(found),
            "total": len(found),
        }
        for name, found in numbers.items()
    ]


def run_facts(document: Mapping[str, Plain]) -> Iterator[tuple[str, str]]:
    """Yield label and text of all that is known about the run, what auditors ask first."""
    run = document["run"]
    yield "Completeness", completeness(document)
    for name in [*_RUN_LABELS, *(key for key in run if key not in _RUN_LABELS)]:
        value = run.get(name)
        if name == "command_line" and isinstance(value, list):
            value = shlex.join(value)
        if name == "profile":
            value = "\n".join(profile_lines(value, digests=True))
        elif name == "selection":
            value = _filled(value, False) or "everything"
        elif isinstance(value, Mapping):
            value = _filled(value)
        if name == "inventory_sha256" and not value:
            value = "no inventory file: this machine only"
        if value not in _EMPTY:
            yield _RUN_LABELS.get(name, name.replace("_", " ").capitalize()), as_text(value)


def _filled(value: Plain, *empty: Plain) -> Plain:
    """Return a mapping without what says nothing; anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    # 0 is no False here, as an option may be 0
    return {
        name: part
        for name, part in value.items()
        if part not in _EMPTY and not any(part is one for one in empty)
    }


def completeness(document: Mapping[str, Plain]) -> str:
    """Say how many pairs of target and control have a result, and name what has none at all."""
    rows = document["results"]
    targets = [target["name"] for target in document["targets"]]
    controls = [control["id"] for control in document["controls"]]
    pairs = {(row["target"], row["control"]) for row in rows}
    pairs &= {(target, control) for target in targets for control in controls}
    cells = len(targets) * len(controls)
    counted = (
        f"{plural(len(targets), 'target')} by {plural(len(controls), 'control')}, "
        f"{plural(cells, 'pair')}: {len(pairs)} have a result, {cells - len(pairs)} do not apply "
        f"or were not chosen. {plural(len(rows), 'result')} in all, as a control may judge several "
        "things."
    )
    bare = {
        "Targets without a result": sorted(set(targets) - {target for target, _ in pairs}),
        "Controls without a result": sorted(set(controls) - {control for _, control in pairs}),
    }
    missing = [f"{label}: {listed(names, NAMES)}" for label, names in bare.items() if names]
    whole = ["No target and no control is without a result." if rows else "Nothing was judged."]
    return "\n".join([counted, *(missing or whole)])


def expiry(records: Sequence[Row] | None) -> dict[str, int]:
    """Count the waivers or attestations that expired, and those that soon will."""
    states_ = Counter(
        "expired" if record["state"] == "expired" else "expiring" if record["expiring"] else "other"
        for record in records or ()
    )
    return {"expired": states_["expired"], "expiring": states_["expiring"]}
