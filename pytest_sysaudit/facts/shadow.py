"""Passwords of local accounts, their form and their ages: the hashes themselves stay unseen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import read_with
from pytest_sysaudit.transport.base import Command

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Hashes stay on the host: it prints name, how the field begins, its length, the field count, and
#: the days of the last change, of least and greatest age, of warning, and until the lock.
_SHAPE = r"""NF {
  field = $2
  shape = match(field, /^\$[^$]*[$]/) ? substr(field, 1, RLENGTH) : substr(field, 1, 1)
  print $1 ":" shape ":" length(field) ":" NF ":" $3 ":" $4 ":" $5 ":" $6 ":" $7
}"""
_COMMAND = ("awk", "-F:", _SHAPE, "/etc/shadow")
ASKS: tuple[Command, ...] = (_COMMAND,)
#: Name and password; some tools write short lines.
MINIMUM_FIELDS = 2
DES_LENGTH = 13
#: What a hash begins with, and how crypt(5) names it.
SCHEMES = {
    "$gy$": "gost-yescrypt",
    "$md5": "sunmd5",
    "$sha1": "sha1crypt",
    "$2a$": "bcrypt",
    "$2b$": "bcrypt",
    "$2x$": "bcrypt-broken",
    "$2y$": "bcrypt",
    "$y$": "yescrypt",
    "$7$": "scrypt",
    "$6$": "sha512crypt",
    "$5$": "sha256crypt",
    "$3$": "nt",
    "$1$": "md5crypt",
    "_": "bsdicrypt",
}
STRONG = frozenset({"yescrypt", "gost-yescrypt", "scrypt", "bcrypt", "sha512crypt", "sha256crypt"})


@dataclass(frozen=True, slots=True)
class Ages:
    """What shadow(5) says about the age of a password, in days; None where it says nothing.

    Attributes:
        changed: when it was changed, in days since 1970-01-01; 0: at the next login it must be.
        minimum: how old it must be before it can be changed.
        maximum: how old it may become.
        warning: how long before that the user is told.
        inactive: how long after that the account is locked.
    """

    changed: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    warning: int | None = None
    inactive: int | None = None


@dataclass(frozen=True, slots=True)
class Password:
    """The password of one line of /etc/shadow.

    Attributes:
        name: the account.
        state: ``empty`` (no password is asked), ``locked`` (none fits), ``set``, or ``nis`` for a
            line that begins with + or -, which pulls accounts in from NIS.
        scheme: how it is hashed if it is set: a name of `SCHEMES`, ``descrypt`` or ``unknown``.
        ages: how old it may become.
    """

    name: str
    state: str
    scheme: str = ""
    ages: Ages = Ages()


def parse(text: str) -> tuple[Password, ...]:
    """Parse what is read of /etc/shadow; duplicates are kept.

    Raises:
        CannotAssess: a line is not one of shadow(5), or there is none.
    """
    found = parse_lines("/etc/shadow", text, _line)
    if all(entry.state == "nis" for entry in found):
        raise CannotAssess("/etc/shadow: no account in it")
    return tuple(found)


def _line(line: str) -> Password | None:
    if line[0] == "#":
        return None
    if line[0] in "+-":
        return Password(line.split(":", 1)[0], "nis")
    name, beginning, length, fields, *ages = line.split(":")
    if int(fields) < MINIMUM_FIELDS:
        raise ValueError("too few fields")
    changed, minimum, maximum, warning, inactive = map(_days, ages)
    found = classify(name, beginning, int(length))
    return replace(found, ages=Ages(changed, minimum, maximum, warning, inactive))


def _days(field: str) -> int | None:
    """Return a number of days; empty and negative fields say nothing, as to the shadow tools."""
    days = int(field) if field.strip() else -1
    return days if days >= 0 else None


def classify(name: str, beginning: str, length: int) -> Password:
    """Return what a password field means, by its *beginning* and its *length*.

    ``!``, ``*``, ``!!``, ``!*``, ``*LK*`` and a hash behind ``!`` are all locked: crypt(3) never
    yields them.
    """
    if not length:
        return Password(name, "empty")
    if beginning[0] in "!*" or (beginning, length) == ("x", 1):
        return Password(name, "locked")
    for known, scheme in SCHEMES.items():
        if beginning.startswith(known):
            return Password(name, "set", scheme)
    return Password(name, "set", "descrypt" if length == DES_LENGTH else "unknown")


def read(facts: Facts) -> tuple[Password, ...]:
    """Read /etc/shadow.

    Raises:
        Denied: we are not root.
        CannotAssess: there is none: passwords are kept elsewhere, as /etc/tcb or a directory.
    """
    try:
        return parse(read_with(facts, _COMMAND[:-1], _COMMAND[-1]))
    except NotApplicable as error:
        raise CannotAssess("/etc/shadow: no such file; passwords are kept elsewhere") from error
