"""Rules of the kernel's audit in one form, however they were written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

#: No user logged in: the login id of a daemon.
_UNSET = {"4294967295": "unset", "-1": "unset"}
_IDS = ("auid", "uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid")
_FIELD = re.compile(r"([A-Za-z0-9_]+)(!=|<=|>=|&=|=|<|>|&)(.*)")
#: What says nothing of the events: a name for reports.
_LABELS = ("key",)
_ALL_PERMISSIONS = frozenset("rwxa")


@dataclass(frozen=True, slots=True)
class AuditRule:
    """One rule, with nothing in it that depends on how it was written.

    Attributes:
        where: action and list: ``always`` and ``exit``.
        calls: the system calls; empty for all, or where the rule is on a file.
        fields: all other conditions: name, operator and value.
        watch: the file or folder that it is on; "" if there is none.
        permissions: the letters of ``perm``: all four where the rule names none.
    """

    where: frozenset[str]
    calls: frozenset[str] = frozenset()
    fields: frozenset[tuple[str, str, str]] = frozenset()
    watch: str = ""
    permissions: frozenset[str] = _ALL_PERMISSIONS

    def covers(self, other: AuditRule) -> bool:
        """Whether every event that *other* records is recorded by this rule too."""
        return (
            self.where == other.where
            and self._covers_file(other)
            and self._covers_width(other)
            and (not self.calls or (bool(other.calls) and other.calls <= self.calls))
            and other.permissions <= self.permissions
            and all(_implied(field, other.fields) for field in self.fields)
        )

    def _covers_file(self, other: AuditRule) -> bool:
        if not self.watch:
            return not other.watch
        return other.watch == self.watch or other.watch.startswith(f"{self.watch}/")

    def _covers_width(self, other: AuditRule) -> bool:
        """Whether the rule sees programs of that width: one that names none is for 64 bits."""
        names_none = all(name != "arch" for name, _, _ in self.fields)
        return not (self.calls and names_none and ("arch", "=", "b32") in other.fields)

    def atoms(self) -> Iterator[AuditRule]:
        """Yield the rule for each system call, or each permission, alone."""
        if self.calls:
            yield from (replace(self, calls=frozenset({call})) for call in sorted(self.calls))
        elif self.watch:
            for letter in sorted(self.permissions):
                yield replace(self, permissions=frozenset({letter}))
        else:
            yield self


def _implied(field: tuple[str, str, str], fields: Iterable[tuple[str, str, str]]) -> bool:
    """Whether *field* holds wherever all of *fields* do."""
    name, operator, value = field
    for other_name, other_operator, other in fields:
        if field == (other_name, other_operator, other):
            return True
        numbers = value.isdigit() and other.isdigit()
        if name == other_name and operator == other_operator == ">=" and numbers:
            return int(other) >= int(value)
    return False


def uncovered(rule: AuditRule, rules: Iterable[AuditRule]) -> bool:
    """Whether a part of what *rule* records is recorded by none of *rules*."""
    every = tuple(rules)
    return not all(any(each.covers(atom) for each in every) for atom in rule.atoms())


def parse_rules(text: str) -> list[tuple[str, AuditRule]]:
    """Return the rules of *text*, each with its line; other options of auditctl are left out.

    Raises:
        ValueError: a line is no option of auditctl.
    """
    found = []
    for line in text.split("\n"):
        words = line.strip()
        if not words or words.startswith("#") or words == "No rules":
            continue
        if not words.startswith("-"):
            raise ValueError("not a rule")
        rule = _rule(shlex.split(words))
        if rule is not None:
            found.append((words, rule))
    return found


def _rule(words: list[str]) -> AuditRule | None:
    rule = AuditRule(frozenset())
    pairs = iter(words)
    for option in pairs:
        if option in ("-w", "-W"):
            rule = replace(rule, where=frozenset({"always", "exit"}), watch=_path(next(pairs, "")))
        elif option in ("-a", "-A"):
            rule = replace(rule, where=_where(next(pairs, "")))
        elif option == "-S":
            rule = replace(rule, calls=rule.calls | set(next(pairs, "").split(",")))
        elif option == "-p":
            rule = replace(rule, permissions=frozenset(next(pairs, "")))
        elif option in ("-F", "-C"):
            rule = _with_field(rule, next(pairs, ""), comparison=option == "-C")
        elif option == "-k":
            next(pairs, "")
        elif not rule.where:
            return None  # -D, -b 8192, -e 2, --backlog_wait_time 60000: no rule
        else:
            raise ValueError("an unknown option in a rule")
    if not rule.where:
        return None
    every = "all" in rule.calls or bool(rule.watch and not rule.calls)
    return replace(rule, calls=frozenset()) if every else rule


def _where(words: str) -> frozenset[str]:
    """Return action and list, in whichever order; ``possible`` and ``entry`` are long gone."""
    return frozenset(words.split(","))


def _path(path: str) -> str:
    path = re.sub("/+", "/", path)
    if path.startswith("/var/run/"):
        path = path.removeprefix("/var")
    return path.rstrip("/") or "/"


def _with_field(rule: AuditRule, words: str, *, comparison: bool) -> AuditRule:
    match = _FIELD.fullmatch(words)
    if match is None:
        raise ValueError("not a field")
    name, operator, value = match.groups()
    if name in _LABELS:
        return rule
    if name in ("path", "dir") and operator == "=":
        return replace(rule, watch=_path(value))
    if name == "perm" and operator == "=":
        return replace(rule, permissions=frozenset(value))
    if comparison:
        name, value = sorted((name, value))
    return replace(rule, fields=rule.fields | {(name, operator, _value(name, value))})


def _value(name: str, value: str) -> str:
    """Return *value* as one form: a number, a name, or ``unset``."""
    if name in _IDS:
        return _UNSET.get(value, "0" if value == "root" else value)
    if re.fullmatch("0[xX][0-9a-fA-F]+", value):
        return str(int(value, 16))
    return {"-13": "-EACCES", "-1": "-EPERM"}.get(value, value) if name == "exit" else value
