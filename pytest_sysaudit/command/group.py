"""The commands of `sysaudit`; a command's module is imported when it is called."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any

import click

from pytest_sysaudit import __version__
from pytest_sysaudit.command.ending import colours

#: Where each command is.
COMMANDS: Mapping[str, str] = {
    "init": "pytest_sysaudit.command.init:init",
    "doctor": "pytest_sysaudit.command.doctor:doctor",
    "inventory": "pytest_sysaudit.command.inventory:inventory",
    "controls": "pytest_sysaudit.command.controls:controls",
    "snapshot": "pytest_sysaudit.command.snapshot:snapshot",
    "evidence": "pytest_sysaudit.command.evidence:evidence",
    "report": "pytest_sysaudit.command.report:report",
    "completion": "pytest_sysaudit.command.completion:completion",
}
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Lazy(click.Group):
    """A group whose commands are the entries of `COMMANDS`, in that order."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Return the names, in the order in which people need them."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command *cmd_name*; None if there is none."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        command: click.Command = pkgutil.resolve_name(place)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that *args* begin with; of an unknown one, what is like it is told."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from pytest_sysaudit.inventory.suggest import did_you_mean

            close = did_you_mean(args[0], COMMANDS, otherwise="Commands")
            ctx.fail(f"No such command {args[0]!r}.{close}")
        return super().resolve_command(ctx, args)


def examples(lines: Sequence[str]) -> str:
    """Return the end of a help text: *lines* as they are typed, not wrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(
    cls=Lazy,
    context_settings=SETTINGS,
    epilog=examples(
        ["sysaudit init", "sysaudit doctor", "pytest checks", "sysaudit controls ssh.root-login"]
    ),
)
@click.version_option(__version__, prog_name="sysaudit", message="%(prog)s %(version)s")
@click.pass_context
def sysaudit(ctx: click.Context) -> None:
    """Set up audits, look at what they found, and at what they will do.

    The audit itself is run by pytest: `pytest checks`.

    Exit codes: 0 all is well, 1 the answer is no, 2 interrupted, 3 something broke, 4 the command
    line or a file that it names cannot be used.
    """
    ctx.color = colours()
