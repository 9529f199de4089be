"""Reading a file as the facts' own user, with the three ways it can fail told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import CommandResult

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Exit code of our own scripts for "there is no such thing here"; no tool we call uses it.
ABSENT = 42
#: ... and for "only root is told".
ROOT_ONLY = 43


def read_with(facts: Facts, filter_command: Sequence[str], path: str) -> str:
    """Return what *filter_command* (awk, sed) prints of the file at *path*.

    It is a command and not `Transport.read`, because ``become`` of the inventory counts for
    commands only.

    Raises:
        NotApplicable: there is no such file.
        Denied: we may not read it.
    """
    result = facts.run([*filter_command, path])
    raise_file_errors(result, path)
    return result.expect(0).out


def raise_file_errors(result: CommandResult, path: str) -> None:
    """Raise what the messages of a failed cat, stat or ls about *path* stand for, if any."""
    if result.ok:
        return
    if "No such file or directory" in result.err:
        raise NotApplicable(f"{path}: no such file")
    if "Permission denied" in result.err or "can't open" in result.err:
        raise Denied(f"{path}: permission denied; reading it needs root")


def script(result: CommandResult, what: str, *codes: int) -> str:
    """Return the output of one of our scripts.

    Args:
        result: what it gave; `ABSENT` and `ROOT_ONLY` are its own exit codes.
        what: the thing it asks about, for messages: ``sshd``.
        codes: exit codes that mean success; 0 if none is given.

    Raises:
        NotApplicable: there is no such thing on this host.
        Denied: we are not root.
        CannotAssess: any other exit code, with the first line of standard error.
    """
    if result.exit_code == ABSENT:
        raise NotApplicable(f"there is no {what} on this host")
    if result.exit_code == ROOT_ONLY:
        raise Denied(f"{what}: only root is told; log in as root or set become in the inventory")
    if result.exit_code not in (codes or (0,)):
        why = first_line(result.err) or first_line(result.out) or "no message"
        raise CannotAssess(f"{what}: exit code {result.exit_code}: {why}")
    return result.out


def complete(name: str, text: str, *marks: str) -> list[str]:
    """Return the lines of *text* before its last line, which must be one of *marks*.

    Raises:
        Incomplete: it is not.
    """
    lines = text.rstrip("\n").split("\n")
    if lines[-1] not in marks:
        raise Incomplete(f"{name}: the output is not whole (its end mark is missing)")
    return lines[:-1]
