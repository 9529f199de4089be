"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence

import click

from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import printable

_NARROWEST = 60
_PIPED = 10_000
"""Columns where nobody looks at a screen: nothing is cut."""


def data(value: Plain) -> None:
    """Print JSON data."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


def say(text: str = "", style: str = "") -> None:
    """Print a line; *style* is words as ``bold red``, which only a terminal shows."""
    click.echo(styled(printable(text), style))


def styled(text: str, style: str) -> str:
    """Return *text* with the codes of *style*: "", "bold", "dim" and names of colours."""
    if not style:
        return text
    words = style.split()
    colour = next((word for word in words if word not in ("bold", "dim")), None)
    bold, dim = "bold" in words or None, "dim" in words or None
    return click.style(text, fg=colour, bold=bold, dim=dim)


def table(rows: Iterable[Sequence[str]], styles: Mapping[str, str] | None = None) -> None:
    """Print *rows* in columns, the last one cut where the terminal ends.

    Args:
        rows: of equal length.
        styles: the style of a cell by its text.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    if not cells:
        return
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    most = width()
    for row in cells:
        start = "".join(f"{cell:<{size}}  " for cell, size in zip(row[:-1], widths, strict=False))
        last = cut(row[-1], max(most - len(start), _NARROWEST // 2))
        shown = "".join(
            styled(f"{cell:<{size}}", (styles or {}).get(cell, "")) + "  "
            for cell, size in zip(row[:-1], widths, strict=False)
        )
        click.echo((shown + styled(last, (styles or {}).get(last, ""))).rstrip())


def width() -> int:
    """Return the columns of the terminal; many where there is none."""
    if not _is_terminal():
        return _PIPED
    return max(shutil.get_terminal_size().columns, _NARROWEST)


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False


def one_line(text: str) -> str:
    """Return *text* fit for one line of a terminal."""
    return printable(" ".join(str(text).split()))


def cut(text: str, most: int) -> str:
    """Return *text* of at most *most* characters; an ellipsis says that there is more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
