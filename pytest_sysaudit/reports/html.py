"""The html report: one file that asks nothing of the network and reads without JavaScript.

What controls have in common with all their results (why, fix, frameworks, source) is in the page
once; the script copies it into a finding when that is opened.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_sysaudit.record import Plain, Severity, Verdict
from pytest_sysaudit.reports.plain import as_text, clean
from pytest_sysaudit.reports.profile import profile_lines
from pytest_sysaudit.text import first_line, plural, shorten

Row = Mapping[str, Plain]

#: Every verdict's word, worst first. The symbol before it is in the style sheet.
WORDS: Mapping[str, str] = {
    Verdict.FAIL.value: "Failed",
    Verdict.ERROR.value: "Not assessed",
    Verdict.MANUAL.value: "Manual",
    Verdict.WAIVED.value: "Waived",
    Verdict.PASS.value: "Passed",
    Verdict.NOT_APPLICABLE.value: "Not applicable",
}
_SEVERITIES = [severity.value for severity in reversed(Severity)]
_LONGEST = 4000
#: Findings on the page, the worst ones: with many more no browser opens it in a reasonable time.
MOST = 20_000
_EMPTY: tuple[Plain, ...] = (None, "", [], {})
_RUN_LABELS = {
    "id": "Run",
    "operator": "Operator",
    "started": "Started",
    "ended": "Ended",
    "command_line": "Command line",
    "versions": "Versions",
    "inventory_sha256": "Inventory, SHA-256",
    "selection": "Selection",
    "profile": "Profile",
}


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    path.write_bytes(render(document))


def render(document: Mapping[str, Plain]) -> bytes:
    """Return *document* as a page of HTML."""
    environment = Environment(
        loader=PackageLoader("pytest_sysaudit.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["text"] = _text
    environment.filters["brief"] = first_line
    page = environment.get_template("report.html.j2").render(_view(clean(document)))
    return page.encode()


def _view(document: Mapping[str, Plain]) -> dict[str, Any]:
    style, script = _asset("report.css"), _asset("report.js")
    rows, controls = document["results"], document["controls"]
    numbers = {control["id"]: number for number, control in enumerate(controls)}
    severities = {control["id"]: control["severity"] for control in controls}
    findings = _findings(rows, severities)
    kinds = {target["name"]: target["kind"] for target in document["targets"]}
    return {
        "style": style,
        "script": script,
        "policy": _policy(style, script),
        "words": WORDS,
        "run": document["run"],
        "facts": list(_facts(document)),
        "summary": document["summary"],
        "severities": _matrix(
            _SEVERITIES, [(f["severity"], f["row"]["verdict"]) for f in findings]
        ),
        "kinds": _matrix(
            sorted(set(kinds.values())),
            [(kinds[row["target"]], row["verdict"]) for row in rows if row["target"] in kinds],
        ),
        "targets": document["targets"],
        "lost": [target for target in document["targets"] if target["reachable"] is False],
        "groups": sorted({name for target in document["targets"] for name in target["groups"]}),
        "bars": {name: _bar(t) for name, t in document["summary"]["by_target"].items()},
        "bar_parts": _bar(document["summary"]["verdicts"]),
        "findings": findings[:MOST],
        "left_out": max(len(findings) - MOST, 0),
        "controls": controls,
        "numbers": numbers,
        "titles": {control["id"]: control["title"] for control in controls},
        "by_control": _matrix(list(numbers), [(row["control"], row["verdict"]) for row in rows]),
    }


def _findings(rows: Sequence[Row], severities: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the results, worst first, each with its severity and an anchor that stays the same."""
    order = {verdict: number for number, verdict in enumerate(WORDS)}
    weights = {severity: number for number, severity in enumerate(_SEVERITIES)}
    found: list[dict[str, Any]] = []
    taken: Counter[str] = Counter()
    for row in rows:
        parts = [row["target"], row["control"], row["check"], row["resource"], row["params"]]
        anchor = hashlib.sha256(repr(parts).encode()).hexdigest()[:10]
        taken[anchor] += 1
        suffix = f"-{taken[anchor]}" if taken[anchor] > 1 else ""
        severity = severities.get(row["control"], Severity.MEDIUM.value)
        found.append({"row": row, "severity": severity, "anchor": f"f-{anchor}{suffix}"})
    return sorted(
        found,
        key=lambda f: (
            order[f["row"]["verdict"]],
            weights[f["severity"]],
            f["row"]["control"],
            f["row"]["target"],
        ),
    )


def _matrix(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, Counter[str]]:
    table: dict[str, Counter[str]] = {name: Counter() for name in names}
    for name, verdict in pairs:
        table.setdefault(name, Counter())[verdict] += 1
    return table


def _bar(counts: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """Return verdict, start and width in percent of each part of a bar."""
    total = sum(counts.values())
    parts, start = [], 0.0
    for verdict in WORDS:
        if counts[verdict]:
            width = 100 * counts[verdict] / total
            parts.append((verdict, f"{start:.4g}", f"{width:.4g}"))
            start += width
    return parts


def _facts(document: Mapping[str, Plain]) -> Iterator[tuple[str, str]]:
    run = document["run"]
    for name in [*_RUN_LABELS, *(key for key in run if key not in _RUN_LABELS)]:
        value = run.get(name)
        if name == "command_line" and isinstance(value, list):
            value = shlex.join(value)
        if name == "selection" and isinstance(value, Mapping):
            chosen = {
                key: part for key, part in value.items() if part is not False and part not in _EMPTY
            }
            value = chosen or "everything"
        if name == "profile":
            value = "\n".join(profile_lines(value, digests=True))
        if name == "inventory_sha256" and not value:
            value = "no inventory file: this machine only"
        if value not in _EMPTY:
            yield _RUN_LABELS.get(name, name.replace("_", " ").capitalize()), as_text(value)
    yield "Completeness", _completeness(document)


def _completeness(document: Mapping[str, Plain]) -> str:
    rows = document["results"]
    pairs = {(row["target"], row["control"]) for row in rows}
    targets = [target["name"] for target in document["targets"]]
    controls = [control["id"] for control in document["controls"]]
    cells = plural(len(targets) * len(controls), "pair")
    covered = (
        f"{plural(len(targets), 'target')} by {plural(len(controls), 'control')}, {cells}; "
        f"{len(pairs)} of them have a result ({plural(len(rows), 'result')} in all, as a control "
        "may judge several resources), the others do not apply"
    )
    bare = {
        "Targets without a result": sorted(set(targets) - {target for target, _ in pairs}),
        "Controls without a result": sorted(set(controls) - {control for _, control in pairs}),
    }
    missing = [f"{label}: {', '.join(names)}" for label, names in bare.items() if names]
    return "\n".join([covered, *missing])


def _text(value: Plain) -> str:
    return shorten(as_text(value), _LONGEST)


def _asset(name: str) -> Markup:
    folder = resources.files("pytest_sysaudit.reports.templates")
    return Markup(folder.joinpath(name).read_text("utf-8"))  # noqa: S704 - our own file


def _policy(style: str, script: str) -> str:
    """Allow our own style and script and nothing else, whatever the findings hold."""
    digests = [
        base64.b64encode(hashlib.sha256(x.encode()).digest()).decode() for x in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
