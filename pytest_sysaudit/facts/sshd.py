"""What sshd does: its effective settings, with defaults and included files, as ``sshd -T`` says."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_sysaudit.errors import CannotAssess, Incomplete
from pytest_sysaudit.facts.base import parse_lines
from pytest_sysaudit.facts.reading import ABSENT, ROOT_ONLY, complete, script
from pytest_sysaudit.facts.sshd_connections import questions, samples
from pytest_sysaudit.text import first_line
from pytest_sysaudit.transport.base import Command, CommandResult, Script

if TYPE_CHECKING:
    from pytest_sysaudit.facts.base import Facts

#: Not even a successful ``sshd -T`` of another user is taken: it silently skips folders of included
#: files that it cannot see. sshd wants to be called by its absolute path. The -f and -o that the
#: running daemon was started with win over the files; it tells them in its title.
_HEAD = f"""sshd=$(command -v sshd) || exit {ABSENT}
[ "$(id -u)" = 0 ] || exit {ROOT_ONLY}
set -f; args= main=/etc/ssh/sshd_config
pid=$(cat /run/sshd.pid 2>/dev/null)
title=$(tr '\\0' ' ' 2>/dev/null <"/proc/${{pid:-none}}/cmdline") 2>/dev/null
case $title in 'sshd: /'*|/*sshd' '*) set -- ${{title#sshd: }} ;; *) set -- ;; esac
while [ $# -gt 1 ] && [ "$2" != '[listener]' ]; do
  case $2 in
    -f|-o) args="$args $2 $3"; [ "$2" = -o ] || main=$3; shift ;;
    -f?*|-o?*) args="$args $2"; [ "${{2#-f}}" = "$2" ] || main=${{2#-f}} ;;
  esac
  shift
done
"""
#: ``sshd -T`` leaves Match blocks out, so the files are printed too, included ones where they are.
_SCRIPT = Script(rf"""{_HEAD}"$sshd" -T $args || exit
echo @files
set +f
[ -f "$main" ] || main=/usr/etc/ssh/sshd_config
walk() (
  cd /etc/ssh || exit
  for file; do
    [ -f "$file" ] || continue
    printf '@file %s\n' "$file"
    while read -r word rest || [ -n "$word" ]; do
      case $word in
        \"*\"*) word=${{word#?}}; word=${{word%%\"*}}${{word#*\"}} ;;
      esac
      case $word in
        [Ii][Nn][Cc][Ll][Uu][Dd][Ee]|[Ii][Nn][Cc][Ll][Uu][Dd][Ee]=*)
          echo @in
          walk $(printf '%s' "${{word#???????}} $rest" | tr -d '"=') || exit
          echo @out ;;
        ''|'#'*) ;;
        *) printf '%s %s\n' "$word" "$rest" ;;
      esac
    done <"$file" || exit
  done
)
walk "$main" && echo @end""")
ASKS: tuple[Command, ...] = (_SCRIPT,)
_ALWAYS_THERE = ("port", "permitrootlogin", "maxauthtries", "ciphers")
#: Where what ``sshd -T`` says holds: for a connection that no Match block fits.
DEFAULT = "by default"
_ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
}
_LINE = re.compile(r'"?([A-Za-z0-9]+)"?(?:\s*=\s*|\s+)(.*)')
_TIME = re.compile(r"(?:\d+[smhdw])+")
#: Settings whose letters count: paths, names of accounts, programs.
_AS_WRITTEN = re.compile(r"(allow|deny)(users|groups)|banner|.*(command|file|files|keys|directory)")
#: Settings that may stand several times in a block, of which the files tell the first one.
_MANY = frozenset({"acceptenv", "allowgroups", "allowusers", "denygroups", "denyusers", "setenv"})
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class SshdConfig:
    """Effective settings by their lower-case names; times are in seconds.

    ``config["maxauthtries"]`` is the value as text; a name that stands several times (port,
    hostkey, listenaddress) has its first one. They hold for a connection that no Match block fits;
    `views` says what holds where.

    Attributes:
        values: all values of each setting.
        matches: criteria and settings of each Match block, as they stand in the files.
        asked: what sshd itself says of connections that a block fits, ``sshd -T -C``: criteria,
            connection and settings.
        files: the files that it reads.
    """

    values: Mapping[str, tuple[str, ...]]
    matches: tuple[tuple[str, Mapping[str, str]], ...] = ()
    asked: tuple[tuple[str, str, Mapping[str, tuple[str, ...]]], ...] = ()
    files: tuple[str, ...] = ()

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

    def views(self) -> Mapping[str, SshdConfig]:
        """Return the settings `DEFAULT`, and under each Match block (``Match User root``).

        A block is taken by itself: an earlier one that fits as well would win over it. What sshd
        says of a connection is a view of its own where neither its block nor the default, nor
        another block, explains it: the files are not all that counts then.
        """
        found = {DEFAULT: self}
        for criteria, settings in self.matches:
            own = {name: (value,) for name, value in settings.items()}
            found[f"Match {criteria}"] = SshdConfig({**self.values, **own})
        for criteria, connection, values in self.asked:
            if any(self._unexplained(name, values) for name in values):
                found[f"Match {criteria}, asked as {connection}"] = SshdConfig(values)
        return found

    def _unexplained(self, name: str, values: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether sshd says of a connection what stands nowhere for it."""
        said = values[name]
        written = [settings[name] for _, settings in self.matches if name in settings]
        return (
            said != self.values.get(name)
            and not (written and name in _MANY)
            and (" ".join(said).lower() not in map(str.lower, written))
        )

    def everywhere(self, name: str) -> Mapping[str, str]:
        """Return the value of *name* in each of the `views` that has one of its own."""
        found = {DEFAULT: self[name]}
        found |= {f"Match {place}": own[name] for place, own in self.matches if name in own}
        for criteria, connection, values in self.asked:
            if name in values and self._unexplained(name, values):
                found[f"Match {criteria}, asked as {connection}"] = values[name][0]
        return found


def parse(text: str) -> SshdConfig:
    """Parse the output of the reading script: ``sshd -T``, the files, the end mark.

    Raises:
        CannotAssess: the mark or a setting that every sshd has is missing.
    """
    lines = complete("sshd -T", text, "@end")
    middle = lines.index("@files") if "@files" in lines else len(lines)
    values = _settings(lines[:middle])
    if middle == len(lines):
        raise Incomplete("sshd: its files were not printed, so its Match blocks are not known")
    names = [x.removeprefix("@file ") for x in lines[middle + 1 :] if x.startswith("@file ")]
    files = tuple(dict.fromkeys(posixpath.join("/etc/ssh", name) for name in names))
    return SshdConfig(values, tuple(_matches(lines[middle + 1 :])), files=files)


def _settings(lines: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    values: dict[str, tuple[str, ...]] = {}

    def one(line: str) -> None:
        name, _, value = line.partition(" ")
        values[name] = (*values.get(name, ()), value.strip())

    parse_lines("sshd -T", "\n".join(lines), one)
    missing = [name for name in _ALWAYS_THERE if name not in values]
    if missing:
        raise CannotAssess(f"sshd -T: unknown format, no {', '.join(missing)} in it")
    return values


def parse_asked(text: str, count: int) -> list[Mapping[str, tuple[str, ...]]]:
    """Parse what ``sshd -T -C`` said of *count* connections; errors as `parse`."""
    parts: list[list[str]] = []
    for line in complete("sshd -T -C", text, "@end"):
        if line == "@as":
            parts.append([])
        elif parts:
            parts[-1].append(line)
    if len(parts) != count:
        raise Incomplete("sshd -T -C: it did not say something of each connection")
    return [_settings(part) for part in parts]


def _matches(lines: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield criteria and settings of each Match block; what a block includes belongs to it."""
    blocks: dict[str, dict[str, str]] = {}
    current, outer = "", list[str]()
    for line in lines:
        if line == "@in":
            outer.append(current)
            continue
        if line == "@out":
            current = outer.pop()
            continue
        found = _LINE.match(line)
        if found is None:
            continue
        name = found[1].lower()
        value = _value(found[2], as_written=_AS_WRITTEN.fullmatch(name) is not None)
        if name == "match":
            current = f"{outer[-1] if outer else ''} {found[2].strip()}".strip()
        elif current:
            blocks.setdefault(current, {}).setdefault(_ALIASES.get(name, name), value)
    yield from blocks.items()


def _value(text: str, *, as_written: bool = False) -> str:
    """Return a value as ``sshd -T`` would print it: no quotes or comment, times in seconds."""
    plain = re.split(r"\s+#", text)[0].strip().strip('"')
    if as_written:
        return plain
    plain = plain.lower()
    if _TIME.fullmatch(plain):
        parts = re.findall(r"(\d+)([smhdw])", plain)
        return str(sum(int(number) * _UNITS[unit] for number, unit in parts))
    return {"true": "yes", "false": "no"}.get(plain, plain)


def told(values: Mapping[str, object]) -> str:
    """Return values by their place as text: ``yes (Match User root)``."""
    return ", ".join(f"{v}" if k == DEFAULT else f"{v} ({k})" for k, v in values.items())


def read(facts: Facts) -> SshdConfig:
    """Ask sshd.

    Raises:
        NotApplicable: there is no OpenSSH server.
        Denied: we are not root.
        CannotAssess: sshd refuses its own configuration; the message holds its reason.
    """
    config = parse(script(_run(facts, _SCRIPT), "OpenSSH server (sshd)"))
    if not config.matches:
        return config
    found = samples([criteria for criteria, _ in config.matches], facts.accounts)
    asks = [(criteria, each) for criteria, every in found.items() for each in every]
    if not asks:
        return config
    text = Script(_HEAD + questions([each for _, each in asks]))
    said = parse_asked(script(_run(facts, text), "OpenSSH server (sshd)"), len(asks))
    asked = [(*ask, values) for ask, values in zip(asks, said, strict=True)]
    return replace(config, asked=tuple(asked))


def _run(facts: Facts, text: Script) -> CommandResult:
    result = facts.run(text)
    if result.exit_code not in (0, ABSENT, ROOT_ONLY):
        why = first_line(result.err) or f"exit code {result.exit_code}"
        raise CannotAssess(f"sshd -T: sshd refuses its configuration: {why}")
    return result
