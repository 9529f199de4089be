"""The text of sudoers files, included ones where they stand; for hosts without cvtsudoers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from pytest_sysaudit.facts.sudoers import Default, Rule

_ALIAS = re.compile(r"(User|Runas|Host|Cmnd|Cmd)_Alias\s+(.*)")
_DEFAULTS = re.compile(r"Defaults(?:\s*([@:!>])\s*((?:[^\s,]|\s*,\s*)+))?\s+(.*)")
_DEFAULT = re.compile(r"(!*)\s*(\w+)\s*(?:[+-]?=\s*(.*))?")
_OPTION = re.compile(
    r"(?:ROLE|TYPE|APPARMOR_PROFILE|PRIVS|LIMITPRIVS|NOTBEFORE|NOTAFTER|TIMEOUT|CWD|CHROOT)"
    r"\s*=\s*\S+\s+"
)
_TAG = re.compile(
    r"(NOPASSWD|PASSWD|NOEXEC|EXEC|NOSETENV|SETENV|LOG_INPUT|NOLOG_INPUT|LOG_OUTPUT|NOLOG_OUTPUT"
    r"|MAIL|NOMAIL|FOLLOW|NOFOLLOW|INTERCEPT|NOINTERCEPT)\s*:\s*"
)
_RUN_AS = re.compile(r"\(([^)]*)\)\s*")
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
#: Stands for what is quoted or escaped, so that it separates nothing.
_HIDDEN = "\ue000"
_Aliases = Mapping[str, tuple[str, ...]]


def parse_text(text: str) -> tuple[tuple[Rule, ...], tuple[Default, ...]]:
    """Return the rules and options in their order, aliases resolved.

    Raises:
        ValueError: a line is none of sudoers.
    """
    lines = list(_lines(text))
    aliases: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if found := _ALIAS.fullmatch(line):
            for each in found[2].split(":"):
                name, _, items = each.partition("=")
                aliases[name.strip()] = tuple(_list(items))
    rules: list[Rule] = []
    defaults: list[Default] = []
    for line in lines:
        if _ALIAS.fullmatch(line):
            continue
        if found := _DEFAULTS.fullmatch(line):
            defaults += _options(tuple(_resolved(_list(found[2] or ""), aliases)), found[3])
        else:
            rules += _rules(line, aliases)
    return tuple(rules), tuple(defaults)


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that say something, continued ones joined, quoted parts hidden."""
    for line in re.sub(r"\s*\\\n\s*", " ", text).split("\n"):
        hidden = re.sub(r'\\(.)|"([^"]*)"', lambda found: _hide(found[1] or found[2] or ""), line)
        plain = re.sub(r"#(?!\d).*|(?<=[^\s,:(%!])#.*", "", hidden).strip()
        if plain:
            yield plain


def _hide(text: str) -> str:
    return "".join(chr(ord(_HIDDEN) + ord(x)) if x in ' \t,:=()#!"' else x for x in text)


def _shown(text: str) -> str:
    most = ord(_HIDDEN) + 0x7F
    return "".join(chr(ord(x) - ord(_HIDDEN)) if _HIDDEN <= x <= chr(most) else x for x in text)


def _list(text: str) -> Iterator[str]:
    for item in text.split(","):
        if item.strip():
            bangs, name = re.fullmatch(r"([!\s]*)(.*)", item.strip(), re.DOTALL).groups()  # type: ignore[union-attr]
            yield ("!" if bangs.count("!") % 2 else "") + name


def _resolved(items: Iterable[str], aliases: _Aliases, depth: int = 0) -> Iterator[str]:
    for item in items:
        name = item.removeprefix("!")
        if not (_NAME.fullmatch(name) and name in aliases) or depth > len(aliases):
            yield _shown(item)
            continue
        for each in _resolved(aliases[name], aliases, depth + 1):
            yield f"!{each}".replace("!!", "") if item.startswith("!") else each


def _options(users: tuple[str, ...], text: str) -> Iterator[Default]:
    for item in text.split(","):
        found = _DEFAULT.fullmatch(item.strip())
        if found is None:
            raise ValueError("unknown Defaults")
        off = len(found[1]) % 2 == 1
        yield Default(found[2], not off if found[3] is None else _shown(found[3]), users)


def _rules(line: str, aliases: _Aliases) -> Iterator[Rule]:
    left, equals, right = line.partition("=")
    words = re.sub(r"\s*,\s*", ",", re.sub(r"!\s+", "!", left.strip())).split()
    if not equals or len(words) != 2:  # noqa: PLR2004 - users and hosts
        raise ValueError("unknown line")
    users = tuple(_resolved(_list(words[0]), aliases))
    run_as: tuple[str, ...] = ()
    authenticate: bool | None = None
    for item in re.split(r",(?![^(]*\))", right):
        rest = item.strip()
        if found := _RUN_AS.match(rest):
            both = ",".join(found[1].split(":"))
            run_as, rest = tuple(_resolved(_list(both), aliases)), rest[found.end() :]
        while found := _OPTION.match(rest) or _TAG.match(rest):
            if found.re is _TAG and found[1].endswith("PASSWD"):
                authenticate = found[1] == "PASSWD"
            rest = rest[found.end() :]
        if not rest or ":" in rest:  # a second list of hosts, or a tag that is not known here
            raise ValueError("unknown list of commands")
        yield Rule(users, run_as, tuple(_resolved(_list(rest), aliases)), authenticate)
