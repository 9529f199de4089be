"""What sshd does: its effective settings, with defaults and included files, as ``sshd -T`` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import ABSENT, ROOT_ONLY, complete, script
from pytest_sysaudit.text import first_line

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Not even a successful ``sshd -T`` of another user is taken: it silently skips folders of included
#: files that it cannot see. sshd wants to be called by its absolute path.
_SCRIPT = f"""sshd=$(command -v sshd) || exit {ABSENT}
[ "$(id -u)" = 0 ] || exit {ROOT_ONLY}
"$sshd" -T && echo @end"""
_ALWAYS_THERE = ("port", "permitrootlogin", "maxauthtries", "ciphers")


@dataclass(frozen=True, slots=True)
class SshdConfig:
    """Effective settings by their lower-case names; times are in seconds.

    ``config["maxauthtries"]`` is the value as text; a name that stands several times (port,
    hostkey, listenaddress) has its first one. They hold for a connection that no Match block fits.
    """

    values: Mapping[str, tuple[str, ...]]

    def __getitem__(self, name: str) -> str:
        return self.every(name)[0]

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def every(self, name: str) -> tuple[str, ...]:
        """Return all values of *name*.

        Raises:
            CannotAssess: this sshd does not print such a setting.
        """
        try:
            return self.values[name]
        except KeyError:
            raise CannotAssess(f"sshd -T: this sshd says nothing about {name!r}") from None

    def words(self, name: str) -> tuple[str, ...]:
        """Return the items of a comma-separated value: ciphers, macs, kexalgorithms."""
        return tuple(word for word in self[name].split(",") if word)

    def number(self, name: str) -> int:
        """Return the value of *name* as a number; CannotAssess if it is none."""
        try:
            return int(self[name])
        except ValueError:
            raise CannotAssess(f"sshd -T: {name} is no number: {self[name]!r}") from None


def parse(text: str) -> SshdConfig:
    """Parse the output of ``sshd -T`` and the end mark.

    Raises:
        CannotAssess: the mark or a setting that every sshd has is missing.
    """
    lines = complete("sshd -T", text, "@end")
    values: dict[str, tuple[str, ...]] = {}

    def one(line: str) -> None:
        name, _, value = line.partition(" ")
        values[name] = (*values.get(name, ()), value.strip())

    parse_lines("sshd -T", "\n".join(lines), one)
    missing = [name for name in _ALWAYS_THERE if name not in values]
    if missing:
        raise CannotAssess(f"sshd -T: unknown format, no {', '.join(missing)} in it")
    return SshdConfig(values)


def weak(offered: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the algorithms of *offered* that a shell pattern of *patterns* fits."""
    return [name for name in offered if any(fnmatchcase(name, pattern) for pattern in patterns)]


def read(facts: Facts) -> SshdConfig:
    """Ask sshd.

    Raises:
        NotApplicable: there is no OpenSSH server.
        Denied: we are not root.
        CannotAssess: sshd refuses its own configuration; the message holds its reason.
    """
    result = facts.run(_SCRIPT)
    if result.exit_code not in (0, ABSENT, ROOT_ONLY):
        why = first_line(result.err) or f"exit code {result.exit_code}"
        raise CannotAssess(f"sshd -T: sshd refuses its configuration: {why}")
    return parse(script(result, "OpenSSH server (sshd)"))
