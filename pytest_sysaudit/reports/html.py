"""The html report: one file that asks nothing of the network and reads without JavaScript.

The overview and the worst results stand in the page as text. All results are in it as columns,
compressed (`html_data`), from which the script makes the other views.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_sysaudit.record import Plain
from pytest_sysaudit.reports import html_overview as overview
from pytest_sysaudit.reports.html_coverage import STATES, coverage
from pytest_sysaudit.reports.html_data import CUTS, QUIET, SEVERITIES, WORDS, packs, worst_first
from pytest_sysaudit.reports.plain import as_text, clean, clean_text
from pytest_sysaudit.text import first_line, shorten

#: The parts of the script, in their order.
SCRIPTS = (
    "data",
    "dom",
    "filters",
    "list",
    "matrix",
    "finding",
    "tables",
    "exceptions",
    "paper",
    "app",
)
#: Bytes that a page may have, and those that it may have for each result: the higher one counts.
LIMIT, EACH = 3_000_000, 150
#: Results that can be read without JavaScript, the worst ones.
MOST_STATIC = 100
_LONGEST = 4000
_DATA = '<script id="data" type="application/octet-stream">'


def write(document: Mapping[str, Plain], path: Path) -> None:
    """Write *document* to *path*."""
    path.write_bytes(render(document))


def render(document: Mapping[str, Plain]) -> bytes:
    """Return *document* as a page of HTML.

    Where it would be larger than `LIMIT` and `EACH` allow, it leaves out what `CUTS` says, as
    little as will do, and tells so.
    """
    before, _, after = _frame(document).partition(_DATA)
    frame = [before.encode() + _DATA.encode(), after.encode()]
    limit = max(LIMIT, EACH * len(document["results"])) - sum(map(len, frame))
    packed = b""
    for data in packs(document):
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        last = len(data["cuts"]) == len(CUTS) - 1
        if not last and _is_hopeless(text, limit):
            continue
        packed = base64.b64encode(gzip.compress(text, 6, mtime=0))
        if len(packed) <= limit:
            break
    return packed.join(frame)


def _is_hopeless(text: bytes, limit: int) -> bool:
    """Whether *text* is far too large, as the quickest compression tells in a fifth of the time."""
    return len(text) > 4 * limit and len(gzip.compress(text, 1)) > limit


def _frame(document: Mapping[str, Plain]) -> str:
    """Return the page without its data."""
    environment = Environment(
        loader=PackageLoader("pytest_sysaudit.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: clean_text(value) if type(value) is str else value,
    )
    environment.filters["text"] = lambda value: shorten(as_text(clean(value)), _LONGEST)
    environment.filters["brief"] = first_line
    environment.globals["bar"] = overview.bar
    environment.globals["to_list"] = overview.to_list
    return environment.get_template("report.html.j2").render(_view(document))


def _view(document: Mapping[str, Plain]) -> dict[str, Any]:
    style, early, script = _style(), _asset("early.js"), _script()
    rows = [row for row in worst_first(document) if row["verdict"] not in QUIET]
    lost = [target for target in document["targets"] if target["reachable"] is False]
    return {
        "style": style,
        "early": early,
        "script": script,
        "policy": _policy(style, early, script),
        "words": WORDS,
        "severities": SEVERITIES,
        "run": document["run"],
        "summary": document["summary"],
        "targets": document["targets"],
        "lost": lost[: overview.NAMES],
        "all_lost": len(lost),
        "facts": list(overview.run_facts(document)),
        "breakdowns": overview.breakdowns(document),
        "first": overview.first_to_fix(document),
        "timeline": overview.timeline(document),
        "states": STATES,
        "coverage": overview.coverage_lines(coverage(document)),
        "drift": document.get("drift"),
        "waivers": overview.expiry(document.get("waivers")),
        "attestations": overview.expiry(document.get("attestations")),
        "controls": {control["id"]: control for control in document["controls"]},
        "static": rows[:MOST_STATIC],
        "left_out": max(len(rows) - MOST_STATIC, 0),
    }


def _style() -> Markup:
    """Return the style sheet; its dark colours stand where the system or the reader wants them."""
    dark = _asset("dark.css")
    parts = (
        _asset("report.css"),
        "@media screen and (prefers-color-scheme: dark) {\n",
        f':root:not([data-theme="light"]) {{\n{dark}}}\n}}\n',
        f'@media screen {{\n:root[data-theme="dark"] {{\n{dark}}}\n}}\n',
        _asset("print.css"),
    )
    return Markup("".join(parts))  # noqa: S704 - our own files


def _script() -> Markup:
    parts = [_asset(f"{name}.js") for name in SCRIPTS]
    return Markup('"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n")  # noqa: S704


def _asset(name: str) -> Markup:
    folder = resources.files("pytest_sysaudit.reports.templates")
    return Markup(folder.joinpath(name).read_text("utf-8"))  # noqa: S704 - our own file


def _policy(style: str, *scripts: str) -> str:
    """Allow our own style and scripts and nothing else, whatever the results hold."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {digest(style)}; "
        f"script-src {' '.join(map(digest, scripts))}; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
