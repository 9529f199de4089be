"""What PAM does for each service: its rules and all that they include, and modules' settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, NotApplicable
from pytest_sysaudit.facts.pam_rules import Include, Item, Rule, flat, parse_rules

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts
    from pytest_sysaudit.facts.text_files import Texts

#: Where services are looked for; the first folder that has one counts.
FOLDERS = ("/etc/pam.d", "/usr/lib/pam.d")
OLD = "/etc/pam.conf"
#: The files that a module reads besides its arguments, in the order in which later ones win.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "pam_faillock": ("/etc/security/faillock.conf",),
    "pam_pwquality": ("/etc/security/pwquality.conf.d/*.conf", "/etc/security/pwquality.conf"),
    "pam_pwhistory": ("/etc/security/pwhistory.conf",),
}
PATTERNS = (*(f"{folder}/*" for folder in FOLDERS), OLD)
EVERY = (*PATTERNS, *(path for paths in SETTINGS.values() for path in paths))
ROWS = {"texts": EVERY}
#: Arguments that name another file of settings.
_OTHER = ("conf", "config")
_DEPTH = 32
#: What editors and packages leave beside a file; nobody asks for such a service.
_LEFT = re.compile(r"(~|\.(bak|old|orig|save|swp|dpkg-\w+|rpm(new|save|orig)|ucf-\w+|pam-old))$")


@dataclass(frozen=True, slots=True)
class Pam:
    """The services of one host.

    Attributes:
        files: path and text by name of service, or of a file that services include.
        settings: text by path of the files that modules read.
    """

    files: Mapping[str, tuple[str, str]]
    settings: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, service: object) -> bool:
        return service in self.files

    @property
    def services(self) -> tuple[str, ...]:
        """The names that somebody may ask for, sorted: no left-over files, and none included."""
        names = [name for name in self.files if not _LEFT.search(name)]
        used = {
            item.file.rpartition("/")[2]
            for name in names
            for item in parse_rules(*self.files[name])
            if isinstance(item, Include)
        }
        return tuple(sorted(name for name in names if name not in used))

    def stack(self, service: str, kind: str) -> tuple[Item, ...]:
        """Return the rules of *kind* (``auth``) that PAM has for *service*, in order.

        A service without a file has those of ``other``.

        Raises:
            CannotAssess: a file that is included is not there or broken, or includes itself.
        """
        name = service if service in self.files else "other"
        if name not in self.files:
            raise CannotAssess(f"PAM knows neither {service} nor other")
        return tuple(self._items(name, kind, 0))

    def rules(self, service: str, kind: str) -> tuple[Rule, ...]:
        """Return the same, those of substacks among the others."""
        return tuple(flat(self.stack(service, kind)))

    def _items(self, name: str, kind: str, depth: int) -> Iterator[Item]:
        for item in parse_rules(*self.files[name]):
            if isinstance(item, Rule):
                if item.type == kind:
                    yield item
            elif item.type in ("", kind):
                inner = tuple(self._items(self._included(item, depth), kind, depth + 1))
                yield from (inner,) if item.substack else inner

    def _included(self, item: Include, depth: int) -> str:
        """Return the name of the file that *item* stands for."""
        place, name = f"{item.path}:{item.line}", item.file.rpartition("/")[2]
        path = self.files.get(name, ("",))[0]
        if not path or item.file not in (name, path):
            raise CannotAssess(f"{place} includes {item.file}, which is not there")
        if depth >= _DEPTH:
            raise CannotAssess(f"{place} includes {item.file} in a circle")
        return name

    def options(self, rule: Rule) -> Mapping[str, str]:
        """Return the options in force for the module of *rule*: arguments before files.

        Raises:
            CannotAssess: it reads another file than it does by itself.
        """
        for name in _OTHER:
            path = rule.options.get(name)
            if path and path not in self.settings:
                raise CannotAssess(f"{rule.place}: the options in {path} are not known")
        found: dict[str, str] = {}
        for pattern in SETTINGS.get(rule.module, ()):
            top, _, end = pattern.partition("*")
            for path, text in self.settings.items():
                if path == pattern or (end and path.startswith(top) and path.endswith(end)):
                    found.update(parse_settings(text))
        return {**found, **rule.options}


def parse_settings(text: str) -> Mapping[str, str]:
    """Return ``name = value`` lines by name, the last of a name; a word alone has no value."""
    pairs = (line.split("#", 1)[0].partition("=") for line in text.split("\n"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}


def number(options: Mapping[str, str], name: str, default: int) -> int:
    """Return the option *name*, or *default* where it is not set.

    Raises:
        CannotAssess: it is no number.
    """
    try:
        return int(options.get(name, default))
    except ValueError:
        raise CannotAssess(f"{name}={options[name]}: not a number") from None


def read(facts: Facts) -> Pam:
    """Read the folders of services, and the settings of modules.

    Raises:
        NotApplicable: this host has no PAM.
        Denied: a file may not be read.
        CannotAssess: all services stand in /etc/pam.conf.
    """
    facts.texts.ask(EVERY)
    files: dict[str, tuple[str, str]] = {}
    for folder in reversed(FOLDERS):
        texts: Texts = facts.texts[f"{folder}/*"]
        files.update((path.rpartition("/")[2], (path, text)) for path, text in texts.items())
    if not files:
        if any(True for _ in facts.texts[OLD].lines()):
            raise CannotAssess(f"{OLD}: the rules of PAM stand in this file, which is not read")
        raise NotApplicable("there is no PAM on this host")
    settings: dict[str, str] = {}
    for paths in SETTINGS.values():
        for path in paths:
            settings.update(facts.texts[path])
    return Pam(files, settings)
