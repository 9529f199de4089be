"""`sysaudit snapshot`: what a host is now, as checks that tell when it changes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_sysaudit.command import output, words
from pytest_sysaudit.command.ending import Refused, remark
from pytest_sysaudit.command.group import examples

if TYPE_CHECKING:
    from pytest_sysaudit.command.sections import Missing, Section
    from pytest_sysaudit.inventory.load import LoadedInventory
    from pytest_sysaudit.inventory.target import Target

NAMES = ("users", "groups", "ports", "services", "packages", "sysctls", "mounts")


@click.command(
    short_help="Record a host as readable checks.",
    epilog=examples(
        [
            "sysaudit snapshot web1",
            "sysaudit snapshot web1 --versions -o checks/test_web1.py",
            "sysaudit snapshot web1 --only users --only ports -o -",
        ]
    ),
)
@click.argument("name", metavar="TARGET", shell_complete=words.targets)
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path, allow_dash=True),
    help="the file; - is standard output  [default: checks/test_snapshot_TARGET.py]",
)
@click.option(
    "--inventory",
    "inventory_path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    default="inventory.yaml",
    show_default=True,
    help="the inventory that names the target",
)
@click.option(
    "--only", type=click.Choice(NAMES), multiple=True, help="record only this; repeatable"
)
@click.option("--versions", is_flag=True, help="record the versions of packages too")
@click.option("--force", is_flag=True, help="replace the file if it is there")
def snapshot(  # noqa: PLR0913 - click calls it by name
    name: str,
    path: Path | None,
    inventory_path: Path,
    only: tuple[str, ...],
    *,
    versions: bool,
    force: bool,
) -> None:
    """Record TARGET, a host of the inventory, as readable checks.

    Users, groups, listening ports, enabled services, packages, kernel settings and mounts are
    written down as tables, with checks that pass now and fail when something changes or is added.
    What cannot be read, or changes by itself, is left out, and the file says so.
    """
    found = _inventory(inventory_path)
    target = _host_target(name, found)
    path = path or Path("checks") / f"test_snapshot_{re.sub(r'[^A-Za-z0-9_]', '_', name)}.py"
    if str(path) != "-" and os.path.lexists(path) and not force:
        raise Refused(f"{path}: is there; --force replaces it, -o names another file")
    text, sections, missing = _take(target, found, only or NAMES, versions=versions)
    for one in missing:
        remark(f"{one.name}: not recorded: {one.reason}")
    for section in sections:
        for words_ in section.left_out:
            remark(f"{section.name}: without {words_}")
    if not sections:
        raise Refused(f"{name}: nothing could be recorded")
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    from pytest_sysaudit.command.files import write_new

    if not write_new(path, text, force=force):
        raise Refused(f"{path}: is there; --force replaces it, -o names another file")
    counts = ", ".join(f"{len(section.rows)} {section.name}" for section in sections)
    output.say(f"wrote {path}: {counts}", "green")
    output.say(f"next:  pytest {path}")


def _inventory(path: Path) -> LoadedInventory:
    from pytest_sysaudit.command.inventory import load_or_refuse
    from pytest_sysaudit.inventory.load import LoadedInventory

    if str(path) == "inventory.yaml" and not path.exists():
        return LoadedInventory.implicit()
    return load_or_refuse(path)


def _host_target(name: str, found: LoadedInventory) -> Target:
    from pytest_sysaudit.inventory.suggest import did_you_mean

    target = found.targets.get(name)
    if target is None:
        hosts = [one.name for one in found.targets.values() if one.is_host]
        where = found.path.name if found.path else "there is no inventory.yaml, so"
        hint = did_you_mean(name, hosts, otherwise="Hosts")
        raise Refused(f"{where}: no target {name!r}.{hint}")
    if not target.is_host:
        raise Refused(f"{name}: is of the kind {target.kind}; only hosts can be recorded")
    if target.entry.embedded:
        raise Refused(f"{name}: is a stand-in that runs during an audit only (embedded: true)")
    return target


def _take(
    target: Target, found: LoadedInventory, wanted: tuple[str, ...], *, versions: bool
) -> tuple[str, list[Section], list[Missing]]:
    from pytest_sysaudit.command.sections import record
    from pytest_sysaudit.command.sketch import module
    from pytest_sysaudit.command.waiting import heard
    from pytest_sysaudit.connections import Connections
    from pytest_sysaudit.evidence.redact import Redactor
    from pytest_sysaudit.inventory.secrets import Secrets
    from pytest_sysaudit.record import utc_text

    redactor = Redactor()
    connections = Connections(found.targets, Secrets(redactor))
    try:
        host = heard(lambda: connections.host(target))
        sections, missing = heard(lambda: record(host.facts, redactor, wanted, versions=versions))
        identity = redactor.text(str(host.identity.get("os", "")))
    finally:
        connections.close()
    import time

    text = module(target.name, utc_text(time.time())[:10], identity, sections, missing)
    compile(text, "snapshot", "exec")
    return text, sections, missing
