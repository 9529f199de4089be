"""`sysaudit controls`: which controls there are, one in full, what they cover of a framework."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_sysaudit.command import output, words
from pytest_sysaudit.command.ending import Refused
from pytest_sysaudit.command.group import examples
from pytest_sysaudit.record import Severity
from pytest_sysaudit.text import plural

if TYPE_CHECKING:
    from pytest_sysaudit.command.catalogue import Entry
    from pytest_sysaudit.compliance.coverage import Framework

STYLES = {"critical": "red bold", "high": "red", "medium": "yellow", "yes": "green", "no": "red"}
_KINDS = ["local", "ssh", "host", "aws", "http", "network"]


@click.command(
    short_help="List controls, and what they cover of a framework.",
    epilog=examples(
        [
            "sysaudit controls",
            "sysaudit controls ssh.root-login",
            "sysaudit controls 'ssh.*' --severity high",
            "sysaudit controls password",
            "sysaudit controls checks/test_mine.py --json",
            "sysaudit controls --framework 'cis-debian12:5.1.*'",
            "sysaudit controls --coverage cis-debian12",
        ]
    ),
)
@click.argument("what", nargs=-1, metavar="[PATH|ID|GLOB|TEXT]...", shell_complete=words.controls)
@click.option(
    "--severity",
    type=click.Choice([str(one) for one in Severity]),
    help="only controls of this severity and above",
)
@click.option(
    "--framework",
    metavar="NAME[:GLOB]",
    multiple=True,
    shell_complete=words.frameworks,
    help="only controls of this framework, as cis-debian12:5.1.*; repeatable",
)
@click.option("--family", metavar="NAME", help="only this family: linux, ssh, health, aws ...")
@click.option(
    "--target-kind", type=click.Choice(_KINDS), help="only controls that judge such targets"
)
@click.option(
    "--coverage",
    metavar="NAME",
    shell_complete=words.frameworks,
    help="each number of this framework, and the controls that judge it",
)
@click.option("--json", "as_json", is_flag=True, help="JSON data instead of text")
def controls(  # noqa: PLR0913, PLR0917 - click calls it by name
    what: tuple[str, ...],
    severity: str | None,
    framework: tuple[str, ...],
    family: str | None,
    target_kind: str | None,
    coverage: str | None,
    *,
    as_json: bool,
) -> None:
    """List controls: those that are shipped, and your own in ./checks.

    A PATH lists the controls of its checks alone. An ID shows one control in full; a GLOB of ids,
    or a TEXT that stands in id, title, rationale or remediation, lists those that match.
    """
    paths, patterns = _told_apart(what)
    everything = _collected(paths)
    if coverage is not None:
        _cover(coverage, everything, as_json=as_json)
        return
    found = _matching(everything, patterns)
    found = [
        entry
        for entry in found
        if _fits(entry, severity, framework, family) and _judges(entry, target_kind)
    ]
    if not found:
        raise Refused(_nothing(patterns, everything))
    if as_json:
        output.data([entry.to_plain() for entry in found])
    elif len(found) == 1 and len(patterns) == 1 and found[0].control.id == patterns[0]:
        for text, style in in_full(found[0]):
            output.say(text, style)
    else:
        output.table(
            ((e.control.id, e.control.severity.value, e.control.title) for e in found), STYLES
        )
        click.echo(plural(len(found), "control"), err=True)


def _told_apart(what: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the paths, and the words that are none."""
    paths = [one for one in what if os.sep in one or one.endswith(".py") or Path(one).exists()]
    return paths, [one for one in what if one not in paths]


def _collected(paths: Sequence[str]) -> list[Entry]:
    from pytest_sysaudit.command import catalogue

    if paths:
        return catalogue.collect(paths)
    found = {entry.control.id: entry for entry in catalogue.shipped()}
    if own := catalogue.here(Path.cwd()):
        found |= {entry.control.id: entry for entry in catalogue.collect(own)}
    return [found[id_] for id_ in sorted(found)]


def _matching(entries: Sequence[Entry], patterns: Sequence[str]) -> list[Entry]:
    """Return the entries that *patterns* mean: the one with this id, else a glob or text."""
    if not patterns:
        return [*entries]
    ids = {entry.control.id for entry in entries}
    return [e for e in entries if any(_means(p, e, exact=p in ids) for p in patterns)]


