"""Tables of the reference, made from the code."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import click
import pytest_sysaudit
from pytest_sysaudit import hookspecs
from pytest_sysaudit.compliance import coverage
from pytest_sysaudit.facts import TABLES
from pytest_sysaudit.hooks import options
from pytest_sysaudit.inventory import schema
from pytest_sysaudit.profiles.load import load, shipped
from pytest_sysaudit.profiles.model import Profile
from pytest_sysaudit.record import Control, Severity
from pytest_sysaudit.reports.csv_report import HEADER
from pytest_sysaudit.reports.status import STATUSES, WEIGHTS

LONGEST_INPUT = 40
_WORDS = {
    "object": "keys and values",
    "string": "text",
    "boolean": "true or false",
    "integer": "whole number",
}
_FAMILIES = {
    "linux": "Linux",
    "ssh": "SSH server",
    "health": "Health",
    "aws": "AWS",
    "http": "HTTP",
    "tls": "TLS",
    "network": "Network",
}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [re.sub(r"(?<!\\)\|", r"\\|", cell).replace("\n", " ") for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _code(text: object) -> str:
    return f"`{text}`"


def _plain(doc: str | None) -> str:
    """Return the first paragraph of a docstring, its reST quotes as Markdown's."""
    first = inspect.cleandoc(doc or "").split("\n\n")[0]
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(first.split()))


@cache
def checks() -> dict[str, list[tuple[Any, Any]]]:
    """Return the shipped checks by family: the control marker and the function of each."""
    package = importlib.import_module("pytest_sysaudit.checks")
    found: dict[str, list[tuple[Any, Any]]] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        for name, function in vars(module).items():
            if not (name.startswith("test_") and inspect.isfunction(function)):
                continue
            for mark in getattr(function, "pytestmark", []):
                if mark.name == "control":
                    family = info.name.split(".")[2]
                    found.setdefault(family, []).append((mark, function))
    return found


def controls() -> str:
    """One table a family."""
    parts = []
    profiles = _profiles()
    for family in _families():
        rows = []
        for mark, function in sorted(checks()[family], key=lambda pair: pair[0].args[0]):
            inputs = mark.kwargs.get("inputs", {})
            control = _control(mark)
            rows.append(
                [
                    _code(mark.args[0]),
                    control.severity.value,
                    _plain(function.__doc__) + (" *Intrusive.*" if _is_intrusive(function) else ""),
                    ", ".join(_code(f"{k}={_short(v)}") for k, v in inputs.items()),
                    "; ".join(f"{k} {', '.join(v)}" for k, v in control.frameworks.items()),
                    "; ".join(
                        n for n, profile in profiles.items() if profile.judge(control) is True
                    ),
                ]
            )
        head = ["id", "severity", "what must hold", "inputs", "frameworks", "profiles"]
        parts.append(f"## {_title(family)}\n\n{len(rows)} controls.\n\n{_table(head, rows)}\n")
    return "\n".join(parts)


def _families() -> list[str]:
    """Return the families that have controls, those of `_FAMILIES` first."""
    return sorted(checks(), key=lambda name: (*_FAMILIES, name).index(name))


def _title(family: str) -> str:
    return _FAMILIES.get(family, family.capitalize())


def _control(mark: Any) -> Control:
    """Return the control of a marker, as far as profiles look at it."""
    severity = Severity(mark.kwargs.get("severity", "medium"))
    frameworks = mark.kwargs.get("frameworks", {})
    return Control(id=mark.args[0], title="", severity=severity, frameworks=frameworks)


@cache
def _profiles() -> dict[str, Profile]:
    """Return the shipped profiles by name."""
    return {name: load([name], path.parent) for name, path in shipped().items()}


def profiles() -> str:
    """The shipped profiles, and how many controls of each family are in them."""
    rows = []
    for name, profile in _profiles().items():
        counts = {
            family: sum(profile.judge(_control(mark)) is True for mark, _ in checks()[family])
            for family in _families()
        }
        each = ", ".join(f"{_title(family)} {count}" for family, count in counts.items() if count)
        title = profile.layers[-1].title
        rows.append([_code(name), title, f"{sum(counts.values())}: {each}"])
    return _table(["profile", "what it is", "controls"], rows)


