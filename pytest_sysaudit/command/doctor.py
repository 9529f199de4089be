"""`sysaudit doctor`: what of that which an audit needs is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_sysaudit.command import output, words
from pytest_sysaudit.command.ending import no
from pytest_sysaudit.command.group import examples
from pytest_sysaudit.text import first_line

if TYPE_CHECKING:
    from pytest_sysaudit.command.probes import Finding
    from pytest_sysaudit.connections import Connections
    from pytest_sysaudit.inventory.load import LoadedInventory
    from pytest_sysaudit.inventory.target import Target

_STYLES = {"ok": "green", "missing": "red bold", "absent": "yellow"}


@click.command(
    short_help="Say what of all that an audit needs is there.",
    epilog=examples(
        ["sysaudit doctor", "sysaudit doctor --connect", "sysaudit doctor --inventory prod.yaml"]
    ),
)
@click.option(
    "--inventory",
    "inventory_path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="the inventory that is to be audited  [default: inventory.yaml]",
)
@click.option("--connect", is_flag=True, help="open every target and say what happens")
@click.option(
    "--target",
    "expressions",
    metavar="EXPR",
    multiple=True,
    shell_complete=words.targets,
    help="with --connect: only these targets; repeatable",
)
@click.option("--json", "as_json", is_flag=True, help="JSON data instead of text")
def doctor(
    inventory_path: Path | None, expressions: tuple[str, ...], *, connect: bool, as_json: bool
) -> None:
    """Say what is there of all that an audit needs, and the way out where it is not.

    ok: it is there. missing: it is not, and the inventory needs it. absent: it is not, and nothing
    needs it, or the audit does with less. Without --connect, no target is touched and nothing is
    sent. Exit code 1 if anything is missing.
    """
    from pytest_sysaudit.command import probes

    if expressions and not connect:
        raise click.UsageError("--target chooses what --connect opens; add --connect")
    path = inventory_path or Path("inventory.yaml")
    findings, found = probes.examine(path, given=inventory_path is not None)
    if not as_json:
        for finding in findings:
            _tell(finding)
    if connect:
        for finding in _connected(found, expressions):
            findings.append(finding)
            if not as_json:
                _tell(finding)
    if as_json:
        output.data([finding.to_plain() for finding in findings])
    if any(finding.state == probes.MISSING for finding in findings):
        no()


def _tell(finding: Finding) -> None:
    state = output.styled(f"{finding.state:<8}", _STYLES[finding.state])
    said = output.one_line(finding.words)
    way_out = f"; {output.one_line(finding.way_out)}" if finding.way_out else ""
    click.echo(f"{state} {finding.name:<16} {said}{way_out}")


def _connected(found: LoadedInventory | None, expressions: tuple[str, ...]) -> Iterator[Finding]:
    """Yield what opening each target comes to."""
    from pytest_sysaudit.connections import Connections
    from pytest_sysaudit.evidence.redact import Redactor
    from pytest_sysaudit.inventory.load import LoadedInventory
    from pytest_sysaudit.inventory.secrets import Secrets
    from pytest_sysaudit.inventory.select import select

    inventory = found or LoadedInventory.implicit()
    chosen = select(expressions, inventory.targets, inventory.groups)
    redactor = Redactor()
    connections = Connections(inventory.targets, Secrets(redactor))
    try:
        connections.dial([target for target in chosen if not target.entry.embedded])
        for target in chosen:
            yield _opened(connections, target, redactor.text)
    finally:
        connections.close()


def _opened(connections: Connections, target: Target, clean: Callable[[str], str]) -> Finding:
    from pytest_sysaudit.command.probes import ABSENT, MISSING, OK, Finding
    from pytest_sysaudit.command.waiting import heard
    from pytest_sysaudit.errors import SysauditError

    name = f"target {target.name}"
    if target.entry.embedded:
        return Finding(name, ABSENT, "is a stand-in, which runs during an audit only")
    openers = {"aws": connections.aws, "http": connections.http, "network": connections.network}
    try:
        heard(partial(openers.get(target.kind, connections.host), target))
    except SysauditError as error:
        reason = clean(first_line(str(error))).removeprefix(f"{target.name}: ")
        return Finding(name, MISSING, f"not reached: {reason}")
    identity = connections.states()[target.name]["identity"]
    told_ = ", ".join(f"{key} {value}" for key, value in identity.items() if value)
    return Finding(name, OK, clean(f"reached{f': {told_}' if told_ else ''}"))
