"""The markdown report: a comment for a merge request, never longer than one may be.

Whatever targets, checks and people wrote stands in code spans, so that nothing of it is markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_sysaudit.record import Plain, Severity, Verdict
from pytest_sysaudit.reports.markup import code
from pytest_sysaudit.reports.profile import profile_lines
from pytest_sysaudit.reports.status import STATUSES
from pytest_sysaudit.reports.telling import Row, controls_of, place_of, reason, severity_of
from pytest_sysaudit.text import plural

#: GitHub takes comments of 65,536 characters.
LONGEST = 60_000
#: Kept free for what stands behind the tables: what was left out, and the run.
_RESERVE = 4000
#: No table takes more than this share of the room that is left, so that each gets its say.
_SHARE = 0.6
#: The columns of counts, worst first.
_ORDER = ("fail", "error", "manual", "waived", "pass", "not_applicable")
_CHANGES = ("new", "fixed", "changed", "unchanged", "gone")
_SEVERITIES = [severity.value for severity in reversed(Severity)]


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, the names of columns, and as many rows as there is room for."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[str]
    noun: str = "row"
    counted: bool = True

    def text(self, room: int) -> str:
        """Return the table in at most *room* characters, and how much is left out; "" if empty."""
        if not self.rows:
            return ""
        rule = "|".join("---" for _ in self.columns)
        count = f" ({len(self.rows)})" if self.counted else ""
        lines = [f"### {self.heading}{count}", ""]
        lines += [f"| {' | '.join(self.columns)} |", f"|{rule}|"]
        used = sum(map(len, lines)) + 200
        shown = []
        for row in self.rows:
            used += len(row) + 1
            if used > room:
                break
            shown.append(row)
        left = len(self.rows) - len(shown)
        note = ["", f"…and {plural(left, f'more {self.noun}')}: see the json or html report."]
        return "\n".join([*lines, *shown, *(note if left else [])]) + "\n\n"


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    path.write_text(render(document), encoding="utf-8", newline="\n")


def render(document: Mapping[str, Plain]) -> str:
    """Return *document* as GitHub and GitLab show it, in at most `LONGEST` characters."""
    text = _head(document)
    for table in _tables(document):
        text += table.text(int((LONGEST - _RESERVE - len(text)) * _SHARE))
    return text + _foot(document)


def _head(document: Mapping[str, Plain]) -> str:
    summary = document["summary"]
    gate = summary["gate"]
    counts = [f"{count} {STATUSES[v].word}" for v in _ORDER if (count := summary["verdicts"][v])]
    total = f"{plural(summary['total'], 'result')} on {plural(len(document['targets']), 'target')}"
    lines = [f"## Audit: the gate {'is broken' if gate['broken'] else 'holds'}", ""]
    lines += [f"**{total}**: {', '.join(counts) or 'none'}", ""]
    source = f" (from {code(gate['source'])})" if gate.get("source") else ""
    lines += [f"Gate{source}: {code(gate['rule'])}", ""]
    lines += [f"- {'✅' if r['holds'] else '❌'} {code(r['rule'])}, found {r['found']}"
              for r in (gate.get("rules") or ())[:30]]  # fmt: skip
    lines += ["", f"| severity | {' | '.join(STATUSES[v].word for v in _ORDER)} |"]
    lines += ["|" + "---|" * (len(_ORDER) + 1)]
    for severity in _SEVERITIES:
        found = summary["by_severity"][severity]
        lines.append(f"| {severity} | {' | '.join(str(found[v]) for v in _ORDER)} |")
    return "\n".join(lines) + "\n\n"


def _tables(document: Mapping[str, Plain]) -> Iterator[Table]:
    yield from _drift(document)
    drift = document.get("drift")
    failed = [row for row in document["results"] if row["verdict"] == Verdict.FAIL.value]
    if drift:
        new = [row for row in failed if row["drift"] == "new"]
        yield _findings(document, "New findings", new)
        failed = [row for row in failed if row["drift"] != "new"]
    yield _findings(document, "Known findings" if drift else "Findings", failed)
    yield _not_reached(document)
    dead = {t["name"] for t in document["targets"] if t["reachable"] is False}
    errors = [
        row
        for row in document["results"]
        if row["verdict"] == Verdict.ERROR.value and row["target"] not in dead
    ]
    yield _findings(document, "Not assessed", errors)
    yield _ending(document, "waivers", "Waivers that end, have ended or cover nothing", "approver")
    yield _ending(document, "attestations", "Attestations that end, have ended or count not", "by")


def _drift(document: Mapping[str, Plain]) -> Iterator[Table]:
    drift = document.get("drift")
    if not drift:
        return
    counts, baseline = drift["counts"], drift["baseline"]
    row = f"| {' | '.join(str(counts[name]) for name in _CHANGES)} |"
    against = f"Drift against {code(baseline['path'])} of {baseline['started'][:10]}"
    yield Table(against, _CHANGES, [row], counted=False)
    fixed = [r for r in document["results"] if r["drift"] == "fixed"]
    yield Table("Fixed", ("control", "where"), list(_places(fixed)))
    gone = [{**r, "message": ""} for r in drift["gone"]]
    yield Table("Gone", ("control", "where"), list(_places(gone)))


def _places(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        yield f"| {code(row['control'])} | {code(place_of(row)) or 'the run'} |"


def _findings(document: Mapping[str, Plain], heading: str, rows: Sequence[Row]) -> Table:
    """Return the findings, worst severity first; what is the same on several targets is one row."""
    severities = {name: severity_of(control) for name, control in controls_of(document).items()}
    same: dict[tuple[int, str, str], list[str]] = {}
    for row in rows:
        severity = severities.get(row["control"], Severity.MEDIUM.value)
        key = (_SEVERITIES.index(severity), str(row["control"]), reason(row))
        same.setdefault(key, []).append(place_of(row) or "the run")
    lines = [
        f"| {_SEVERITIES[rank]} | {code(control)} | {_several(places)} | {code(why)} |"
        for (rank, control, why), places in sorted(same.items())
    ]
    return Table(heading, ("severity", "control", "where", "what"), lines)


def _several(places: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(code(place, 120) for place in places[:most])
    return shown + (f" and {len(places) - most} more" if len(places) > most else "")


def _not_reached(document: Mapping[str, Plain]) -> Table:
    rows = [
        f"| {code(t['name'])} | {code(t['reason'])} |"
        for t in document["targets"]
        if t["reachable"] is False
    ]
    return Table("Targets not reached", ("target", "why"), rows, "target")


def _ending(document: Mapping[str, Plain], part: str, heading: str, who: str) -> Table:
    rows = [
        f"| {code(e['control'])} | {code(e['target'])} | {e['state']} | {e['expires_in_days']} "
        f"| {code(e[who])} | {code(e['place'])} |"
        for e in document.get(part) or ()
        if e["expiring"] or e["state"] not in ("used", "not needed")
    ]
    columns = ("control", "targets", "state", "days left", who, "place")
    return Table(heading, columns, rows, part.removesuffix("s"))


def _foot(document: Mapping[str, Plain]) -> str:
    run = document["run"]
    lines = [f"- {code(line, 150)}" for line in profile_lines(run.get("profile"))[:10]]
    version = code(str(run["versions"].get("pytest-sysaudit", "")), 40)
    lines.append("")
    lines.append(
        f"Run {code(str(run['id']), 100)} by {code(str(run['operator']), 100)}, "
        f"{run['started']} to {run['ended']}, pytest-sysaudit {version}"
    )
    return "\n".join(lines).strip("\n") + "\n"