def _frameworks() -> list[coverage.Framework]:
    marks = [mark for pairs in checks().values() for mark, _ in pairs]
    return coverage.frameworks({m.args[0]: m.kwargs.get("frameworks", {}) for m in marks})


def covered() -> str:
    """How many numbers of each framework are judged."""
    rows = []
    for framework in _frameworks():
        levels = sorted({one.level for one in framework.numbers if one.level})
        for level in ["", *levels[:1]]:
            counts = framework.counts(level)
            title = framework.title + (f", level {level}" if level else "")
            numbers = [coverage.COVERED, coverage.PARTLY, coverage.NOT]
            rows.append([title, str(counts.total()), *(str(counts[n]) for n in numbers)])
    return _table(["framework", "numbers", "judged", "partly", "not"], rows)


def numbers() -> str:
    """One table a framework: each number, and what judges it."""
    parts = []
    for framework in _frameworks():
        rows = [
            [
                one.number,
                one.level,
                one.about,
                one.judged,
                ", ".join([*map(_code, one.controls), *([one.remark] if one.remark else [])]),
            ]
            for one in framework.numbers
        ]
        head = ["number", "level", "about", "judged", "by what, or why not"]
        parts.append(f"## {framework.title}\n\n{_table(head, rows)}\n")
    return "\n".join(parts)


def _is_intrusive(function: Any) -> bool:
    return any(mark.name == "intrusive" for mark in function.pytestmark)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_INPUT else f"{text[:LONGEST_INPUT]}..."


def counts() -> str:
    """One line: how many controls are shipped."""
    found = {_title(name): len(checks()[name]) for name in _families()}
    each = ", ".join(f"{title} {count}" for title, count in found.items())
    return f"{sum(found.values())} controls are shipped: {each}."


def statuses() -> str:
    """What each verdict is called in every report."""
    head = (
        "verdict",
        "junit",
        "sarif",
        "oscal",
        "xccdf",
        "hdf, shown as",
        "ocsf, compliance",
        "CKL",
    )
    rows = []
    for verdict, one in STATUSES.items():
        held = " ".join(filter(None, [one.oscal_state, one.oscal_reason])) or "observation only"
        rows.append(
            [
                _code(verdict),
                one.junit or "-",
                one.sarif_kind + (", suppressed" if one.sarif_suppressed else ""),
                held + (", risk accepted" if one.oscal_risk else ""),
                one.xccdf + (", override" if one.xccdf_override else ""),
                f"{one.hdf_status}, {one.hdf_view}" + (", waiver" if one.hdf_waiver else ""),
                f"{one.ocsf_status}, {one.ocsf_compliance}",
                one.ckl + (", comment" if one.ckl_comment else ""),
            ]
        )
    return _table(head, rows)


def columns() -> str:
    """The columns of the csv report."""
    return f"{', '.join(map(_code, HEADER))}."


def weights() -> str:
    """What each severity is called in every report."""
    head = ("severity", "sarif, for GitHub", "ocsf", "xccdf", "hdf impact", "CKL")
    rows = [
        [
            _code(severity),
            f"{one.sarif_level}, {one.sarif_score or '-'}",
            f"{one.ocsf_id} {one.ocsf}",
            one.xccdf,
            str(one.hdf_impact),
            one.ckl,
        ]
        for severity, one in WEIGHTS.items()
    ]
    return _table(head, rows)


def inventory(name: str) -> str:
    """The keys of one part of the inventory, from its JSON schema."""
    document: dict[str, Any] = schema.generate()
    part = document if name == "Inventory" else document["$defs"][name]
    rows = [
        [
            _code(key) + (" (required)" if key in part.get("required", []) else ""),
            _kind(field),
            _default(field),
            field.get("description", ""),
        ]
        for key, field in part["properties"].items()
    ]
    return _table(["key", "type", "default", "meaning"], rows)


def _kind(field: dict[str, Any]) -> str:
    """Return the type of a key in a few words."""
    field = next((one for one in field.get("anyOf", []) if one.get("type") != "null"), field)
    if "$ref" in field:
        return f"keys and values: {field['$ref'].rpartition('/')[2]}"
    if "const" in field or "enum" in field:
        return ", ".join(_code(one) for one in field.get("enum", [field.get("const")]))
    kinds = field.get("type", "anything")
    kind = next(one for one in kinds if one != "null") if isinstance(kinds, list) else kinds
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"by name: {_kind(field['additionalProperties']).removeprefix('keys and values: ')}"
    if kind == "array":
        inner = _kind(field.get("items", {}))
        return "list" if inner == "text" else f"list of {inner}"
    return _WORDS.get(kind, kind)


