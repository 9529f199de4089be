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
    try:
        from pytest_sysaudit.command.ending import run

        for stream in (sys.stdout, sys.stderr):  # what the terminal cannot show: by its number
            if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
                reconfigure(errors="backslashreplace")
        code = run(arguments)
    except KeyboardInterrupt:  # while all this is loaded
        code = 2
        print("sysaudit: interrupted", file=sys.stderr)  # noqa: T201 - click may not be there yet
    sys.exit(code)
