"""`sysaudit inventory`: is it right, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytest_sysaudit.command import output, words
from pytest_sysaudit.command.ending import USAGE, Refused, remark
from pytest_sysaudit.command.group import examples
from pytest_sysaudit.text import listed, plural

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.load import LoadedInventory
    from pytest_sysaudit.inventory.target import Target
    from pytest_sysaudit.record import Plain

DEFAULT = "inventory.yaml"
_HIDDEN = frozenset({"groups", "vars", "inputs"})
_UNVERIFIED = "verify: false accepts every certificate"
_BELIEVING = "host_key_policy: accept-new believes the first key that it sees"


@click.group(
    short_help="Check the inventory, or show its targets.",
    epilog=examples(["sysaudit inventory check", "sysaudit inventory show --target web"]),
)
def inventory() -> None:
    """Check the inventory, or show the targets as they will be used."""


@inventory.command(
    short_help="Say everything that is wrong with it.",
    epilog=examples(["sysaudit inventory check", "sysaudit inventory check prod.yaml"]),
)
@click.argument("path", type=click.Path(path_type=Path), default=DEFAULT)
def check(path: Path) -> None:
    """Say everything that is wrong with the inventory at PATH, each with its line.

    PATH is inventory.yaml if it is not given. Exit code 4 if anything is wrong.
    """
    from pytest_sysaudit.errors import InventoryError

    try:
        found = load_or_refuse(path)
    except InventoryError as error:
        for problem in error.problems:
            click.echo(click.style(str(problem), fg="red"), err=True)
        count = plural(len(error.problems), "problem")
        click.echo(f"{path}: {count}", err=True)
        raise click.exceptions.Exit(USAGE) from error
    warnings = list(warnings_about(found))
    for line in warnings:
        remark(f"{path}: warning: {line}")
    kinds: dict[str, int] = {}
    for target in found.targets.values():
        kinds[target.kind] = kinds.get(target.kind, 0) + 1
    each = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    start = f"{path}: good: {plural(len(found.targets), 'target')} ({each})"
    output.say(start + (f", {plural(len(warnings), 'warning')}" if warnings else ""), "green")


@inventory.command(
    short_help="Show targets as they will be used.",
    epilog=examples(
        [
            "sysaudit inventory show",
            "sysaudit inventory show --target 'web:!web3'",
            "sysaudit inventory show --json | jq '.[].name'",
        ]
    ),
)
@click.argument("path", type=click.Path(path_type=Path), default=DEFAULT)
@click.option(
    "--target",
    "expressions",
    metavar="EXPR",
    multiple=True,
    shell_complete=words.targets,
    help="only these: a name, group, glob or kind:aws; 'web:!db', 'web:&prod'; repeatable",
)
@click.option("--json", "as_json", is_flag=True, help="JSON data instead of text")
def show(path: Path, expressions: tuple[str, ...], *, as_json: bool) -> None:
    """Show targets as they will be used: groups, vars and inputs that flow in, the way there.

    Of secrets, only where they are is shown.
    """
    from pytest_sysaudit.inventory.select import select

    found = load_or_refuse(path)
    chosen = [of_target(one) for one in select(expressions, found.targets, found.groups)]
    if as_json:
        output.data(chosen)
        return
    for number, one in enumerate(chosen):
        if number:
            output.say()
        for text, style in lines_of(one):
            output.say(text, style)


def load_or_refuse(path: Path) -> LoadedInventory:
    """Return the inventory at *path*.

    Raises:
        Refused: there is no such file.
        InventoryError: it cannot be used.
    """
    from pytest_sysaudit.inventory.load import load

    if not path.exists():
        raise Refused(f"{path}: there is no such file; {_way_out(path)}")
    return load(path)


def _way_out(path: Path) -> str:
    if str(path) == DEFAULT:
        return "`sysaudit init` writes a first one"
    return "name another" if path.suffix else f"name another, or a target: --target {path}"


def warnings_about(found: LoadedInventory) -> Iterator[str]:
    """Yield what is no error in an inventory but hardly meant; what is true of many, once."""
    used = {group for target in found.targets.values() for group in target.groups}
    for name in found.model.groups:
        if name != "all" and name not in used:
            yield f"group {name!r} has no targets"
    doubts: dict[str, list[str]] = {}
    addresses: dict[tuple[str, object, object], list[str]] = {}
    for target in found.targets.values():
        entry: Any = target.entry
        if target.kind == "ssh" and not entry.embedded:
            key = (entry.address or target.name, entry.port, entry.user)
            addresses.setdefault(key, []).append(target.name)
        if target.kind == "http" and not entry.verify:
            doubts.setdefault(_UNVERIFIED, []).append(target.name)
        if target.kind == "ssh" and entry.ssh.host_key_policy == "accept-new":
            doubts.setdefault(_BELIEVING, []).append(target.name)
    for names in addresses.values():
        if len(names) > 1:
            yield f"{listed(names, 5)} have the same address, port and user"
    for doubt, names in doubts.items():
        yield f"{listed(names, 5)}: {doubt}"


def of_target(target: Target) -> dict[str, Plain]:
    """Return *target* as JSON data; what is a secret stands there as its reference."""
    from pytest_sysaudit.evidence.redact import Redactor

    entry = target.entry.model_dump(mode="json", exclude=set(_HIDDEN))
    own = {name: getattr(target.defaults, name) for name in entry if hasattr(target.defaults, name)}
    way = {name: own.get(name) if value is None else value for name, value in entry.items()}
    clean = Redactor().plain  # somebody may have written a secret where none belongs
    return {
        "name": target.name,
        "kind": str(target.kind),
        "groups": [*target.groups],
        "vars": clean(_plain(target.vars)),
        "inputs": clean(_plain(target.inputs)),
        "way": _without_secrets(way, clean),
    }


def _without_secrets(way: Mapping[str, Any], clean: Callable[[Any], Any]) -> dict[str, Any]:
    """Return what is said of *way*, with references to secrets as they are written."""
    from pytest_sysaudit.inventory.secrets import is_reference

    shown: dict[str, Any] = {}
    for name, value in way.items():
        if isinstance(value, Mapping):
            shown[name] = _without_secrets(value, clean)
        elif isinstance(value, str) and is_reference(value):
            shown[name] = value
        else:
            shown[name] = clean({name: value})[name] if isinstance(value, str) else value
    return {name: value for name, value in shown.items() if value not in (None, {}, [], "")}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def lines_of(one: Mapping[str, Plain]) -> Iterator[tuple[str, str]]:
    """Yield the lines, with their styles, that show what `of_target` gave."""
    yield f"{one['name']}  ({one['kind']})", "bold"
    if one["groups"]:
        yield f"  groups: {', '.join(one['groups'])}", ""
    for part in ("way", "vars", "inputs"):
        if one[part]:
            yield f"  {part}:", ""
            yield from ((f"    {line}", "") for line in _tree(one[part]))


def _tree(value: Mapping[str, Plain]) -> Iterator[str]:
    import json

    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            left = {name: one for name, one in item.items() if one not in (None, {}, [])}
            yield f"{key}:"
            yield from (f"  {line}" for line in _tree(left))
        else:
            shown = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            yield f"{key}: {shown}"
