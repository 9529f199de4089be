"""`sysaudit completion`: what makes a shell complete the command."""

from __future__ import annotations

import click

from pytest_sysaudit.command.ending import Refused
from pytest_sysaudit.command.group import examples

VARIABLE = "_SYSAUDIT_COMPLETE"


@click.command(
    short_help="Print what makes a shell complete the command.",
    epilog=examples(
        [
            "echo 'eval \"$(sysaudit completion bash)\"' >> ~/.bashrc",
            "echo 'eval \"$(sysaudit completion zsh)\"' >> ~/.zshrc",
            "sysaudit completion fish > ~/.config/fish/completions/sysaudit.fish",
        ]
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands, options, targets, controls and formats."""
    from click.shell_completion import get_completion_class

    from pytest_sysaudit.command.group import sysaudit

    kind = get_completion_class(shell)
    if kind is None:
        raise Refused(f"this version of click cannot complete in {shell}")
    try:
        text = kind(sysaudit, {}, "sysaudit", VARIABLE).source()
    except RuntimeError as error:  # an old bash
        raise Refused(str(error)) from error
    click.echo(text)
