"""`sysaudit report`: what is done with the results of runs that are over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_sysaudit.command import output, words
from pytest_sysaudit.command.ending import Refused, no, remark
from pytest_sysaudit.command.group import examples
from pytest_sysaudit.text import plural

if TYPE_CHECKING:
    from pytest_sysaudit.compliance.drift import Drift
    from pytest_sysaudit.compliance.gate import Gate
    from pytest_sysaudit.record import Plain
    from pytest_sysaudit.reports import ReportSpec

_FILE = click.Path(path_type=Path)
_STYLES = {"new": "red", "fixed": "green", "changed": "yellow", "gone": "yellow"}
_GRAVE = ("fail", "error")


@click.group(
    short_help="Show, convert, merge or compare results.",
    epilog=examples(
        [
            "sysaudit report convert results.json --to html --to sarif=findings.sarif",
            "sysaudit report merge web.json db.json -o all.json",
            "sysaudit report diff yesterday.json today.json",
        ]
    ),
)
def report() -> None:
    """Show, convert, merge or compare the results of runs that are over."""


@report.command(
    short_help="Print the summary of a run.",
    epilog=examples(["sysaudit report show results.json", "sysaudit report show evidence -v"]),
)
@click.argument("file", metavar="FILE|DIR", type=_FILE)
@click.option("-v", "--verbose", is_flag=True, help="all findings, not shortened")
def show(file: Path, *, verbose: bool) -> None:
    """Print the summary that the run printed at its end."""
    from pytest_sysaudit.command.documents import read_document
    from pytest_sysaudit.reports.summary import lines

    document = read_document(file)
    run = document["run"]
    output.say(f"run {run['id']}, {run['started']}, by {run['operator']}", "dim")
    for text, style in lines(document, output.width(), verbose=verbose):
        output.say(text, style)


@report.command(
    short_help="Write other reports of a run.",
    epilog=examples(
        [
            "sysaudit report convert results.json --to html --to csv=findings.csv",
            "sysaudit report convert evidence --to json=results.json",
        ]
    ),
)
@click.argument("file", metavar="FILE|DIR", type=_FILE)
@click.option(
    "--to",
    "formats",
    metavar="FORMAT[=PATH]",
    multiple=True,
    required=True,
    shell_complete=words.formats,
    help="the format, and the file it goes to (-: standard output); repeatable  "
    "[default: audit-report/...]",
)
def convert(file: Path, formats: tuple[str, ...]) -> None:
    """Write other reports of a json report, or of what --audit-evidence recorded.

    DIR may be the recording of a run that was killed: its report has all that was finished, and
    says that the run was not whole.
    """
    from pytest_sysaudit.command.documents import read_document

    specs = _specs(formats)
    document = read_document(file)
    gate = document["summary"]["gate"]
    if gate["rule"].startswith("the run was killed"):
        remark(f"{file}: {gate['rule']}")
    _write(document, specs)


@report.command(
    short_help="Join several runs into one json report.",
    epilog=examples(
        [
            "sysaudit report merge web.json db.json -o all.json",
            "sysaudit report merge *.json -o all.json --gate 'fail.critical=0,fail=20'",
        ]
    ),
)
@click.argument("files", metavar="FILE|DIR...", type=_FILE, nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="PATH",
    type=_FILE,
    required=True,
    help="the file; - is standard output",
)
@click.option("--gate", metavar="PATH|EXPR", help="judge by this  [default: fail=0,error=0]")
@click.option(
    "--prefer",
    type=click.Choice(["worst", "newest"]),
    default="worst",
    show_default=True,
    help="which counts where two runs judged the same check on the same target",
)
def merge(files: tuple[Path, ...], path: Path, gate: str | None, prefer: str) -> None:
    """Join the results of several runs into one json report.

    Targets and controls are joined, results that two runs have are told, the gate is judged anew.
    Exit code 1 if it is broken.
    """
    from pytest_sysaudit.command.documents import read_document
    from pytest_sysaudit.command.merging import merge as join
    from pytest_sysaudit.reports.through import is_shared

    judge = _gate(gate)
    (spec,) = _specs((f"json={path}",))
    documents = [(str(file), read_document(file)) for file in files]
    merged = join(documents, judge, newest=prefer == "newest")
    for line in merged.remarks:
        remark(line)
    _write(merged.document, [spec])
    _judge(merged.document, aside=is_shared(spec.path))


def _judge(document: Mapping[str, Plain], *, aside: bool) -> None:
    """Tell what came of it; *aside*: on standard error, for the report itself is on the other."""
    from pytest_sysaudit.reports.summary import in_words

    summary, gate = document["summary"], document["summary"]["gate"]
    lines = [(f"{plural(len(document['targets']), 'target')}: {in_words(summary['verdicts'])}", "")]
    if gate["broken"]:
        lines.append((f"gate broken: {gate['rule']}", "red"))
    for text, style in lines:
        remark(text) if aside else output.say(text, style)
    if gate["broken"]:
        no()


@report.command(
    short_help="Say what is new, fixed, changed or gone.",
    epilog=examples(
        [
            "sysaudit report diff yesterday.json today.json",
            "sysaudit report diff main.json branch.json --markdown > comment.md",
        ]
    ),
)
@click.argument("old", metavar="OLD", type=_FILE)
@click.argument("new", metavar="NEW", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="JSON data instead of text")
@click.option("--markdown", "as_markdown", is_flag=True, help="a table for a merge request")
def diff(old: Path, new: Path, *, as_json: bool, as_markdown: bool) -> None:
    """Say which findings are new, fixed, changed or gone since OLD.

    OLD and NEW are json reports or recordings. Exit code 1 if NEW has a finding, a fail or an
    error, that OLD had not.
    """
    from pytest_sysaudit.command.documents import read_document
    from pytest_sysaudit.compliance.drift import compare

    if as_json and as_markdown:
        raise click.UsageError("--json or --markdown, not both")
    before, after = read_document(old), read_document(new)
    drift = compare(before["results"], after["results"])
    rows = list(_changes(drift, after))
    if as_json:
        output.data({"counts": drift.counts, "changes": rows})
    elif as_markdown:
        click.echo("\n".join(_markdown(drift, rows)))
    else:
        shown = ((r["state"], _told(r), _thing(r), output.one_line(r["message"])) for r in rows)
        output.table(shown, _STYLES)
        click.echo(_in_words(drift))
    if any(row["state"] == "new" and row["verdict"] in _GRAVE for row in rows):
        no()


def _changes(drift: Drift, after: Mapping[str, Plain]) -> Iterator[dict[str, Plain]]:
    """Yield what differs, what matters most first."""
    found = []
    for state, was, row in zip(drift.states, drift.before, after["results"], strict=True):
        if state != "unchanged":
            found.append(_change(state, row, was["verdict"] if was else None))
    found += [_change("gone", row, row["verdict"]) for row in drift.gone]
    order = ["new", "changed", "fixed", "gone"]
    grave = ["fail", "error"]
    yield from sorted(
        found, key=lambda r: (order.index(r["state"]), r["verdict"] not in grave, r["target"])
    )


def _change(state: str, row: Mapping[str, Plain], was: str | None) -> dict[str, Plain]:
    names = ("control", "check", "target", "resource", "params")
    verdict = None if state == "gone" else row["verdict"]
    told_ = {name: row[name] for name in names}
    return {
        "state": state,
        "was": was,
        "verdict": verdict,
        **told_,
        "message": row.get("message", ""),
    }


def _told(row: Mapping[str, Plain]) -> str:
    if row["verdict"] is None:
        return f"was {row['was']}"
    same = row["was"] in (None, row["verdict"])
    return str(row["verdict"]) if same else f"{row['was']} -> {row['verdict']}"


def _thing(row: Mapping[str, Plain]) -> str:
    extra = row["resource"] or ", ".join(f"{k}={v}" for k, v in row["params"].items())
    return f"{row['control']} on {row['target'] or 'the run'}{f' ({extra})' if extra else ''}"


def _in_words(drift: Drift) -> str:
    return (
        ", ".join(f"{count} {state}" for state, count in drift.counts.items() if count) or "empty"
    )


def _markdown(drift: Drift, rows: list[dict[str, Plain]]) -> Iterator[str]:
    """Yield a comment no longer than one may be; what does not fit is counted."""
    from pytest_sysaudit.reports.markdown import LONGEST, Table
    from pytest_sysaudit.reports.markup import code
    from pytest_sysaudit.reports.telling import place_of

    yield f"**{_in_words(drift)}**"
    lines = []
    for row in rows:
        named = (code(row["control"]), code(place_of(row)) or "the run", code(row["message"]))
        lines.append(f"| {' | '.join([row['state'], _told(row), *named])} |")
    columns = ("", "verdict", "control", "where", "message")
    text = Table("Changes", columns, lines, "change").text(LONGEST)
    if text:
        yield f"\n{text.rstrip()}"


def _specs(formats: tuple[str, ...]) -> list[ReportSpec]:
    from pytest_sysaudit.errors import ReportError
    from pytest_sysaudit.reports import parse_specs

    try:
        return parse_specs(formats)
    except ReportError as error:
        raise Refused(str(error)) from error


def _gate(text: str | None) -> Gate:
    from pytest_sysaudit.compliance.load import GateText, load

    gate = GateText(text, Path(), "--gate") if text is not None else None
    return load(gate=gate).gate


def _write(document: Mapping[str, Plain], specs: list[ReportSpec]) -> None:
    from pytest_sysaudit.reports import write

    for spec in specs:
        write(spec.format, document, spec.path)
        click.echo(f"wrote {spec.path}", err=True)
