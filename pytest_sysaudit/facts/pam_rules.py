"""One file of PAM: its rules, as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from pytest_sysaudit.errors import CannotAssess

TYPES = ("auth", "account", "password", "session")
#: What a control of one word stands for: pam.conf(5).
_MEANS: Mapping[str, Mapping[str, str]] = {
    "required": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "new_authtok_reqd": "done", "default": "ignore"},
    "optional": {"success": "ok", "new_authtok_reqd": "ok", "default": "ignore"},
}
#: Controls that bring in the rules of another file.
INCLUDES = ("include", "substack")
_WORD = re.compile(r"\[((?:\\\]|[^\]])*)\]|(\S+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: *module* is asked for *type*, and *control* says what its answer does.

    Attributes:
        path: the file that it stands in, and ``line`` where.
        type: ``auth``, ``account``, ``password`` or ``session``.
        control: one word, or ``[value=action ...]``.
        module: its file name without folder and ``.so``.
        may_lack: whether PAM goes on in silence if there is no such module.
    """

    path: str
    line: int
    type: str
    control: str
    module: str
    args: tuple[str, ...] = ()
    may_lack: bool = False

    @property
    def place(self) -> str:
        """Where it stands: ``/etc/pam.d/su:15``."""
        return f"{self.path}:{self.line}"

    @property
    def actions(self) -> Mapping[str, str]:
        """What is done by what the module answers; ``default`` stands for all other answers."""
        if not self.control.startswith("["):
            return _MEANS[self.control]
        pairs = (word.partition("=") for word in self.control[1:-1].split())
        return {value: action for value, _, action in pairs}

    def action(self, *, agrees: bool) -> str:
        """Return what is done if the module agrees, or refuses: ``ok``, ``die``, ``2``."""
        default = self.actions.get("default", "bad")
        return self.actions.get("success", default) if agrees else default

    @property
    def enforced(self) -> bool:
        """Whether everything fails if the module refuses, or is not there."""
        return not self.may_lack and self.action(agrees=False) in ("bad", "die")

    @property
    def skips(self) -> bool:
        """Whether rules after it are left out if the module agrees."""
        action = self.action(agrees=True)
        return action == "done" or (action.isdigit() and int(action) > 0)

    @property
    def options(self) -> Mapping[str, str]:
        """The arguments: ``deny=5`` by its name, and a word alone with an empty value."""
        pairs = (arg.partition("=") for arg in self.args)
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Include:
    """The rules of another file stand here: those of *type*, or all if it is empty.

    What ends the rules of a ``substack`` does not end those around it.
    """

    path: str
    line: int
    type: str
    file: str
    substack: bool = False


Item = Union[Rule, "tuple[Item, ...]"]
"""A rule, or those of a substack."""


def flat(items: Sequence[Item]) -> Iterator[Rule]:
    """Yield all rules of a stack in their order."""
    for item in items:
        if isinstance(item, Rule):
            yield item
        else:
            yield from flat(item)


def walk(items: Sequence[Item], agrees: Callable[[Rule], bool]) -> tuple[Rule, ...]:
    """Return the rules that PAM comes to, if the module of each *agrees* or refuses."""
    seen: list[Rule] = []
    _walk(items, agrees, seen, good=True)
    return tuple(seen)


def _walk(
    items: Sequence[Item], agrees: Callable[[Rule], bool], seen: list[Rule], *, good: bool
) -> bool:
    """Go through one level; return whether nobody refused so far."""
    skip = 0
    for item in items:
        if skip:
            skip -= 1
            continue
        if not isinstance(item, Rule):
            good = _walk(item, agrees, seen, good=good)
            continue
        seen.append(item)
        action = item.action(agrees=agrees(item))
        if action.isdigit():
            skip = int(action)
        elif action == "die":
            return False
        elif action == "done" and good:
            return True
        good = action == "reset" or (good and action != "bad")
    return good


def parse_rules(path: str, text: str) -> Iterator[Rule | Include]:
    """Yield what the file at *path* says, in its order.

    Raises:
        CannotAssess: a line is none of pam.d(5): PAM refuses whoever asks for such a service.
    """
    for number, line in _whole_lines(text):
        try:
            yield _rule(path, number, line)
        except (ValueError, LookupError) as error:
            raise CannotAssess(f"{path}: line {number} is no rule of PAM") from error


def _whole_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines without comments, those that a backslash continues in one, by their number."""
    begun, start = "", 0
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.split("#", 1)[0].strip()
        start = start or number
        begun = f"{begun} {line.removesuffix(chr(92))}".strip()
        if line.endswith("\\"):
            continue
        if begun:
            yield start, begun
        begun, start = "", 0
    if begun:
        yield start, begun


def _rule(path: str, number: int, line: str) -> Rule | Include:
    words = [(m[1] is not None, m[1] if m[1] is not None else m[2]) for m in _WORD.finditer(line)]
    (_, first), (bracket, control), *rest = words
    if first == "@include":
        return Include(path, number, "", control)
    kind = first.removeprefix("-").lower()
    (_, module), *args = rest
    if kind not in TYPES:
        raise ValueError("not a type")
    if not bracket and control.lower() in INCLUDES:
        return Include(path, number, kind, module, substack=control.lower() == "substack")
    control = f"[{control.lower()}]" if bracket else control.lower()
    if not bracket and control not in _MEANS:
        raise ValueError("not a control")
    name = module.rpartition("/")[2].removesuffix(".so")
    return Rule(
        path, number, kind, control, name, tuple(arg for _, arg in args), first.startswith("-")
    )
