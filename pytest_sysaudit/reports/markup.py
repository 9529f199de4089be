"""Text that others wrote, within Markdown: never a link, an image, HTML, a mention or a column."""

from __future__ import annotations

import re

from pytest_sysaudit.reports.columns import one_line
from pytest_sysaudit.text import shorten

_TICKS = re.compile("`+")
_BEFORE_PIPE = re.compile(r"\\(?=\|)")
#: What means something to Markdown wherever it stands, and what at the begin of a line.
_MARKS = re.compile(r"[\\`*_{}\[\]<>&~|$^]")
_FIRST = re.compile(r"^([ \t]*(?:\d+(?=[.)]))?)([#+=.)-])", re.MULTILINE)


def code(text: str, limit: int = 300) -> str:
    """Return *text* as a code span on one line, fit for the cell of a table; "" for no text.

    In code, GitHub and GitLab take neither ``@all`` for a person nor ``#1`` for an issue.
    """
    line = shorten(one_line(text), limit)
    if not line:
        return ""
    # a backslash before the bar would take its own backslash from it
    line = _BEFORE_PIPE.sub("\\\\ ", line).replace("|", "\\|")
    fence = "`" * (max(map(len, _TICKS.findall(line)), default=0) + 1)
    gap = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{gap}{line}{gap}{fence}"


def escaped(text: str) -> str:
    """Return *text* as plain words of Markdown, its line breaks kept."""
    return _FIRST.sub(r"\1\\\2", _MARKS.sub(r"\\\g<0>", text))
