"""How the command ends: every error becomes a line that names the way out, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from pytest_sysaudit.errors import ReportError, SysauditError
from pytest_sysaudit.text import printable

FINE, NO, INTERRUPTED, BROKEN, USAGE = range(5)
CLOSED_PIPE = 128 + 13
"""What shells show of a program that SIGPIPE ended, as `sysaudit controls | head` does."""


class Refused(click.ClickException):
    """What was asked for cannot be done with the files or words that were given."""

    exit_code = USAGE

    def show(self, file: Any = None) -> None:
        """Write the message to standard error."""
        complain(self.format_message(), file)


def no() -> NoReturn:
    """End the command with "the answer is no"; what the answer is was told before."""
    raise click.exceptions.Exit(NO)


def complain(message: str, file: Any = None) -> None:
    """Write *message* to standard error, in red on a terminal."""
    start = click.style("sysaudit: ", fg="red", bold=True)
    click.echo(start + printable(message), file=file, err=True, color=colours())


def remark(message: str) -> None:
    """Write a remark to standard error, in yellow on a terminal."""
    click.echo(click.style(printable(message), fg="yellow"), err=True, color=colours())


def colours() -> bool | None:
    """Return whether to colour what is written: None for "only on a terminal"."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line and return the exit code; never raises."""
    from pytest_sysaudit.command.group import sysaudit

    try:
        code = _judged(sysaudit, arguments)
        if sys.stdout is not None:  # it is where somebody closed it before
            sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return CLOSED_PIPE
    except OSError as error:  # standard output: the disk behind it is full
        _forget_output()
        if error.errno == errno.ENOENT:
            complain("the current folder is not there any more; change to another one")
        else:
            complain(f"the output could not be written: {error.strerror or error}")
        return BROKEN
    return code


def _judged(command: click.Command, arguments: Sequence[str] | None) -> int:  # noqa: PLR0911 - each way to end
    try:
        ended = command.main(
            args=None if arguments is None else [*arguments],
            prog_name="sysaudit",
            standalone_mode=False,
        )
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return USAGE
    except SystemExit:  # click's way to say that nobody reads on
        return CLOSED_PIPE
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except ReportError as error:
        complain(str(error))
        return BROKEN
    except SysauditError as error:
        complain(str(error))
        return USAGE
    except OSError as error:
        if error.filename is None:
            raise  # it is about standard output
        complain(f"{os.fsdecode(error.filename)}: {error.strerror}")
        return BROKEN
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody wants a traceback
        return _fault(error)
    return ended if isinstance(ended, int) else FINE


def _fault(error: Exception) -> int:
    if os.environ.get("SYSAUDIT_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    complain(
        f"internal error: {type(error).__name__}: {error}; this is a mistake of ours, please tell "
        "us. SYSAUDIT_TRACEBACK=1 in the environment shows where it happened"
    )
    return BROKEN


def _forget_output() -> None:
    """Give Python a standard output that takes what is left, so that it does not complain too."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
