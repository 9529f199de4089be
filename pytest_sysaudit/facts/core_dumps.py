"""What is set for core dumps: limits of users, and what systemd-coredump keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.text_files import Texts

LIMITS = ("/etc/security/limits.conf", "/etc/security/limits.d/*.conf")
#: The folders of systemd's configuration: of two files of one name, the first one counts.
_FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
MAIN = tuple(f"{folder}/coredump.conf" for folder in _FOLDERS)
PARTS = tuple(f"{folder}/coredump.conf.d/*.conf" for folder in _FOLDERS)
ROWS = {"texts": (*LIMITS, *MAIN, *PARTS)}
_FIELDS = 4


@dataclass(frozen=True, slots=True)
class Limit:
    """One line on core dumps: the hard limit of *domain* (``*``, a user, ``@group``)."""

    place: str
    domain: str
    value: str


@dataclass(frozen=True, slots=True)
class CoreDumps:
    """What files say about core dumps.

    Attributes:
        limits: in the order in which pam_limits reads them.
        handler: the settings of systemd-coredump, in lower case.
    """

    limits: tuple[Limit, ...]
    handler: Mapping[str, str]

    def hard(self) -> Limit | None:
        """Return the line that is in force for everybody but root; None if there is none."""
        return next((limit for limit in reversed(self.limits) if limit.domain == "*"), None)


def parse_limits(texts: Texts) -> Iterator[Limit]:
    """Yield the hard limits of core dumps, as limits.conf(5) has them."""
    for path, number, line in texts.lines():
        words = line.split("#", 1)[0].split()
        if len(words) == _FIELDS:
            domain, kind, item, value = words
            if item.lower() == "core" and kind.lower() in ("hard", "-"):
                yield Limit(f"{path}:{number}", domain, value.lower())


def parse_handler(texts: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings of the files of *texts*, by path, merged as systemd does."""
    main = next((texts[path] for path in MAIN if path in texts), "")
    parts: dict[str, str] = {}
    for folder in _FOLDERS:
        top = f"{folder}/coredump.conf.d/"
        for path, text in texts.items():
            if path.startswith(top):
                parts.setdefault(path.removeprefix(top), text)
    found: dict[str, str] = {}
    for text in (main, *(parts[name] for name in sorted(parts))):
        for line in text.split("\n"):
            name, equals, value = line.strip().partition("=")
            if equals and name[:1] not in ("#", ";"):
                found[name.strip().lower()] = value.strip().lower()
    return found


def read(facts: Facts) -> CoreDumps:
    """Read the files of pam_limits and of systemd-coredump."""
    facts.texts.ask((*LIMITS, *MAIN, *PARTS))
    limits = [limit for pattern in LIMITS for limit in parse_limits(facts.texts[pattern])]
    texts: dict[str, str] = {}
    for pattern in (*MAIN, *PARTS):
        texts.update(facts.texts[pattern])
    return CoreDumps(tuple(limits), parse_handler(texts))
