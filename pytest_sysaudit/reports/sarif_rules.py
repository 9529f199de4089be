"""The rules of the SARIF report: one a control."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports.markup import code, escaped
from pytest_sysaudit.reports.status import WEIGHTS
from pytest_sysaudit.reports.telling import Row, guidance, numbers, severity_of

#: GitHub keeps ten tags of a rule.
_MOST_TAGS = 10
_WORD = re.compile(r"[^\W_]+")


def rules(document: Mapping[str, Plain]) -> list[dict[str, Plain]]:
    """Return the rule of each control of *document*, sorted by id."""
    return [_rule(c) for c in sorted(document["controls"], key=lambda c: str(c["id"]))]


def _rule(control: Row) -> dict[str, Plain]:
    weight = WEIGHTS[severity_of(control)]
    title = str(control["title"]) or str(control["id"])
    words = _WORD.findall(str(control["id"]))
    properties = {
        "tags": _tags(control),
        "severity": severity_of(control),
        "frameworks": control["frameworks"],
        "source": control["source"],
        "source_sha256": control["source_sha256"],
    }
    if weight.sarif_score:
        properties["security-severity"] = weight.sarif_score
    return {
        "id": control["id"],
        "name": "".join(map(str.capitalize, words)) or "Control",
        "shortDescription": {"text": title},
        "fullDescription": {"text": str(control["rationale"]) or title},
        "help": {"text": guidance(control) or title, "markdown": _help(control, title)},
        "defaultConfiguration": {"level": weight.sarif_level},
        "properties": properties,
    }


def _tags(control: Row) -> list[str]:
    family = str(control["id"]).partition(".")[0]
    references = [f"{framework}:{number}" for framework, number in numbers(control)]
    return list(dict.fromkeys(["security", family, *references]))[:_MOST_TAGS]


def _help(control: Row, title: str) -> str:
    parts = [f"# {escaped(title)}", escaped(str(control["rationale"]))]
    if control["remediation"]:
        parts += ["## Fix", escaped(str(control["remediation"]))]
    rows = [f"| {code(name)} | {code(number)} |" for name, number in numbers(control)]
    if rows:
        parts.append("\n".join(["| framework | number |", "|---|---|", *rows]))
    parts.append(f"Check: {code(str(control['source']))}" if control["source"] else "")
    return "\n\n".join(filter(None, parts))
