"""Choosing targets by expression: ``--audit-target`` and the ``targets`` marker.

An expression is one part or more with ``:`` (or ``,``) between them. A part is the name of a
target or of a group, a glob of such names, ``kind:aws`` or ``all``. Parts are united, then cut
with those that begin with ``&``, then freed from those that begin with ``!``, in whatever order
they stand: ``web:db:&prod:!web3``. Without a part to unite, all targets are meant.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol, Self

from pytest_sysaudit.errors import SysauditError
from pytest_sysaudit.inventory.suggest import did_you_mean
from pytest_sysaudit.text import plural, shorten

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.target import Target

KINDS = ("local", "ssh", "aws", "http", "network", "host")
"""What may stand after ``kind:``; ``host`` is local and ssh."""
_HOST_KINDS = ("local", "ssh")
_PART = re.compile(r"\s*[!&]?\s*kind:[^:,]*|[^:,]*")


class SelectionError(SysauditError):
    """An expression chooses nothing, or cannot be understood."""


class Named(Protocol):
    """What an expression looks at: a `Target`, or what is known of one that is gone."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def kind(self) -> str:
        """Its kind."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group that it is in."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an expression; ``text`` is without the sign before it."""

    sign: str
    text: str

    def matches(self, target: Named) -> bool:
        """Whether *target* is among what this part names."""
        if self.text == "all":
            return True
        if self.text.startswith("kind:"):
            kind = self.text.removeprefix("kind:")
            return target.kind in (_HOST_KINDS if kind == "host" else (kind,))
        if self.is_glob:
            return any(fnmatchcase(name, self.text) for name in (target.name, *target.groups))
        return self.text == target.name or self.text in target.groups

    @property
    def is_glob(self) -> bool:
        """Whether this part is a pattern of names."""
        return any(sign in self.text for sign in "*?[")

    def __str__(self) -> str:
        return self.sign + self.text


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed expression."""

    expression: str
    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, expression: str) -> Self:
        """Parse *expression*.

        Raises:
            SelectionError: a part is empty or names a kind that does not exist.
        """
        parts = tuple(_parse_part(text, expression) for text in _split(expression))
        return cls(expression, parts)

    def matches(self, target: Named) -> bool:
        """Whether *target* is chosen."""
        united = [part for part in self.parts if not part.sign]
        if united and not any(part.matches(target) for part in united):
            return False
        return all(part.matches(target) == (part.sign == "&") for part in self.parts if part.sign)


def matches(expression: str, target: Target) -> bool:
    """Whether *expression* chooses *target*; names that do not exist choose nothing.

    Raises:
        SelectionError: the expression cannot be understood.
    """
    return _parsed(expression).matches(target)


@functools.lru_cache(maxsize=256)
def _parsed(expression: str) -> Selector:
    """Parse once what a marker asks again for every target."""
    return Selector.parse(expression)


def select(
    expressions: Sequence[str],
    targets: Mapping[str, Target],
    groups: Mapping[str, Sequence[str]],
) -> list[Target]:
    """Return the targets that any of *expressions* chooses, in the order of *targets*.

    Args:
        expressions: see the module; none chooses all targets.
        targets: every target by name.
        groups: the names of the targets in each group.

    Raises:
        SelectionError: an expression chooses nothing, has a part that names nothing that is
            there, or cannot be understood.
    """
    if not expressions:
        return list(targets.values())
    chosen: set[str] = set()
    for expression in expressions:
        selector = Selector.parse(expression)
        for part in selector.parts:
            _check_part(part, expression, targets, groups)
        names = {target.name for target in targets.values() if selector.matches(target)}
        if not names:
            raise SelectionError(_nothing_left(selector, targets.values()))
        chosen |= names
    return [target for target in targets.values() if target.name in chosen]


def _split(expression: str) -> list[str]:
    """Return the parts of *expression*; the colon of ``kind:`` separates nothing."""
    parts, at = [], 0
    while True:
        match = _PART.match(expression, at)
        text = match[0] if match else ""
        parts.append(text.strip())
        at += len(text) + 1
        if at > len(expression):
            return parts


def _parse_part(text: str, expression: str) -> Part:
    sign = text[:1] if text[:1] in ("!", "&") else ""
    part = Part(sign, text.removeprefix(sign).strip())
    if not part.text:
        raise SelectionError(
            f"target expression '{expression}': a part is empty; expected a name, a group, "
            "a glob, kind:KIND or all"
        )
    if part.text.startswith("kind:"):
        kind = part.text.removeprefix("kind:")
        if kind not in KINDS:
            close = did_you_mean(kind, KINDS, otherwise="Kinds")
            raise SelectionError(f"target expression '{expression}': unknown kind '{kind}'.{close}")
    return part


def _check_part(
    part: Part,
    expression: str,
    targets: Mapping[str, Target],
    groups: Mapping[str, Sequence[str]],
) -> None:
    """Refuse a part that names nothing: a mistyped exclusion would audit what it should not."""
    if part.text in groups or any(part.matches(target) for target in targets.values()):
        return
    known = [*targets, *groups]
    if part.text.startswith("kind:"):
        there = ", ".join(sorted({f"kind:{target.kind}" for target in targets.values()}))
        close = f" There are: {there or 'no targets'}"
    elif part.is_glob:
        close = f" There are: {shorten(', '.join(known), 300) or 'no targets'}"
    else:
        close = did_you_mean(part.text, known, otherwise="There are")
    raise SelectionError(
        f"target expression '{expression}': '{part}' matches no target and no group.{close}"
    )


def _nothing_left(selector: Selector, targets: Iterable[Target]) -> str:
    """Return why *selector* chooses nothing although all its parts name something."""
    everything = list(targets)
    united = [part for part in selector.parts if not part.sign]
    left = [t for t in everything if not united or any(part.matches(t) for part in united)]
    start = ":".join(map(str, united)) or "all"
    if not left:
        return f"target expression '{selector.expression}': '{start}' has no targets"
    for part in sorted((p for p in selector.parts if p.sign), key=lambda p: p.sign == "!"):
        before, left = left, [t for t in left if part.matches(t) == (part.sign == "&")]
        if not left:
            names = shorten(", ".join(target.name for target in before), 300)
            count = plural(len(before), "target")
            return (
                f"target expression '{selector.expression}': '{part}' leaves nothing of "
                f"{count}: {names}"
            )
    return f"target expression '{selector.expression}' matches nothing"