def _means(pattern: str, entry: Entry, *, exact: bool) -> bool:
    control = entry.control
    if exact:
        return control.id == pattern
    if any(sign in pattern for sign in "*?["):
        return fnmatchcase(control.id, pattern)
    texts = (control.id, control.title, control.rationale, control.remediation)
    return any(pattern.lower() in text.lower() for text in texts)


def _fits(
    entry: Entry, severity: str | None, frameworks: Sequence[str], family: str | None
) -> bool:
    from pytest_sysaudit.profiles.model import in_framework

    control = entry.control
    if severity and control.severity.weight < Severity(severity).weight:
        return False
    if family and family not in (entry.family, control.id.partition(".")[0]):
        return False
    return not frameworks or any(in_framework(control, text) for text in frameworks)


def _judges(entry: Entry, kind: str | None) -> bool:
    if kind is None:
        return True
    return bool({"local", "ssh"} & {*entry.kinds}) if kind == "host" else kind in entry.kinds


def _nothing(patterns: Sequence[str], entries: Iterable[Entry]) -> str:
    from pytest_sysaudit.inventory.suggest import did_you_mean

    hint = did_you_mean(patterns[0], [e.control.id for e in entries]) if patterns else ""
    named = f" {', '.join(map(repr, patterns))}" if patterns else ""
    return f"no control matches{named} with these options.{hint} `sysaudit controls` lists all"


def in_full(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield the lines, with their styles, that say everything about one control."""
    control = entry.control
    yield control.id, "bold"
    yield control.title, ""
    yield "", ""
    facts = {
        "severity": control.severity.value,
        "family": entry.family,
        "targets": ", ".join(entry.kinds),
        "platforms": ", ".join(entry.platforms),
        "manual": "only a person can judge it" if entry.manual else "",
        "intrusive": "runs only with --audit-allow-intrusive" if entry.intrusive else "",
        "check": f"{entry.file}:{entry.line}",
    }
    for name, value in facts.items():
        if value:
            yield f"{name + ':':<11} {value}", STYLES.get(value, "") if name == "severity" else ""
    for title, text in (("Why", control.rationale), ("Fix", control.remediation)):
        if text:
            yield "", ""
            yield f"{title}: {text}", ""
    for title, pairs in (("Inputs", _inputs(entry)), ("Frameworks", _numbers(entry))):
        if pairs:
            yield "", ""
            yield f"{title}:", ""
            yield from ((f"  {pair}", "") for pair in pairs)


def _inputs(entry: Entry) -> list[str]:
    return [f"{name} = {value!r}" for name, value in entry.inputs.items()]


def _numbers(entry: Entry) -> list[str]:
    return [f"{name}: {', '.join(ns)}" for name, ns in sorted(entry.control.frameworks.items())]


def _cover(name: str, entries: Sequence[Entry], *, as_json: bool) -> None:
    from pytest_sysaudit.compliance import coverage
    from pytest_sysaudit.inventory.suggest import did_you_mean

    markers = {entry.control.id: entry.control.frameworks for entry in entries}
    found = coverage.coverage(name, markers)
    if found is None:
        known = sorted({*coverage.shipped(), *(n for maps_to in markers.values() for n in maps_to)})
        hint = did_you_mean(name, known, otherwise="There are")
        raise Refused(f"no control maps to the framework {name!r}.{hint}")
    if as_json:
        output.data(_covered(found))
        return
    output.table(
        (
            (one.number, one.judged, ", ".join(one.controls) or "-", one.remark)
            for one in found.numbers
        ),
        STYLES,
    )
    counts = found.counts()
    total = f"{found.title}: {plural(len(found.numbers), 'number')}"
    if found.listed:
        kinds = (coverage.COVERED, "judged"), (coverage.PARTLY, "partly"), (coverage.NOT, "not")
        each = ", ".join(f"{counts[kind]} {word}" for kind, word in kinds)
        click.echo(f"{total}: {each}", err=True)
    else:
        click.echo(f"{total} named by controls; how many it has in all is not known", err=True)
    for number in found.unknown:
        click.echo(f"{number}: a control names it, and {found.title} has no such number", err=True)


def _covered(found: Framework) -> dict[str, object]:
    return {
        "framework": found.name,
        "title": found.title,
        "listed": found.listed,
        "counts": dict(found.counts()),
        "unknown": [*found.unknown],
        "numbers": [
            {
                "number": one.number,
                "level": one.level,
                "about": one.about,
                "judged": one.judged,
                "controls": [*one.controls],
                "remark": one.remark,
            }
            for one in found.numbers
        ],
    }
