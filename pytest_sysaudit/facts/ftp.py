"""What servers for ftp are set up to do; who has no such server has no settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import NotApplicable
from pytest_sysaudit.facts.text_files import Texts

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

_FILES: Mapping[str, Sequence[str]] = {
    "vsftpd": ("/etc/vsftpd.conf", "/etc/vsftpd/*.conf"),
    "proftpd": ("/etc/proftpd.conf", "/etc/proftpd/*.conf", "/etc/proftpd/conf.d/*.conf"),
    "pure-ftpd": (
        "/etc/pure-ftpd/conf/NoAnonymous",
        "/etc/pure-ftpd.conf",
        "/etc/pure-ftpd/pure-ftpd.conf",
    ),
}
ROWS: Mapping[str, Sequence[str]] = {
    "commands": tuple(_FILES),
    "texts": tuple(path for paths in _FILES.values() for path in paths),
}
_YES = ("yes", "true", "1", "on")
_ANONYMOUS = re.compile(r"<Anonymous\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ftp:
    """The servers for ftp that are installed, and where each lets in anybody."""

    servers: tuple[str, ...]
    anonymous: tuple[str, ...]


def _vsftpd(texts: Texts) -> Iterator[str]:
    """Each file is a server of its own; without the setting, anybody may log in."""
    for path, text in texts.items():
        value, place = "yes", f"{path}: no anonymous_enable, which means YES"
        for number, line in enumerate(text.split("\n"), start=1):
            key, sign, rest = line.partition("=")
            if sign and key.strip() == "anonymous_enable":
                value, place = rest.strip().lower(), f"{path}:{number}: anonymous_enable"
        if value in _YES:
            yield place


def _proftpd(texts: Texts) -> Iterator[str]:
    for path, number, line in texts.lines():
        if _ANONYMOUS.match(line):
            yield f"{path}:{number}: <Anonymous>"


def _pure_ftpd(texts: Texts) -> Iterator[str]:
    """The first setting counts; without it, anybody may log in."""
    for path, number, line in texts.lines():
        *key, value = line.split()
        if key == ["NoAnonymous"] or path.endswith("/NoAnonymous"):
            if value.lower() not in _YES:
                yield f"{path}:{number}: NoAnonymous is {value}"
            return
    yield "pure-ftpd: no NoAnonymous, which means no"


_PARSERS = {"vsftpd": _vsftpd, "proftpd": _proftpd, "pure-ftpd": _pure_ftpd}


def _merged(parts: Iterable[Texts]) -> Texts:
    return Texts({path: text for part in parts for path, text in part.items()})


def read(facts: Facts) -> Ftp:
    """Look for the programs, then at their files: what a removed package left does not count.

    Raises:
        NotApplicable: there is no such server.
        Denied: we may not read a file.
    """
    servers = tuple(name for name in _FILES if facts.commands[name])
    if not servers:
        raise NotApplicable("there is no ftp server on this host (vsftpd, proftpd, pure-ftpd)")
    found = [
        place
        for name in servers
        for place in _PARSERS[name](_merged(facts.texts[path] for path in _FILES[name]))
    ]
    return Ftp(servers, tuple(found))
