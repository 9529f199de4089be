"""The `sysaudit` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line of this process, or *arguments*, and end it with an exit code.

    The codes are those of an audit: 0 all is well, 1 the answer is no, 2 Ctrl-C, 3 something of
    ours or of this machine broke, 4 the command line or a file that it names cannot be used.
    """
    from pytest_sysaudit.command.ending import run

    for stream in (sys.stdout, sys.stderr):  # what the terminal cannot show is shown by its number
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")
    sys.exit(run(arguments))
