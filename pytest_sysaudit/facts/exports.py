"""What NFS hands out to whom: the files of exportfs, and what is in force."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

ETAB = "/var/lib/nfs/etab"
"""What exportfs told the kernel."""
_FILES = ("/etc/exports", "/etc/exports.d/*.exports", ETAB)
ROWS: Mapping[str, Sequence[str]] = {"texts": _FILES}
_WORD = re.compile(r'"[^"]*"\S*|\S+')
_CLIENT = re.compile(r"([^()]*)(?:\(([^()]*)\))?")
_ROOT = ("anonuid=0", "anongid=0")


@dataclass(frozen=True, slots=True)
class Export:
    """One folder for one client.

    Attributes:
        path: the folder.
        client: a host, a network, a group; ``*`` for everybody.
        options: in their order; the last of two that exclude each other counts.
        place: file and line.
    """

    path: str
    client: str
    options: tuple[str, ...]
    place: str

    def has(self, option: str, opposite: str) -> bool:
        """Whether *option* is set, and *opposite* not after it."""
        for each in reversed(self.options):
            if each in (option, opposite):
                return each == option
        return False

    @property
    def is_public(self) -> bool:
        """Whether everybody is a client, without having to log in (``sec=krb5``)."""
        ways = [o.removeprefix("sec=") for o in self.options if o.startswith("sec=")]
        kerberos = ways and all(way.startswith("krb5") for way in ways[-1].split(":"))
        return _is_everybody(self.client) and not kerberos

    @property
    def root(self) -> str:
        """The option that makes somebody at the client root, or root's group, here; "" if none."""
        squashed = [option for option in self.options if option in _ROOT]
        return (
            "no_root_squash" if self.has("no_root_squash", "root_squash") else "".join(squashed[:1])
        )

    def __str__(self) -> str:
        return f"{self.path} to {self.client or '*'} ({self.place})"


def _is_everybody(client: str) -> bool:
    """Whether *client* is a pattern, or a network, that holds every host."""
    if set(client) <= set("*?."):
        return True
    try:
        return ipaddress.ip_network(client, strict=False).prefixlen == 0
    except ValueError:  # a name
        return client == "0/0"


def parse(path: str, text: str) -> Iterator[Export]:
    """Yield the exports of the file at *path*.

    Raises:
        ValueError: a line has an unknown format.
    """
    for number, line in _lines(text):
        folder, *clients = _WORD.findall(line)
        usual: tuple[str, ...] = ()
        found = False
        for word in clients:
            if word.startswith("-"):  # options of all clients that follow
                usual = tuple(word[1:].split(","))
                continue
            match = _CLIENT.fullmatch(word)
            if match is None:
                raise ValueError(f"{path}:{number}: not a client")
            options = (*usual, *filter(None, (match[2] or "").split(",")))
            found = True
            yield Export(folder.strip('"'), match[1] or "*", options, f"{path}:{number}")
        if not found:
            yield Export(folder.strip('"'), "*", usual, f"{path}:{number}")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line; a backslash at its end joins the next one."""
    whole, first = "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        first = first or number
        whole += line.split("#", 1)[0]
        if line.endswith("\\"):
            whole = f"{whole.removesuffix(chr(92))} "
            continue
        if whole.strip():
            yield first, whole
        whole, first = "", 0
    if whole.strip():
        yield first, whole


def read(facts: Facts) -> tuple[Export, ...]:
    """Read all of them; what is in force has `ETAB` as its place.

    Raises:
        Denied: we may not read a file.
    """
    texts = (facts.texts[pattern] for pattern in _FILES)
    pairs = [pair for each in texts for pair in each.items()]
    return tuple(export for path, text in pairs for export in parse(path, text))
