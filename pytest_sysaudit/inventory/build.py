"""Turning YAML nodes into plain data, and saying what has no clear meaning."""

from __future__ import annotations

import re
from typing import Any

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from pytest_sysaudit.inventory.compose import COLLECTION, PLAIN, TEXT
from pytest_sysaudit.inventory.scalars import AmbiguousError, is_word, resolve
from pytest_sysaudit.text import shorten

Loc = tuple[str | int, ...]

MOST_REPEATED = 1_000_000
"""Values that aliases may add to those that are written."""

_SECRET_KEY = re.compile(
    r"pass|pwd|secret|token|bearer|api.?key|signing.?key|credential", re.IGNORECASE
)


class _Broken:
    """Stands where a value would be, had it a clear meaning."""

    def __repr__(self) -> str:
        return "BROKEN"


BROKEN = _Broken()


def quoted(text: str) -> str:
    """Return *text* in quotes, shortened, fit for a message."""
    return repr(shorten(text, 80))


def looks_secret(loc: Loc) -> bool:
    """Whether the value at *loc* may be a secret, so that messages do not repeat it.

    Of an entry of a section only the keys count, not its name.
    """
    keys = loc[2:] or loc[-1:]
    return any(isinstance(key, str) and bool(_SECRET_KEY.search(key)) for key in keys)


class Builder:
    """Builds the data of one file.

    Attributes:
        findings: node, place and text of everything that is wrong.
    """

    def __init__(self, texts: frozenset[str]) -> None:
        self.findings: list[tuple[Node, Loc, str]] = []
        self._texts = texts
        self._done: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()

    def build(self, root: Node) -> Any:
        """Return the data of *root*."""
        return self._value(root, ())[0]

    def _value(self, node: Node, loc: Loc) -> tuple[Any, int]:
        """Return the data of *node* and the number of values in it, repeated ones included."""
        if isinstance(node, ScalarNode):
            return self._scalar(node, loc), 1
        if id(node) in self._open:
            return self._lose(node, loc, "an alias that holds itself"), 1
        if id(node) not in self._done:
            if node.tag != COLLECTION:
                return self._lose(node, loc, _TAGGED), 1
            self._open.add(id(node))
            if isinstance(node, MappingNode):
                self._done[id(node)] = self._mapping(node, loc)
            else:
                self._done[id(node)] = self._sequence(node, loc)
            self._open.discard(id(node))
        return self._done[id(node)]

    def _lose(self, node: Node, loc: Loc, text: str) -> Any:
        self.findings.append((node, loc, text))
        return BROKEN

    def _scalar(self, node: ScalarNode, loc: Loc) -> Any:
        key = next((step for step in reversed(loc) if isinstance(step, str)), "")
        if node.tag == TEXT:
            return node.value
        if node.tag != PLAIN:
            return self._lose(node, loc, _TAGGED)
        try:
            if key in self._texts and node.value:
                return node.value
            return resolve(node.value)
        except AmbiguousError as error:
            hidden = "this value is ambiguous in YAML; quote it"
            return self._lose(node, loc, hidden if looks_secret(loc) else str(error))

    def _sequence(self, node: Node, loc: Loc) -> tuple[Any, int]:
        built = [self._value(item, (*loc, i)) for i, item in enumerate(node.value)]
        return self._bounded(node, loc, [value for value, _ in built], sum(n for _, n in built))

    def _mapping(self, node: MappingNode, loc: Loc) -> tuple[Any, int]:
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merges: list[Node] = []
        size = 0
        for key_node, value_node in node.value:
            if (
                isinstance(key_node, ScalarNode)
                and key_node.tag == PLAIN
                and key_node.value == "<<"
            ):
                merges += self._merges(value_node, loc)
                continue
            key = self._key(key_node, loc)
            if key is None:
                continue
            if key in lines:
                text = f"duplicate key {quoted(key)}, first on line {lines[key]}"
                self.findings.append((key_node, loc, text))
                continue
            lines[key] = key_node.start_mark.line + 1
            result[key], count = self._value(value_node, (*loc, key))
            size += count
        for merged in merges:
            value, count = self._value(merged, loc)
            size += count
            if isinstance(value, dict):
                result = {**value, **result}
        return self._bounded(node, loc, result, size)

    def _merges(self, node: Node, loc: Loc) -> list[Node]:
        """Return the mappings that ``<<: node`` names, the strongest first."""
        parts = node.value if isinstance(node, SequenceNode) else [node]
        good: list[Node] = [part for part in parts if isinstance(part, MappingNode)]
        if len(good) < len(parts):
            self.findings.append((node, loc, "'<<' takes keys and values, or a list of such"))
        return good

    def _bounded(self, node: Node, loc: Loc, value: Any, size: int) -> tuple[Any, int]:
        if size > MOST_REPEATED and size > 2 * self._written(node):
            text = f"aliases repeat more than {MOST_REPEATED} values"
            return self._lose(node, loc, text), 1
        return value, size + 1

    def _written(self, node: Node) -> int:
        """Return the number of values below *node* as they are written, each once."""
        seen: set[int] = set()
        stack = [node]
        while stack:
            item = stack.pop()
            if id(item) not in seen:
                seen.add(id(item))
                if isinstance(item, MappingNode):
                    stack += [value for _, value in item.value]
                elif isinstance(item, SequenceNode):
                    stack += item.value
        return len(seen)

    def _key(self, node: Node, loc: Loc) -> str | None:
        """Return the key that *node* is; keys are text, so yes and no need no quotes here."""
        if not isinstance(node, ScalarNode):
            text = "a key is text; quote a value that begins with '{' or '['"
        elif node.tag == TEXT or (node.tag == PLAIN and is_word(node.value)):
            return str(node.value)
        elif node.tag != PLAIN:
            text = _TAGGED
        elif _is_text(node.value):
            return str(node.value)
        else:
            text = f"keys are text; quote it: {quoted(node.value)}"
        self.findings.append((node, loc, text))
        return None


_TAGGED = "tags are not used here; quote a value that begins with '!'"


def _is_text(word: str) -> bool:
    try:
        return isinstance(resolve(word), str)
    except AmbiguousError:
        return False
