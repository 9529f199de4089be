"""The prometheus report: gauges for the textfile collector of node_exporter.

No label holds a run's id, a message or a resource: each would make new series for ever. Targets
beyond `_MOST_TARGETS` have no series of their own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_sysaudit.record import Plain, Severity, Verdict
from pytest_sysaudit.reports.columns import one_line
from pytest_sysaudit.reports.telling import controls_of, seconds_of, severity_of
from pytest_sysaudit.text import shorten

_MOST_TARGETS = 1000
_LONGEST_LABEL = 200
#: By part of the document, what its entries can come to.
_STATES = {
    "waivers": ("used", "not needed", "unused", "expired", "unknown control", "unknown target"),
    "attestations": (
        *("used", "unused", "expired", "unknown control", "unknown target"),
        *("evidence changed", "not manual"),
    ),
}
#: By what a target says of being reachable.
_REACHED = {True: "yes", False: "no", None: "never tried"}
Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: its name, what it says, and its samples."""

    name: str
    help: str
    samples: Iterable[Sample]

    def lines(self) -> Iterator[str]:
        """Yield the metric in the text format; samples of equal labels are one, their sum."""
        sums: dict[str, float] = defaultdict(float)
        for labels, value in self.samples:
            sums[_labels(labels)] += value
        if sums:
            yield f"# HELP sysaudit_{self.name} {self.help}\n"
            yield f"# TYPE sysaudit_{self.name} gauge\n"
        for labels_text, value in sums.items():
            yield f"sysaudit_{self.name}{labels_text} {_number(value)}\n"


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for part in (_of_results, _of_targets, _of_run, _of_parts):
            for gauge in part(document):
                file.writelines(gauge.lines())


def _of_results(document: Mapping[str, Plain]) -> Iterator[Gauge]:
    severities = {name: severity_of(c) for name, c in controls_of(document).items()}
    counts = Counter(
        (severities.get(row["control"], Severity.MEDIUM.value), row["verdict"])
        for row in document["results"]
    )
    yield Gauge(
        "results",
        "Results of the last audit.",
        [
            ({"severity": severity.value, "verdict": verdict.value}, counts[severity, verdict])
            for severity in Severity
            for verdict in Verdict
        ],
    )
    yield Gauge(
        "framework_results",
        "Results of the last audit by framework.",
        [
            ({"framework": name, "verdict": verdict}, count)
            for name, found in document["summary"]["by_framework"].items()
            for verdict, count in found.items()
        ],
    )


def _of_targets(document: Mapping[str, Plain]) -> Iterator[Gauge]:
    by_target = document["summary"]["by_target"]
    kinds = {target["name"]: target["kind"] for target in document["targets"]}
    shown = sorted(by_target.items(), key=_gravity)[:_MOST_TARGETS]
    yield Gauge(
        "target_results",
        "Results of the last audit by target.",
        [
            ({"target": name, "kind": kinds.get(name, "run"), "verdict": verdict}, count)
            for name, found in sorted(shown)
            for verdict, count in found.items()
        ],
    )
    yield Gauge(
        "targets_not_shown",
        "Targets without series of their own; there are too many.",
        [({}, len(by_target) - len(shown))],
    )
    tried = [t for t in document["targets"] if t["reachable"] is not None]
    tried = sorted(tried, key=lambda t: t["reachable"])[:_MOST_TARGETS]
    yield Gauge(
        "target_reachable",
        "Whether the target could be reached.",
        [({"target": t["name"], "kind": t["kind"]}, t["reachable"]) for t in tried],
    )
    reached = Counter(_REACHED[t["reachable"]] for t in document["targets"])
    yield Gauge(
        "targets",
        "Targets of the last audit by whether they could be reached.",
        [({"reached": word}, reached[word]) for word in _REACHED.values()],
    )


def _gravity(entry: tuple[str, Mapping[str, int]]) -> tuple[int, int, str]:
    name, found = entry
    return -found[Verdict.FAIL.value], -found[Verdict.ERROR.value], name


def _of_run(document: Mapping[str, Plain]) -> Iterator[Gauge]:
    run, gate = document["run"], document["summary"]["gate"]
    yield Gauge("gate_broken", "1: the gate of the last audit broke.", [({}, gate["broken"])])
    rules = gate.get("rules") or ()
    for name, text in (("found", "What a rule of the gate counts."), ("limit", "What it allows.")):
        yield Gauge(f"gate_{name}", text, [({"rule": rule["rule"]}, rule[name]) for rule in rules])
    started, ended = seconds_of(run["started"]), seconds_of(run["ended"])
    yield Gauge("run_started_timestamp_seconds", "When the last audit began.", [({}, started)])
    yield Gauge("run_ended_timestamp_seconds", "When the last audit ended.", [({}, ended)])
    yield Gauge("run_duration_seconds", "How long the last audit took.", [({}, ended - started)])
    version = str(run["versions"].get("pytest-sysaudit", ""))
    profile = str((run.get("profile") or {}).get("name", ""))
    yield Gauge("run_info", "What audited.", [({"version": version, "profile": profile}, 1)])


def _of_parts(document: Mapping[str, Plain]) -> Iterator[Gauge]:
    for part, usual in _STATES.items():
        listed = document.get(part)
        if listed is not None:
            states = Counter(entry["state"] for entry in listed)
            samples = [({"state": state}, states[state]) for state in sorted({*usual, *states})]
            yield Gauge(part, f"{part.capitalize()} of the last audit by state.", samples)
            expiring = sum(bool(entry["expiring"]) for entry in listed)
            yield Gauge(f"{part}_expiring", f"{part.capitalize()} that end soon.", [({}, expiring)])
    drift = document.get("drift")
    if drift:
        samples = [({"drift": name}, count) for name, count in drift["counts"].items()]
        yield Gauge("drift_results", "Results against the baseline.", samples)


def _labels(labels: Mapping[str, str]) -> str:
    pairs = [f'{name}="{_value(value)}"' for name, value in labels.items()]
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _value(text: str) -> str:
    line = shorten(one_line(str(text)), _LONGEST_LABEL)
    return line.replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.3f}"