def _default(field: dict[str, Any]) -> str:
    """Return the default of a key as it would be written; "" if it is empty."""
    value = field.get("default")
    if value in (None, [], {}) or isinstance(value, dict):
        return ""
    if isinstance(value, bool):
        return _code(str(value).lower())
    return _code(f"[{', '.join(value)}]" if isinstance(value, list) else value)


def option() -> str:
    """The options of the command line."""
    rows = []
    for name, settings in options._OPTIONS:  # noqa: SLF001 - the one list of them
        written = f"{name} {settings['metavar']}" if "metavar" in settings else name
        rows.append([_code(written), str(settings["help"])])
    return _table(["option", "meaning"], rows)


def marker() -> str:
    """The markers with their signatures."""
    pairs = [text.split(": ", 1) for text in options._MARKERS]  # noqa: SLF001
    return _table(["marker", "meaning"], [[_code(one), two] for one, two in pairs])


def public() -> str:
    """Every public name."""
    rows = []
    for name in pytest_sysaudit.__all__:
        value = getattr(pytest_sysaudit, name)
        text = _plain(value.__doc__) if name != "__version__" else "The version of this package."
        rows.append([_code(name), text])
    return _table(["name", "what it is"], rows)


def hook() -> str:
    """Every hook, with its signature and its docstring."""
    parts = []
    for name, function in vars(hookspecs).items():
        if name.startswith("pytest_sysaudit_"):
            signature = re.sub(r"'", "", str(inspect.signature(function)))
            doc = re.sub(r"``(.+?)``", r"`\1`", inspect.cleandoc(function.__doc__ or ""))
            parts.append(f"## {name}\n\n```python\ndef {name}{signature}: ...\n```\n\n{doc}\n")
    return "\n".join(parts)


def facts() -> str:
    """The fact tables of a host."""
    rows = []
    for name, place in TABLES.items():
        module = importlib.import_module(place.partition(":")[0])
        doc = pkgutil.resolve_name(place).__doc__ if ":" in place else module.__doc__
        rows.append([_code(f"host.facts.{name}"), _plain(doc)])
    return _table(["table", "what it says"], rows)


def commands() -> str:
    """Every command of `sysaudit`: how it is typed, what it does, its options, examples."""
    from pytest_sysaudit.command.group import sysaudit

    return "\n".join(_command(way, found) for way, found in _commands(sysaudit, ("sysaudit",)))


def _commands(group: Any, way: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Any]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        yield (*way, name), found
        if isinstance(found, click.Group):
            yield from _commands(found, (*way, name))


def _command(way: tuple[str, ...], command: Any) -> str:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    found = [one for one in command.params if isinstance(one, click.Option)]
    words = [*way, *(["[OPTIONS]"] if found else [])]
    if isinstance(command, click.Group):
        words.append("COMMAND")
    words += [one.make_metavar(click.Context(command)) for one in arguments]
    parts = [f"{'#' * len(way)} {' '.join(way)}", _code(" ".join(words))]
    parts.append(inspect.cleandoc(command.help or ""))
    if found:
        rows = [[_option_name(one), one.help or ""] for one in found]
        parts.append(_table(["option", "meaning"], rows))
    lines = [line.strip() for line in (command.epilog or "").splitlines()[2:]]
    parts.append("```console\n" + "\n".join(f"$ {line}" for line in lines) + "\n```")
    return "\n\n".join(parts) + "\n"


def _option_name(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return _code(names)
    choices = getattr(option.type, "choices", None)
    return _code(f"{names} {'|'.join(map(str, choices)) if choices else option.metavar}")


MAKERS: dict[str, Callable[..., str]] = {
    "commands": commands,
    "controls": controls,
    "counts": counts,
    "profiles": profiles,
    "covered": covered,
    "numbers": numbers,
    "statuses": statuses,
    "weights": weights,
    "columns": columns,
    "inventory": inventory,
    "options": option,
    "markers": marker,
    "public": public,
    "hooks": hook,
    "facts": facts,
}
