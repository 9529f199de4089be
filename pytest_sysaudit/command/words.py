"""What the shell may complete: targets, groups, controls, formats. Errors complete nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem


def _starting(words: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(word, help=about) for word, about in words if word.startswith(incomplete)
    ]


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - as click calls it
    """Complete names of targets, groups and kinds of the inventory."""
    with contextlib.suppress(Exception):
        from pytest_sysaudit.inventory.load import load

        path = ctx.params.get("inventory_path") or ctx.params.get("path") or "inventory.yaml"
        inventory = load(Path(path), check_files=False)
        words = [(name, str(target.kind)) for name, target in inventory.targets.items()]
        words += [(name, "group") for name in inventory.groups]
        kinds = dict.fromkeys(f"kind:{target.kind}" for target in inventory.targets.values())
        return _starting([*words, *((kind, "") for kind in kinds)], incomplete)
    return []


def controls(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete ids of shipped controls."""
    with contextlib.suppress(Exception):
        from pytest_sysaudit.command.catalogue import quick_ids

        return _starting([(id_, "") for id_ in quick_ids()], incomplete)
    return []


def frameworks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete names of frameworks."""
    with contextlib.suppress(Exception):
        from pytest_sysaudit.compliance.coverage import shipped

        return _starting([(name, "") for name in shipped()], incomplete)
    return []


def formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete formats of reports."""
    from pytest_sysaudit.reports import WRITERS

    return _starting([(name, "") for name in WRITERS], incomplete)
